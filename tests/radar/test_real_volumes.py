"""Every real CINRAD volume at hand: as its description says, and gate for gate as read slowly.

The slow reader is written here from the byte tables of the formats (CMA, "Weather radar base data
standard format" and the radial of SA/SB) and uses nothing of the decoder's.
"""

import bz2
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.radar.conftest import ROOT

from jinghu.radar.decode import decode_volume
from jinghu.radar.encode import encode_legacy, encode_standard
from jinghu.radar.sites import load_sites
from jinghu.radar.volume import Volume

LEGACY = "zhejiang_lekima_2019/radar/Z_RADR_I_{}_O_DOR_{}_CAP.bin.bz2"
OLD = "cinrad_legacy/Z_RADR_I_{}_O_DOR_{}_CAP.bin.bz2"
STANDARD = "cinrad_standard_format/Z_RADR_I_{}_O_DOR_{}_CAP_FMT.bin.bz2"
# Rays: bytes of the unpacked file / 2432. Strongest echo: dBZ, read slowly; 47 to 65.5 published.
LEGACY_FILES = {
    LEGACY.format("Z9570_20190809160300", "SB"): (4029, 47.5),
    LEGACY.format("Z9571_20190809160100", "SA"): (4030, 61.0),
    LEGACY.format("Z9572_20190809155900", "SA"): (4032, 64.5),
    LEGACY.format("Z9574_20190809160300", "SA"): (4000, 53.5),
    LEGACY.format("Z9574_20190809163100", "SA"): (4001, 51.5),
    LEGACY.format("Z9576_20190809160200", "SA"): (4037, 64.0),
    LEGACY.format("Z9576_20190809163200", "SA"): (1148, 65.5),  # cut short between two radials
    LEGACY.format("Z9577_20190809160100", "SA"): (3991, 58.0),
    LEGACY.format("Z9577_20190809162900", "SA"): (3990, 52.5),
    LEGACY.format("Z9578_20190809160200", "SA"): (4032, 54.5),
    LEGACY.format("Z9578_20190809163200", "SA"): (4032, 58.0),
    LEGACY.format("Z9579_20190809160400", "SB"): (4033, 53.0),
    LEGACY.format("Z9579_20190809162800", "SB"): (4031, 56.0),
    LEGACY.format("Z9580_20190809160000", "SA"): (3996, 57.0),
    OLD.format("Z9576_20150809120400", "SA"): (4039, 56.0),
}
# Nine elevations, of which the lowest two are scanned twice.
LEGACY_ELEVATIONS = (0.5, 0.5, 1.45, 1.45, 2.4, 3.35, 4.3, 6.0, 9.9, 14.6, 19.5)
# Rays, elevations, gate length, strongest echo.
STANDARD_FILES = {
    STANDARD.format("Z9090_20250827045712", "SB"): (
        2787, (0.5, 0.5, 1.5, 1.5, 2.5, 2.5, 3.5, 4.5), 250.0, 74.0,
    ),
    STANDARD.format("ZG170_20260329064800", "YTD2"): (1815, (1.8, 2.8, 3.8, 4.8, 5.8), 75.0, 56.5),
}  # fmt: skip
KINDS = {
    1: "DBTH", 2: "DBZH", 3: "VRADH", 4: "WRADH", 5: "SQIH", 7: "ZDR", 9: "RHOHV", 10: "PHIDP",
    11: "KDP", 15: "CF", 16: "SNRH",
}  # fmt: skip
FIRST_DATA = {"CINRAD legacy": 2, "CINRAD standard": 5}


@dataclass(frozen=True)
class Gates:
    """One moment of one ray, as read slowly."""

    codes: np.ndarray
    scale: float
    offset: float
    gate_m: float
    centre_m: float  # of the first gate


@dataclass(frozen=True)
class Ray:
    azimuth: float
    elevation: float
    time: float
    moments: dict[str, Gates]


