"""Phased-array volumes: layout, both ray orders, against a slow reader of the byte tables."""

import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.radar.conftest import ARRAY_SITE, START, array_volume
from tests.radar.test_encode import assert_same

from jinghu.grid.errors import DataError
from jinghu.radar.decode import decode_volume
from jinghu.radar.encode_array import RayOrder, encode_phased_array
from jinghu.radar.standard_layout import MOMENT_NAMES

ORDERS = pytest.mark.parametrize("order", list(RayOrder), ids=lambda order: order.name)


def slow(raw):
    """cut -> list of (azimuth, elevation, time, {name: codes})."""
    n_beams, n_cuts = struct.unpack_from("<ii", raw, 328)
    at = 416 + 640 * n_beams + 256 * n_cuts
    cuts: dict[int, list[Any]] = {}
    while at < len(raw):
        (cut,) = struct.unpack_from("<i", raw, at + 16)
        azimuth, elevation, seconds, micro, _, n = struct.unpack_from("<ffqiii", raw, at + 20)
        at += 128
        moments = {}
        for _ in range(n):
            kind, _, _, width, _, size = struct.unpack_from("<iiihhi", raw, at)
            moments[MOMENT_NAMES[kind]] = np.frombuffer(raw, f"<u{width}", size // width, at + 32)
            at += 32 + size
        cuts.setdefault(cut, []).append((azimuth, elevation, seconds + micro / 1e6, moments))
    return cuts


@ORDERS
def test_gate_for_gate_against_a_slow_reader(order):
    made = array_volume(1, rays=40, cuts=5)
    raw = encode_phased_array(made, order, beams=2)
    volume, cuts = decode_volume(raw, made.source, {ARRAY_SITE.code: ARRAY_SITE}), slow(raw)
    assert volume.complete
    assert volume.format_name == "CINRAD phased array"
    for number, sweep in enumerate(volume.sweeps, 1):
        rays = cuts[number]
        np.testing.assert_array_equal(sweep.azimuth_deg, np.array([r[0] for r in rays], "f4"))
        np.testing.assert_array_equal(sweep.ray_elevation_deg, np.array([r[1] for r in rays], "f4"))
        np.testing.assert_allclose(sweep.time_s, [r[2] for r in rays], atol=1e-6, rtol=0)
        for name, moment in sweep.moments.items():
            np.testing.assert_array_equal(moment.codes, np.stack([r[3][name] for r in rays]))


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    rays=st.lists(st.integers(3, 12), min_size=1, max_size=5),
    order=st.sampled_from(RayOrder),
    gate_m=st.sampled_from([30.0, 62.5, 37.474]),
    data=st.data(),
)
def test_what_is_encoded_is_decoded(seed, rays, order, gate_m, data):
    """Sweeps of unlike sizes, gates of any length; beams of the cut, names, times."""
    sweeps = []
    for k, n in enumerate(rays):
        sweep = array_volume(seed, n, cuts=len(rays)).sweeps[k]
        moments = {
            name: replace(m, gate_m=gate_m, first_gate_m=gate_m / 2)
            for name, m in sweep.moments.items()
        }
        sweeps.append(replace(sweep, moments=moments))
    made = replace(array_volume(), sweeps=tuple(sweeps))
    beams = data.draw(st.integers(1, len(rays)))
    found = decode_volume(encode_phased_array(made, order, beams), "x.bin", None)
    rounded = [
        replace(
            s,
            moments={
                n: replace(
                    m,
                    gate_m=float(np.float32(gate_m)),
                    first_gate_m=float(np.float32(gate_m)) / 2,
                )
                for n, m in s.moments.items()
            },
        )
        for s in made.sweeps
    ]
    assert_same(found, replace(made, sweeps=tuple(rounded)), time_s=6e-7)
    assert [s.beam_width_deg for s in found.sweeps] == [s.beam_width_deg for s in made.sweeps]


