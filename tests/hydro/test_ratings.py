import numpy as np
import pytest

from jinghu.hydro.ratings import (
    Offsets,
    learn_offset,
    section_depth_m,
    section_flow_m3_s,
    section_sd,
)


def test_section_and_flow_are_inverse(new_network):
    network = new_network([-1])
    for flow in (0.0, 1.0, 250.0):
        depth = section_depth_m(network, 0, flow)
        assert section_flow_m3_s(network, 0, depth) == pytest.approx(flow, rel=1e-12)
    assert section_flow_m3_s(network, 0, -3.0) == 0.0
    assert section_sd(5.0) < section_sd(0.1)


def offsets(values, depth_m=1.0):
    known = Offsets.nothing(2)
    for value in values:
        known = learn_offset(known, 0, value, depth_m)
    return known


def test_a_steady_offset_is_a_datum():
    """1.9 m off at 1 m of water, always: no roughness does that."""
    known = offsets(1.9 + 0.02 * np.sin(np.arange(30)))
    assert known.mean_m[0] == pytest.approx(1.9, abs=0.02)
    assert known.steady.tolist() == [True, False]


@pytest.mark.parametrize(
    ("values", "depth_m"),
    [
        ([1.9] * 9, 1.0),  # too few
        (0.25 + np.zeros(30), 1.0),  # roughness
        (0.8 + np.zeros(30), 4.0),  # roughness too, in deep water
        (2.0 * np.sin(np.arange(60)), 1.0),  # not steady
    ],
)
def test_what_is_no_datum_is_not_called_one(values, depth_m):
    assert not offsets(values, depth_m).steady.any()
