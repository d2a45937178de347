import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.errors import DataError
from jinghu.hydro.level_pool import PoolTable, run_pool
from jinghu.hydro.policy_rows import Bound, Kind, PolicyRows

HOUR = 3600.0


def linear_table(k_h=2.0, top=2000.0):
    """S = K Q: the level is the discharge."""
    level = np.array([0.0, top])
    return PoolTable("linear", level, level * k_h * HOUR, level * 0.0, level)


def rows(kind, value, n, hours=None):
    values = np.stack([np.full((n, 1), v) if np.isscalar(v) else v for v in value])
    everywhere = np.ones(len(kind), np.int64)
    spans = np.zeros(len(kind)) if hours is None else np.array(hours)
    return PolicyRows(np.full((1, 1), np.inf), everywhere, np.array(kind), values, spans)


def test_ponce_linear_reservoir():
    """onlinecalc.sdsu.edu onlinerouting01 and 02: K = 2 h, dt = 1 h, all 26 values."""
    inflow = np.array(
        [100, 150, 250, 400, 800, 1000, 900, 700, 550, 400, 300, 250, 200, 150, 120, *[100] * 11],
        np.float64,
    )
    outflow = [
        100, 110, 146, 217.6, 370.56, 582.336, 729.402, 757.641, 704.585, 612.751, 507.65, 414.59,
        338.754, 273.252, 217.951, 174.771, 144.863, 126.918, 116.151, 109.69, 105.814, 103.489,
        102.093, 101.256, 100.754, 100.452,
    ]  # fmt: skip
    means = 0.5 * (inflow[1:] + inflow[:-1])
    found = run_pool(linear_table(), means[:, None], 100 * 2 * HOUR, HOUR)
    np.testing.assert_allclose(found.level_m[:, 0], outflow[1:], atol=6e-4)


def test_linear_reservoir_tends_to_its_exact_solution():
    """Q = I + (Q0 - I) exp(-t / K); modified Puls is of second order."""
    errors = []
    for n in (10, 20, 40):
        dt = 4 * HOUR / n
        found = run_pool(linear_table(), np.full((n, 1), 300.0), 100 * 2 * HOUR, dt)
        exact = 300.0 - 200.0 * np.exp(-2.0)
        errors.append(abs(found.level_m[-1, 0] - exact))
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.02)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.02)
    assert errors[-1] < 0.03


def test_quadratic_outflow_of_a_draining_pool():
    """A dh/dt = -c h^2 from h0: h = h0 / (1 + c h0 t / A), on a table of 1 cm."""
    level = np.linspace(0.0, 4.0, 401)
    area, c = 1e6, 20.0
    table = PoolTable("quadratic", level, area * level, 0.0 * level, c * level**2)
    found = run_pool(table, np.zeros((240, 1)), 3.0 * area, 360.0)
    t = 360.0 * np.arange(1, 241)
    np.testing.assert_allclose(found.level_m[:, 0], 3.0 / (1 + c * 3.0 * t / area), atol=3e-4)


def test_wflow_reservoir_simple():
    """Wflow/test/reservoir.jl: release down to 80 % of the maximum, at most 420.184 m3/s."""
    volume = np.array([0.0, 2.0e7, 2.5e7, 4.0e7])
    table = PoolTable("wflow", volume / 1e6, volume, np.full(4, 1e4), np.zeros(4))
    lake = (4.2 - 1.5) / 1000.0 * 1885665.353626924 / 86400.0  # rain less evaporation, mm/day
    policy = rows([Kind.AT_LEAST, Kind.AT_MOST, Kind.AIM_VOLUME], [52.523, 420.184, 2.0e7], 1)
    found = run_pool(table, np.array([[100.0 + lake]]), 1.925e7, 86400.0, policy)
    assert found.outflow_m3_s[0, 0] == pytest.approx(91.3783714867453, rel=1e-13)
    assert found.volume_m3[0, 0] == pytest.approx(2.0e7, rel=1e-13)
    assert found.bound[0, 0] == 2


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(60.0, 86400.0),
    st.floats(0.5, 1.0),
    st.booleans(),
)
def test_no_pool_creates_or_loses_water(seed, dt, weight, asks):
    random = np.random.default_rng(seed)
    n, m = 30, 4
    level = np.cumsum(random.uniform(0.1, 5.0, 12))
    volume = np.cumsum(random.uniform(1e3, 1e7, 12))
    gates = np.cumsum(random.uniform(0.0, 200.0, 12)) - 50.0
    spill = np.maximum(np.cumsum(random.uniform(-50.0, 100.0, 12)), 0.0)
    ratings = (np.maximum.accumulate(np.maximum(r, 0.0)) for r in (gates, spill))
    table = PoolTable("random", level, volume, *ratings)
    inflow = random.gamma(0.5, 200.0, (n, m))
    start = random.uniform(volume[0], volume[-1], m)
    wanted = random.uniform(0.0, 300.0, (n, m))
    policy = rows([Kind.AIM_RELEASE], [wanted], n) if asks else None
    found = run_pool(table, inflow, start, dt, policy, weight=weight, extrapolate=True)
    came = start + inflow.sum(axis=0) * dt
    left = found.volume_m3[-1] + found.outflow_m3_s.sum(axis=0) * dt
    assert (np.abs(came - left) <= 1e-12 * came).all()
    assert (found.release_m3_s >= 0).all()
    assert (found.spill_m3_s >= -1e-12).all()
    assert (found.volume_m3 >= volume[0] * (1 - 1e-12)).all()
    inside = found.level_m <= level[-1]
    np.testing.assert_allclose(
        found.level_m[inside], np.interp(found.volume_m3[inside], volume, level), atol=1e-6
    )
    if asks:
        assert (found.release_m3_s <= wanted + 1e-9).all()