def slow_legacy(raw: bytes) -> dict[int, list[Ray]]:
    cuts: dict[int, list[Ray]] = {}
    for at in range(0, len(raw) - 2431, 2432):
        milliseconds, day = struct.unpack_from("<IH", raw, at + 28)
        azimuth, _, _, elevation, cut, first_z, first_v, z_m, v_m, n_z, n_v = struct.unpack_from(
            "<5H2h4H", raw, at + 36
        )
        z_at, v_at, w_at, resolution = struct.unpack_from("<4H", raw, at + 64)
        step = 2.0 if resolution == 2 else 1.0
        layout = {
            "DBZH": (z_at, n_z, 2.0, 66.0, z_m, first_z),
            "VRADH": (v_at, n_v, step, 129.0, v_m, first_v),
            "WRADH": (w_at, n_v, 2.0, 129.0, v_m, first_v),
        }
        moments = {
            name: Gates(np.frombuffer(raw, "u1", n, at + 28 + place), scale, offset, gate, first)
            for name, (place, n, scale, offset, gate, first) in layout.items()
            if n and place
        }
        angle = 180 / 8 / 4096
        time = (day - 1) * 86400 + milliseconds / 1000
        cuts.setdefault(cut, []).append(Ray(azimuth * angle, elevation * angle, time, moments))
    return cuts


