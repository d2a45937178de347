import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jinghu.hydro.gates import (
    GRAVITY,
    GatedSpillway,
    RatingTable,
    Sluice,
    Weir,
    combined_rating,
    gate_flow,
    sluice_flow,
    weir_flow,
)


def test_free_weir_is_that_of_critical_depth():
    """Chow 1959: Q = (2/3)^1.5 sqrt(g) B H^1.5, 1.705 B H^1.5."""
    expected = (2.0 / 3.0) ** 1.5 * np.sqrt(GRAVITY) * 20.0 * 3.0**1.5
    assert weir_flow(3.0, -1.0, 20.0, 1.0) == pytest.approx(expected, rel=1e-12)
    assert weir_flow(3.0, 1.9, 20.0, 1.0) == pytest.approx(expected, rel=1e-12)  # not drowned yet
    assert weir_flow(3.0, 2.5, 20.0, 1.0) == pytest.approx(20 * 2.5 * np.sqrt(GRAVITY))
    assert weir_flow(3.0, 3.0, 20.0, 1.0) == 0.0
    assert weir_flow(-1.0, -2.0, 20.0, 1.0) == 0.0


def test_gate_is_an_orifice_under_its_lip():
    """Free jet 0.61 e deep: Q = 0.61 e B sqrt(2 g (H - 0.61 e))."""
    jet = 0.61 * 1.0
    free = jet * 8.0 * np.sqrt(2 * GRAVITY * (6.0 - jet))
    assert gate_flow(6.0, 0.0, 8.0, 1.0, 1.0) == pytest.approx(free, rel=1e-12)
    drowned = jet * 8.0 * np.sqrt(2 * GRAVITY * 2.0)
    assert gate_flow(6.0, 4.0, 8.0, 1.0, 1.0) == pytest.approx(drowned, rel=1e-12)
    assert gate_flow(1.0, -1.0, 8.0, 5.0, 1.0) == weir_flow(1.0, -1.0, 8.0, 1.0)
    assert gate_flow(6.0, 0.0, 8.0, 0.0, 1.0) == 0.0
    assert sluice_flow(20.0, 4.0, 0.7) == pytest.approx(0.7 * 4 * np.sqrt(2 * GRAVITY * 20))


@given(st.floats(0.01, 20.0), st.floats(-5.0, 20.0), st.floats(0.01, 8.0), st.floats(1e-4, 0.5))
def test_more_head_passes_more_and_more_tail_less(head, tail, opening, more):
    here = gate_flow(head, tail, 10.0, opening, 0.95)
    assert here >= 0.0
    assert gate_flow(head + more, tail, 10.0, opening, 0.95) >= here - 1e-9
    assert gate_flow(head, tail + more, 10.0, opening, 0.95) <= here + 1e-9
    assert gate_flow(head, tail, 10.0, opening + more, 0.95) >= here - 1e-9


def test_ratings_add_up_and_never_fall():
    level = np.linspace(90.0, 112.0, 221)
    gates = GatedSpillway(kind="gates", sill_m=100.0, number=3, width_m=8.0, opening_m=4.0)
    sluice = Sluice(kind="sluice", axis_m=92.0, area_m2=5.0, max_m3_s=60.0)
    crest = Weir(kind="weir", crest_m=110.0, width_m=200.0)
    table = RatingTable(
        kind="rating", level_m=(95.0, 105.0), discharge_m3_s=(0.0, 20.0), controlled=True
    )
    all_of_them = (gates, sluice, crest, table)
    controlled = combined_rating(all_of_them, level, controlled=True)
    spill = combined_rating(all_of_them, level, controlled=False)
    assert (np.diff(controlled) >= 0).all()
    assert controlled[0] == 0.0
    assert controlled[-1] == pytest.approx(
        gate_flow(12.0, -1.0, 24.0, 4.0, 0.95) + 60.0 + 34.0, rel=1e-9
    )  # 20 + 7 m x 2 m2/s
    assert (spill[level <= 110.0] == 0).all()
    assert spill[-1] == pytest.approx(weir_flow(2.0, -1.0, 200.0, 0.95))