def test_what_sets_a_release_is_told():
    table = PoolTable(
        "told", np.array([0.0, 10.0]), np.array([0.0, 1e6]), np.array([0.0, 50.0]), np.zeros(2)
    )
    kinds = [Kind.AT_LEAST, Kind.AT_MOST, Kind.RISE, Kind.AIM_VOLUME]

    def bound(volume, inflow, before=20.0):
        policy = rows(kinds, [2.0, 30.0, 0.1, 4e5], 1)
        return run_pool(table, np.array([[inflow]]), volume, 100.0, policy, release_m3_s=before)

    low = bound(3e5, 0.0)
    assert (low.release_m3_s[0, 0], low.bound[0, 0]) == (2.0, 0)
    high = bound(9e5, 0.0, 25.0)
    assert (high.release_m3_s[0, 0], high.bound[0, 0]) == (30.0, 1)
    rise = bound(9e5, 0.0, 5.0)
    assert (rise.release_m3_s[0, 0], rise.bound[0, 0]) == (15.0, 2)  # 5 + 0.1 x 100 s
    aim = bound(4e5, 12.0)
    assert aim.release_m3_s[0, 0] == pytest.approx(12.0)
    assert aim.volume_m3[0, 0] == pytest.approx(4e5)
    assert aim.bound[0, 0] == 3
    full = bound(5e5, 0.0, 29.0)
    assert full.bound[0, 0] == Bound.CAPACITY
    assert full.release_m3_s[0, 0] < 25.0
    empty = run_pool(table, np.zeros((3, 1)), 0.0, 100.0, rows([Kind.AIM_RELEASE], [5.0], 3))
    assert (empty.bound == Bound.EMPTY).all()
    assert empty.volume_m3[-1, 0] == 0.0


def test_what_a_pool_cannot_do_is_refused_by_its_name():
    table = linear_table(top=100.0)
    with pytest.raises(
        DataError, match=r"linear: level .* is above the table, which ends at 100 m"
    ):
        run_pool(table, np.full((40, 1), 500.0), 0.0, HOUR)
    above = run_pool(table, np.full((40, 1), 500.0), 0.0, HOUR, extrapolate=True)
    assert above.above_m == pytest.approx(400.0, abs=1.0)
    with pytest.raises(DataError, match="linear: inflow"):
        run_pool(table, np.full((4, 1), np.nan), 0.0, HOUR)
    with pytest.raises(DataError, match="linear: volume -5 m3 is below the table"):
        run_pool(table, np.zeros((4, 1)), -5.0, HOUR)
    with pytest.raises(DataError, match="level 101 m is outside the table"):
        table.volume(101.0)
    up = np.array([0.0, 1.0, 1.0])
    with pytest.raises(DataError, match="flat: volumes do not ascend after 1"):
        PoolTable("flat", np.array([0.0, 1.0, 2.0]), up, up, up)
    with pytest.raises(DataError, match="the rating of the gates falls"):
        PoolTable("x", np.arange(2.0), np.arange(2.0), np.array([1.0, 0.0]), np.zeros(2))
