"""Which radials agree with one another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.errors import DataError
from jinghu.radar.radials import following, missing, refuse_if_scattered, scarred

RAYS = 60


def scan(cuts=3, spacing=6.0):
    """cut, number, azimuth, time of a clean scan."""
    n = cuts * RAYS
    cut = np.repeat(np.arange(1, cuts + 1), RAYS)
    number = np.tile(np.arange(1, RAYS + 1), cuts)
    azimuth = ((57.3 + spacing * np.arange(n)) % 360).astype(np.float32)
    return cut, number, azimuth, 1e9 + 0.5 * np.arange(n)


@pytest.mark.parametrize("spacing", [6.0, -6.0, 0.0])
def test_a_clean_scan_is_kept_whichever_way_it_turns(spacing):
    assert following(*scan(spacing=spacing)).all()


@settings(deadline=None, max_examples=100)
@given(
    st.integers(0, 3 * RAYS - 1),
    st.sampled_from([(0, 1), (0, 2), (1, 5), (1, 250), (2, 4.0), (2, 180.0), (3, -9), (3, 400)]),
)
def test_one_changed_header_is_left_out_and_no_other(ray, change):
    """Whatever field changes, and wherever, ends and beginnings of cuts included."""
    column, by = change
    fields = [c.copy() for c in scan()]
    fields[column][ray] += by
    if column == 2:
        fields[2] %= 360
    kept = following(*fields)
    harmless = (
        (column == 3 and ray in (0, 3 * RAYS - 1))  # a time at the ends can be earlier, or later
        or (column == 1 and ray == 3 * RAYS - 1)
    )
    assert not kept[ray] or harmless
    assert kept.sum() >= 3 * RAYS - 1


def test_a_real_gap_keeps_both_sides():
    fields = [np.delete(c, slice(70, 100)) for c in scan()]
    assert following(*fields).all()
    # The antenna slipped: numbers go on, azimuths jump by 40 degrees.
    cut, number, azimuth, time = scan()
    azimuth[90:] = (azimuth[90:] + 40) % 360
    assert following(cut, number, azimuth, time).all()


def test_repeated_radials_come_once():
    fields = [np.concatenate([c[:80], c[60:]]) for c in scan()]
    assert following(*fields).sum() == 3 * RAYS


def test_files_without_numbers_are_counted():
    cut, number, azimuth, time = scan()
    assert following(cut, np.zeros_like(number), azimuth, time).all()
    azimuth[30] += 90
    assert not following(cut, np.zeros_like(number), azimuth, time)[30]


def test_scars_are_bytes_unlike_both_neighbours():
    fixed = np.zeros((100, 40), np.uint8)
    fixed[50:] = 7  # what changes once, and stays, is no scar
    fixed[:, 3] = np.arange(100) % 2 * 9  # what changes all the time is live
    assert not scarred(fixed).any()
    fixed[20, 11] = 1
    assert np.flatnonzero(scarred(fixed)).tolist() == [20]


def test_many_scars_refuse_the_file():
    refuse_if_scattered(4, 300, "x.bin")
    with pytest.raises(DataError, match="changed in the headers of 5"):
        refuse_if_scattered(5, 300, "x.bin")


def test_missing_is_named():
    cut, number, _, _ = scan()
    state = np.ones(3 * RAYS, np.int64)
    state[::RAYS], state[RAYS - 1 :: RAYS] = 0, 2
    state[0], state[-1] = 3, 4
    assert missing(cut, number, state) == ()
    few = [np.delete(c, [10, 11, RAYS]) for c in (cut, number, state)]
    assert missing(*few) == (
        "2 radials are missing inside sweeps",
        "1 beginnings or ends of sweeps are missing",
    )
