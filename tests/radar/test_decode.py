"""The decoder against a slow one written here from the byte tables, radial by radial."""

import bz2
import gzip
import struct
from typing import Any

import numpy as np
import pytest
from tests.radar.conftest import SITE, legacy_volume, standard_volume

from jinghu.grid.errors import DataError
from jinghu.radar.decode import decode_volume
from jinghu.radar.encode import encode_legacy, encode_standard
from jinghu.radar.standard_layout import MOMENT_NAMES


def slow_legacy(raw):
    """cut -> list of (azimuth, elevation, time, {name: codes})."""
    cuts: dict[int, list[Any]] = {}
    for at in range(0, len(raw) - 2431, 2432):
        ms, day = struct.unpack_from("<IH", raw, at + 28)
        azimuth, _, _, elevation, cut = struct.unpack_from("<5H", raw, at + 36)
        n_ref, n_dop = struct.unpack_from("<2H", raw, at + 54)
        pointers = struct.unpack_from("<3H", raw, at + 64)
        moments = {}
        for name, n, pointer in zip(
            ("DBZH", "VRADH", "WRADH"), (n_ref, n_dop, n_dop), pointers, strict=True
        ):
            if n and pointer:
                moments[name] = np.frombuffer(raw, "u1", n, at + 28 + pointer)
        angle = 180 / 8 / 4096
        time = (day - 1) * 86400 + ms / 1000
        ray = (azimuth * angle, elevation * angle, time, moments)
        cuts.setdefault(cut, []).append(ray)
    return cuts


def slow_standard(raw):
    """cut -> list of (azimuth, elevation, time, {name: codes}), and {name: (scale, offset)}."""
    (n_cuts,) = struct.unpack_from("<i", raw, 336)
    at = 416 + 256 * n_cuts
    cuts: dict[int, list[Any]] = {}
    scales = {}
    while at < len(raw):
        _, _, _, _, cut = struct.unpack_from("<5i", raw, at)
        azimuth, elevation, seconds, micro, _, n = struct.unpack_from("<ff4i", raw, at + 20)
        at += 64
        moments = {}
        for _ in range(n):
            kind, scale, offset, width, _, size = struct.unpack_from("<iiihhi", raw, at)
            if kind in MOMENT_NAMES:
                moments[MOMENT_NAMES[kind]] = np.frombuffer(
                    raw, f"<u{width}", size // width, at + 32
                )
                scales[MOMENT_NAMES[kind]] = (scale, offset)
            at += 32 + size
        cuts.setdefault(cut, []).append((azimuth, elevation, seconds + micro / 1e6, moments))
    return cuts, scales


def assert_equal(volume, cuts):
    assert len(volume.sweeps) == len(cuts)
    for sweep, number in zip(volume.sweeps, sorted(cuts), strict=True):
        rays = cuts[number]
        assert sweep.n_rays == len(rays)
        np.testing.assert_allclose(sweep.azimuth_deg, [r[0] for r in rays], atol=1e-4)
        np.testing.assert_allclose(sweep.ray_elevation_deg, [r[1] for r in rays], atol=1e-4)
        np.testing.assert_allclose(sweep.time_s, [r[2] for r in rays], atol=1e-6, rtol=0)
        assert set(sweep.moments) == {name for r in rays for name in r[3]}
        for name, moment in sweep.moments.items():
            np.testing.assert_array_equal(moment.codes, np.stack([r[3][name] for r in rays]))


@pytest.mark.parametrize("seed", range(3))
def test_encoded_volumes_gate_for_gate(seed):
    made = standard_volume(seed)
    cuts, scales = slow_standard(encode_standard(made))
    found = decode_volume(encode_standard(made), made.source, {SITE.code: SITE})
    assert_equal(found, cuts)
    moments = [item for s in found.sweeps for item in s.moments.items()]
    assert {n: (m.scale, m.offset) for n, m in moments} == scales
    made = legacy_volume(seed)
    found = decode_volume(encode_legacy(made), made.source, {SITE.code: SITE})
    assert_equal(found, slow_legacy(encode_legacy(made)))


