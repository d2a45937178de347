"""Published numbers that more than one kernel has to give; `benchmarks/known_hydrology.py`."""

import os
from pathlib import Path

import numpy as np
import pytest
from tests.hydro.kernel_rows import muskingum_series
from tests.hydro.known import (
    PLANE,
    VALLEY,
    WILSON,
    muskingum_nonlinear,
    plane_runoff,
    valley_runoff,
)

DATA = Path(os.environ.get("JINGHU_DATA", Path(__file__).parents[3] / "shared" / "data"))


def test_wilson_1974_nonlinear():
    """K 0.0863, x 0.2869, m 1.8679: SSQ 36.7687 and the outflow that goes with it."""
    inflow, observed = WILSON
    found = muskingum_nonlinear(inflow, 0.0863, 0.2869, 1.8679)
    published = [22.0, 22.0, 22.42, 26.61, 34.46, 44.17, 56.85, 68.06, 77.07, 83.32, 85.90]
    published += [84.54, 80.58, 73.71, 65.41, 56.00, 46.67, 37.75, 30.47, 25.23, 21.74, 19.99]
    np.testing.assert_allclose(found, published, atol=0.02)
    assert ((found - observed) ** 2).sum() == pytest.approx(36.7687, abs=5e-4)


def test_ponce_table_9_1():
    """Muskingum, K 2 d, X 0.1, dt 1 d: every value to the digit printed."""
    path = DATA / "hydrology" / "muskingum_textbook" / "ponce_table_9-1.csv"
    if not path.is_file():
        pytest.skip(f"no real data: {path} does not exist (set JINGHU_DATA)")
    table = np.loadtxt(path, delimiter=",", skiprows=2)
    routed = muskingum_series(table[:, 1], 2.0, 0.1, table[0, 2])
    np.testing.assert_allclose(routed, table[:, 2], atol=0.1)


def test_kinematic_plane():
    """q = alpha (i t)^(5/3) until t_c = 1389.74 s, 1.388889e-3 m2/s from then on."""
    assert PLANE.concentration == pytest.approx(1389.74, abs=0.01)
    error, flow = plane_runoff()
    assert flow == pytest.approx(1.388889e-3, rel=1e-6)
    assert error < 0.04  # of the equilibrium, at the kink


def test_v_catchment():
    """The V-catchment (di Giammarco et al. 1996) comes to rain times area."""
    flow = valley_runoff()
    assert flow[-1] == pytest.approx(VALLEY, rel=1e-4)
    assert (np.diff(flow) > -1e-9).all()