def slow_standard(raw: bytes) -> dict[int, list[Ray]]:
    (n_cuts,) = struct.unpack_from("<i", raw, 336)
    at = 416 + 256 * n_cuts
    cuts: dict[int, list[Ray]] = {}
    while at < len(raw):
        (cut,) = struct.unpack_from("<i", raw, at + 16)
        azimuth, elevation, seconds, micro, _, n = struct.unpack_from("<ff4i", raw, at + 20)
        table = 416 + 256 * (cut - 1)
        log_m, doppler_m = struct.unpack_from("<2i", raw, table + 44)
        (start_m,) = struct.unpack_from("<i", raw, table + 60)
        at += 64
        moments = {}
        for _ in range(n):
            kind, scale, offset, width, _, size = struct.unpack_from("<iiihhi", raw, at)
            gate_m = doppler_m if kind in (3, 4) else log_m
            gate_m = (gate_m - 32768) / 100 if gate_m > 32768 else gate_m
            codes = np.frombuffer(raw, f"<u{width}", size // width, at + 32)
            if kind in KINDS:
                centre = start_m + gate_m / 2
                moments[KINDS[kind]] = Gates(codes, scale, offset, gate_m, centre)
            at += 32 + size
        cuts.setdefault(cut, []).append(Ray(azimuth, elevation, seconds + micro / 1e6, moments))
    return cuts


@cache
def unpacked(path: Path) -> bytes:
    return bz2.decompress(path.read_bytes())


def decoded(path: Path) -> Volume:
    sites = load_sites(ROOT / "configs" / "radar_sites.yaml")
    return decode_volume(
        unpacked(path), path.name, None if path.name.endswith("FMT.bin.bz2") else sites
    )


def there(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        pytest.skip(f"no real data: {path} does not exist")
    return path


def assert_same(volume: Volume, cuts: dict[int, list[Ray]]) -> float:
    """Compare gate for gate; returns the strongest echo of the slow reader."""
    strongest = -np.inf
    first_data = FIRST_DATA[volume.format_name]
    for sweep, number in zip(volume.sweeps, sorted(cuts), strict=True):
        rays = cuts[number]
        assert sweep.n_rays == len(rays)
        assert abs(sweep.elevation_deg - np.median([r.elevation for r in rays])) < 0.3
        np.testing.assert_allclose(sweep.azimuth_deg, [r.azimuth for r in rays], atol=1e-4)
        np.testing.assert_allclose(sweep.ray_elevation_deg, [r.elevation for r in rays], atol=1e-4)
        np.testing.assert_allclose(sweep.time_s, [r.time for r in rays], atol=1e-6, rtol=0)
        assert set(sweep.moments) == {name for r in rays for name in r.moments}
        for name, moment in sweep.moments.items():
            slow = [r.moments[name] for r in rays]
            codes = np.stack([g.codes for g in slow])
            np.testing.assert_array_equal(moment.codes, codes)
            (place,) = {(g.gate_m, g.centre_m) for g in slow}
            assert (moment.gate_m, moment.range_m[0]) == place
            assert moment.range_m[-1] == place[1] + (codes.shape[1] - 1) * place[0]
            values = (codes.astype(np.float64) - slow[0].offset) / slow[0].scale
            values[codes < first_data] = np.nan
            np.testing.assert_allclose(moment.values(), values, rtol=1e-6, atol=1e-5)
            np.testing.assert_array_equal(moment.dry(), codes == 0)
            if name == "DBZH":
                strongest = max(strongest, float(np.nanmax(values)))
    return strongest


@pytest.mark.parametrize("name", LEGACY_FILES, ids=lambda name: name.split("_O_")[0][-20:])
def test_legacy_gate_for_gate(name, data_folder):
    path = there(data_folder, name)
    rays, strongest = LEGACY_FILES[name]
    volume = decoded(path)
    assert sum(s.n_rays for s in volume.sweeps) == rays
    assert volume.dropped_bytes == 0
    whole = rays > 1148
    assert volume.complete == whole
    expected = LEGACY_ELEVATIONS if whole else LEGACY_ELEVATIONS[:4]
    np.testing.assert_allclose([s.elevation_deg for s in volume.sweeps], expected, atol=0.1)
    assert [("DBZH" in s.moments, "VRADH" in s.moments) for s in volume.sweeps[:4]] == [
        (True, False), (False, True), (True, False), (False, True)
    ]  # fmt: skip
    assert assert_same(volume, slow_legacy(unpacked(path))) == strongest


@pytest.mark.parametrize("name", STANDARD_FILES, ids=lambda name: name.split("_O_")[0][-20:])
def test_standard_gate_for_gate(name, data_folder):
    path = there(data_folder, name)
    rays, elevations, gate_m, strongest = STANDARD_FILES[name]
    volume = decoded(path)
    assert volume.complete
    assert volume.dropped_bytes == 0
    assert volume.site.code == path.name.split("_")[3]
    assert sum(s.n_rays for s in volume.sweeps) == rays
    np.testing.assert_allclose([s.elevation_deg for s in volume.sweeps], elevations, atol=0.03)
    assert {m.gate_m for s in volume.sweeps for m in s.moments.values()} == {gate_m}
    assert assert_same(volume, slow_standard(unpacked(path))) == strongest


def assert_identical(one: Volume, other: Volume) -> None:
    assert (one.site, one.time, one.end_time) == (other.site, other.time, other.end_time)
    for a, b in zip(one.sweeps, other.sweeps, strict=True):
        assert (a.elevation_deg, a.nyquist_m_s) == (b.elevation_deg, b.nyquist_m_s)
        np.testing.assert_array_equal(a.azimuth_deg, b.azimuth_deg)
        np.testing.assert_array_equal(a.ray_elevation_deg, b.ray_elevation_deg)
        np.testing.assert_array_equal(a.time_s, b.time_s)
        assert a.moments.keys() == b.moments.keys()
        for name, moment in a.moments.items():
            again = b.moments[name]
            np.testing.assert_array_equal(moment.codes, again.codes)
            assert (moment.scale, moment.offset, moment.first_valid, moment.gate_m) == (
                again.scale, again.offset, again.first_valid, again.gate_m,
            )  # fmt: skip
            assert moment.first_gate_m == again.first_gate_m


@pytest.mark.parametrize(
    "name",
    [*list(LEGACY_FILES)[::7], *STANDARD_FILES],
    ids=lambda name: name.split("_O_")[0][-20:],
)
def test_encoded_again_and_read_back_identical(name, data_folder):
    path = there(data_folder, name)
    volume = decoded(path)
    legacy = volume.format_name == "CINRAD legacy"
    raw = encode_legacy(volume) if legacy else encode_standard(volume)
    sites = {volume.site.code: volume.site}
    assert_identical(volume, decode_volume(raw, path.name, sites))
