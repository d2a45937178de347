"""Offsets of a network from differences of pairs: known ones are found, bad ones stay alone."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.radar.calibration import Anchor, network_offsets
from jinghu.radar.overlap import Comparison

TRUE = {"A": 0.4, "B": -0.3, "C": 0.0, "D": 0.2, "E": -0.1}


def pair(first, second, difference, error=0.4):
    return Comparison(first, second, difference, 2.0, error, 500)


def pairs(true, error=0.4):
    return [pair(a, b, true[a] - true[b], error) for a, b in combinations(sorted(true), 2)]


def anchors(codes, error=1.0):
    return [Anchor(code, 0.0, error) for code in codes]


def solved(comparisons, known):
    return {o.radar: o for o in network_offsets(comparisons, known)}


@given(
    st.lists(st.floats(-4, 4), min_size=2, max_size=8),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=40)
def test_differences_are_kept_whatever_links_the_network(offsets, random):
    """Along any tree of pairs without errors the offsets differ as they should."""
    true = {f"R{k}": v for k, v in enumerate(offsets)}
    codes = list(true)
    links = [(codes[k], codes[random.randrange(k)]) for k in range(1, len(codes))]
    found = solved([pair(a, b, true[a] - true[b]) for a, b in links], anchors(codes))
    assert sorted(found) == codes
    for a, b in combinations(codes, 2):
        off = found[a].offset_db - found[b].offset_db
        assert off == pytest.approx(true[a] - true[b], abs=1e-6)


def test_one_bad_radar_moves_none_of_the_others():
    good = solved(pairs(TRUE), anchors(TRUE))
    bad = solved(pairs(TRUE | {"C": -5.0}), anchors(TRUE))
    assert bad["C"].offset_db - good["C"].offset_db == pytest.approx(-5.0, abs=0.3)
    for code in "ABDE":
        assert bad[code].offset_db == pytest.approx(good[code].offset_db, abs=0.3)
    assert bad["C"].comparisons == 4
    assert bad["C"].samples == 2000
    assert bad["C"].error_db < 1.2


def test_one_bad_pair_is_outvoted():
    wrong = [p if (p.first, p.second) != ("A", "B") else pair("A", "B", 9.0) for p in pairs(TRUE)]
    good, found = solved(pairs(TRUE), anchors(TRUE)), solved(wrong, anchors(TRUE))
    for code in TRUE:
        assert found[code].offset_db == pytest.approx(good[code].offset_db, abs=0.6)
    plain = (9.0 - 0.7) / 5  # what least squares without weights would make of it
    assert found["A"].offset_db - good["A"].offset_db < plain / 2


def test_of_two_radars_that_differ_neither_is_blamed():
    found = solved([pair("A", "B", 5.0)], anchors("AB"))
    assert found["A"].offset_db == pytest.approx(2.5)
    assert found["B"].offset_db == pytest.approx(-2.5)
    assert found["A"].error_db > 2.5


def test_what_a_radar_says_of_itself_decides():
    """B measures its own offset to 0.5 dB: A is the one that is wrong."""
    found = solved([pair("A", "B", 5.0)], [Anchor("A", 0.0, 1.0), Anchor("B", 0.1, 0.5)])
    assert found["A"].offset_db == pytest.approx(5.1)
    assert found["B"].offset_db == pytest.approx(0.1)


def test_groups_without_a_link_are_solved_apart():
    apart = [pair("A", "B", 1.0), pair("C", "D", -1.0)]
    found = solved(apart, [*anchors("AB"), Anchor("D", 2.0, 0.8), Anchor("E", -1.0, 0.8)])
    assert found["A"].offset_db == pytest.approx(0.5)
    assert found["C"].offset_db == pytest.approx(1.0)
    assert found["E"].offset_db == pytest.approx(-1.0)
    assert found["E"].comparisons == 0
    assert "C" not in solved(apart, anchors("AB"))  # nothing holds its group
    assert network_offsets([], []) == []


def test_the_standard_error_is_that_of_repeated_networks():
    """Offsets of 300 drawn networks scatter by what one of them says of itself."""
    random = np.random.default_rng(1)
    found, told = [], []
    for _ in range(300):
        true = dict(zip(TRUE, random.normal(0, 1.0, 5), strict=True))
        noisy = [
            pair(p.first, p.second, p.difference_db + random.normal(0, 0.4)) for p in pairs(true)
        ]
        offset = solved(noisy, anchors(TRUE))["A"]
        found.append(offset.offset_db - true["A"])
        told.append(offset.error_db)
    assert np.std(found) == pytest.approx(np.mean(told), rel=0.2)