@pytest.mark.parametrize("pack", [bytes, bz2.compress, gzip.compress])
def test_any_wrapping(pack):
    made = standard_volume()
    found = decode_volume(pack(encode_standard(made)), made.source, {SITE.code: SITE})
    assert found.complete
    assert found.site == SITE


def with_bytes(raw, at, new):
    return raw[:at] + new + raw[at + len(new) :]


STANDARD = encode_standard(standard_volume())
NAME = standard_volume().source


@pytest.mark.parametrize(
    ("data", "name", "cause"),
    [
        (b"", NAME, "the file is empty"),
        (b"radar volume of 06:00\n" * 500, NAME, "not a radar volume"),
        (with_bytes(STANDARD, 8, struct.pack("<i", 2)), NAME, "a radar product"),
        (with_bytes(STANDARD, 8, struct.pack("<i", 16)), NAME, "cuts; 1 to 256 can be"),
        (with_bytes(STANDARD, 8, struct.pack("<i", 77)), NAME, "unknown generic type 77"),
        (with_bytes(STANDARD, 32, b"Z9999"), NAME, "unknown site 'Z9999'"),
        (with_bytes(STANDARD, 72, struct.pack("<f", 39.8)), NAME, "km off the site table"),
        (with_bytes(STANDARD, 336, struct.pack("<i", 0)), NAME, "header names 0 cuts"),
        (with_bytes(STANDARD, 416 + 44, struct.pack("<i", -5)), NAME, "cannot be"),
        (STANDARD[:300], NAME, "cut inside the header"),
        (STANDARD[:700], NAME, "cut inside the table of cuts"),
        (STANDARD[:1200], NAME, "no whole radial"),
        (b"AR2V0006." + bytes(5000), NAME, "NEXRAD"),
        (b"PSTM" + STANDARD[4:], NAME, "real-time radial stream"),
        (bz2.compress(STANDARD)[:60], NAME, "the bzip2 stream is cut short"),
        (bz2.compress(b"text " * 999), NAME, "not a radar volume"),
        (encode_legacy(legacy_volume()), "volume.bin", "without a site code in its name"),
        (encode_legacy(legacy_volume()), "Z_RADR_I_Z9999_x.bin", "unknown site 'Z9999'"),
    ],
)
def test_refusals_name_the_file_and_the_cause(data, name, cause):
    with pytest.raises(DataError) as caught:
        decode_volume(data, name, {SITE.code: SITE})
    assert caught.value.source == name
    assert cause in caught.value.cause
    assert "\n" not in str(caught.value)


def compressed_radial(raw, at):
    """The radial as an LZO-compressed one: flagged, without readable moments."""
    raw = with_bytes(raw, at + 50, b"\x01")
    (length,) = struct.unpack_from("<i", raw, at + 36)
    noise = np.random.default_rng(at).integers(0, 256, length, np.uint8).tobytes()
    return with_bytes(raw, at + 64, noise), at + 64 + length


def test_lzo_radials_are_named():
    raw, at = compressed_radial(STANDARD, 416 + 3 * 256)
    volume = decode_volume(raw, NAME, None)
    assert "1 radials are LZO-compressed, which is not supported" in volume.damage
    assert volume.sweeps[0].n_rays == 59
    while at < len(raw):
        raw, at = compressed_radial(raw, at)
    with pytest.raises(DataError, match="LZO-compressed"):
        decode_volume(raw, NAME, None)


def test_a_start_time_that_lies_is_not_believed():
    raw = with_bytes(STANDARD, 332, struct.pack("<i", 0))
    volume = decode_volume(raw, NAME, None)
    assert volume.complete
    assert volume.time == standard_volume().time


def test_elevations_that_lie_are_named():
    raw = with_bytes(STANDARD, 416 + 2 * 256 + 24, struct.pack("<f", 30.0))
    volume = decode_volume(raw, NAME, None)
    assert volume.sweeps[2].elevation_deg == 1.5
    assert "the header puts cut 3 at 30 deg, its radials at 1.5" in volume.damage