@ORDERS
def test_headers_are_where_the_byte_table_puts_them(order):
    raw = encode_phased_array(array_volume(), order, beams=2)
    assert struct.unpack_from("<4shhii", raw, 0) == (b"RSTM", 2, 0, 16, 0)
    assert struct.unpack_from("<iiiq", raw, 328) == (2, 3, order, int(START.timestamp()))
    assert struct.unpack_from("<h", raw, 32 + 72) == (70,)  # X band, dual polarisation
    assert [struct.unpack_from("<i", raw, 416 + 640 * k)[0] for k in (0, 1)] == [1, 2]
    assert struct.unpack_from("<f", raw, 416 + 640 + 12)[0] == pytest.approx(2.55)
    cut = 416 + 2 * 640 + 256  # the second
    assert struct.unpack_from("<hhf", raw, cut) == (2, 1, pytest.approx(1.65))
    assert struct.unpack_from("<ff", raw, cut + 12) == (1.5, 1.5)
    assert struct.unpack_from("<ff", raw, cut + 72) == (30.0, 30.0)
    first = 416 + 2 * 640 + 3 * 256
    assert struct.unpack_from("<5i", raw, first) == (3, 0, 1, 1, 1)
    seconds, _, length, moments = struct.unpack_from("<qiii", raw, first + 28)
    assert (seconds, length, moments) == (int(START.timestamp()), 3 * 32 + 80 + 80 + 120, 3)
    second = struct.unpack_from("<5i", raw, first + 128 + length)
    assert second == ((0, 0, 2, 1, 2) if order == RayOrder.TIME else (1, 0, 2, 2, 1))


def test_beam_widths_come_from_the_cuts():
    """The site block of an array holds integers where others hold the beam width."""
    volume = decode_volume(encode_phased_array(array_volume()), "x.bin", None)
    assert volume.site.beam_width_deg == 1.5
    assert [sweep.beam_width_deg for sweep in volume.sweeps] == [1.25, 1.5, 1.75]


@ORDERS
def test_undamaged_codes_of_one_byte_are_not_copied(order):
    raw = encode_phased_array(array_volume(), order)
    sweep = decode_volume(raw, "x.bin", None).sweeps[1]
    buffer = np.frombuffer(raw, np.uint8)
    assert np.shares_memory(sweep.moments["DBZH"].codes, buffer)
    assert not sweep.moments["DBZH"].codes.flags.writeable
    assert not np.shares_memory(sweep.moments["PHIDP"].codes, buffer)


@pytest.mark.parametrize(
    ("at", "new", "cause"),
    [
        (328, struct.pack("<i", 0), "header names 0 beams"),
        (328, struct.pack("<i", 257), "header names 257 beams"),
        (332, struct.pack("<i", 1000), "header names 1000 cuts"),
        (416 + 640 + 72, struct.pack("<f", float("nan")), "cannot be"),
        (416 + 640 + 72, struct.pack("<f", -30.0), "cannot be"),
    ],
)
def test_what_cannot_be_is_refused(at, new, cause):
    raw = encode_phased_array(array_volume())
    with pytest.raises(DataError, match=cause):
        decode_volume(raw[:at] + new + raw[at + len(new) :], "x.bin", None)


def test_times_that_cannot_be_are_refused():
    """A start and radials in the year 146 billion: no date holds them."""
    raw = bytearray(encode_phased_array(array_volume(0, 10, 1)))
    far = struct.pack("<q", 2**62)
    raw[340:348] = far
    for at in range(416 + 640 + 256, len(raw), 128 + 96 + 280):
        raw[at + 28 : at + 36] = far
    with pytest.raises(DataError, match="no whole radial"):
        decode_volume(bytes(raw), "x.bin", None)


def test_beams_and_moments_that_cannot_be_encoded():
    with pytest.raises(DataError, match="4 transmit beams for 3 sweeps"):
        encode_phased_array(array_volume(), beams=4)
