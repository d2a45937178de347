"""What is encoded is decoded: codes, angles, times, headers."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.radar.conftest import SITE, START, legacy_volume, standard_volume, volume

from jinghu.grid.errors import DataError
from jinghu.radar.decode import decode_volume
from jinghu.radar.encode import encode_legacy, encode_standard
from jinghu.radar.legacy import ANGLE_DEG
from jinghu.radar.standard_layout import MOMENT_NAMES
from jinghu.radar.volume import Moment, Sweep

ONE_BYTE = sorted(set(MOMENT_NAMES.values()) - {"PHIDP"})


def assert_same(found, wanted, azimuth_deg=0.0, time_s=0.0):
    assert len(found.sweeps) == len(wanted.sweeps)
    assert found.complete, found.damage
    assert found.dropped_bytes == 0
    for one, other in zip(found.sweeps, wanted.sweeps, strict=True):
        assert one.elevation_deg == pytest.approx(other.elevation_deg, abs=0.006)
        off = (one.azimuth_deg - other.azimuth_deg + 180) % 360 - 180
        assert np.abs(off).max() <= azimuth_deg
        assert np.abs(one.ray_elevation_deg - other.ray_elevation_deg).max() <= azimuth_deg
        assert np.abs(one.time_s - other.time_s).max() <= time_s
        assert one.nyquist_m_s == pytest.approx(other.nyquist_m_s, abs=0.005)
        assert list(one.moments) == [n for n in MOMENT_NAMES.values() if n in other.moments]
        for name, moment in one.moments.items():
            like = other.moments[name]
            assert moment.codes.dtype == like.codes.dtype
            np.testing.assert_array_equal(moment.codes, like.codes)
            assert replace(moment, codes=like.codes) == like


@st.composite
def any_sweep(draw, number):
    """A sweep of 3 to 12 rays with one to four moments of any size."""
    rays = draw(st.integers(3, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    gate_m = draw(st.sampled_from([30.0, 62.5, 75.0, 250.0, 1000.0]))
    names = draw(st.lists(st.sampled_from(ONE_BYTE), min_size=1, max_size=3, unique=True))
    wide = draw(st.booleans())
    moments = {}
    for name in [*names, *["PHIDP"] * wide]:
        dtype = np.uint16 if name == "PHIDP" else np.uint8
        gates = draw(st.integers(1, 40))
        field = random.integers(0, np.iinfo(dtype).max, (rays, gates), endpoint=True)
        scale, offset = draw(st.sampled_from([(2.0, 66.0), (100.0, 50.0), (200.0, 5.0)]))
        codes = field.astype(np.uint16) if name == "PHIDP" else field.astype(np.uint8)
        moments[name] = Moment(codes, scale, offset, 5, gate_m, gate_m / 2)
    elevation = draw(st.integers(-100, 9000)) / 100
    azimuth = (draw(st.floats(0, 360)) + np.arange(rays) * draw(st.sampled_from([1, -1, 9]))) % 360
    micro = draw(st.integers(0, 999_999))
    time_s = START.timestamp() + 20 * number + micro / 1e6 + np.arange(rays) * 0.05
    return Sweep(
        elevation,
        azimuth.astype(np.float32),
        np.full(rays, elevation, np.float32),
        np.round(time_s, 6),
        27.0,
        moments,
        1000.0,
    )


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(1, 4))
def test_standard_format_holds_any_volume(data, n_sweeps):
    made = volume([data.draw(any_sweep(k)) for k in range(n_sweeps)], "x.bin", "CINRAD standard")
    # Time stands in the file as whole microseconds: half of one can be lost.
    assert_same(decode_volume(encode_standard(made), "x.bin", None), made, time_s=6e-7)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.integers(5, 40))
def test_legacy_format_holds_its_moments(seed, rays):
    made = legacy_volume(seed, rays)
    found = decode_volume(encode_legacy(made), made.source, {SITE.code: SITE})
    assert_same(found, made, azimuth_deg=ANGLE_DEG / 2 + 1e-5, time_s=6e-4)
    assert found.task == "VCP21"


def test_headers_are_where_the_byte_table_puts_them():
    made = standard_volume()
    raw = encode_standard(made)
    assert struct.unpack_from("<4shhii", raw, 0) == (b"RSTM", 2, 0, 1, 0)
    assert raw[32:40] == b"ZSIM1\0\0\0"
    assert struct.unpack_from("<ffii", raw, 72) == pytest.approx((29.524, 120.539, 1096, 1096))
    assert raw[160:165] == b"VCP21"
    assert struct.unpack_from("<i", raw, 320)[0] == 3  # simultaneous polarisations: there is PHIDP
    assert struct.unpack_from("<ii", raw, 332) == (int(START.timestamp()), 3)
    assert struct.unpack_from("<f", raw, 416 + 2 * 256 + 24)[0] == 1.5
    assert struct.unpack_from("<ii", raw, 416 + 44) == (250, 250)
    first = 416 + 3 * 256
    assert struct.unpack_from("<5i", raw, first) == (3, 0, 1, 1, 1)
    assert struct.unpack_from("<ii", raw, first + 36) == (32 + 80, 1)
    assert struct.unpack_from("<iiihhi", raw, first + 64) == (2, 2, 66, 1, 0, 80)


def test_an_incomplete_volume_gets_no_end_marker():
    made = replace(standard_volume(), damage=("it ends before the end of the volume",))
    found = decode_volume(encode_standard(made), made.source, None)
    assert found.damage == ("it ends before the end of the volume",)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"gate_m": 33.333}, "hundredths"),
        ({"scale": 0.5}, "integers"),
        ({"first_gate_m": 125.3}, "whole number"),
    ],
)
def test_what_the_standard_format_cannot_hold_is_refused(change, cause):
    made = standard_volume()
    sweep = made.sweeps[0]
    moment = replace(sweep.moments["DBZH"], **change)
    if "gate_m" in change:
        moment = replace(moment, first_gate_m=moment.gate_m / 2)
    changed = replace(made, sweeps=(replace(sweep, moments={"DBZH": moment}),))
    with pytest.raises(DataError, match=cause):
        encode_standard(changed)


def test_what_the_legacy_format_cannot_hold_is_refused():
    with pytest.raises(DataError, match="no moment PHIDP"):
        encode_legacy(standard_volume())


def test_legacy_volumes_become_standard_ones_with_the_same_echo():
    made = legacy_volume()
    found = decode_volume(encode_standard(made), made.source, None)
    for one, other in zip(found.sweeps, made.sweeps, strict=True):
        for name, moment in one.moments.items():
            like = other.moments[name].values()
            np.testing.assert_array_equal(np.isnan(moment.values()), np.isnan(like))
            assert np.nanmax(np.abs(moment.values() - like)) <= 1.5  # codes 2 to 4 become 5
            np.testing.assert_array_equal(moment.range_m, other.moments[name].range_m)
