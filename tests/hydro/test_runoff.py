import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.errors import ConfigError, DataError
from jinghu.hydro.runoff import (
    STORES,
    RunoffParams,
    initial_stores,
    run,
    soil_dataset,
    soil_stores,
    stored_mm,
)


def plain_xinanjiang(rain, potential, p, stores, steps_a_day):
    """One unit straight from the equations (Zhao 1992), with S and FR apart; net rain < 5 mm."""
    wu, wl, wd, free = stores[:4]
    fr = 1.0
    s = free
    total_k = 1 - (1 - (p.ki + p.kg)) ** (1 / steps_a_day)
    ki, kg = total_k * p.ki / (p.ki + p.kg), total_k * p.kg / (p.ki + p.kg)
    rows = []
    for fallen in rain:
        if wu + fallen >= potential:
            eu, el, ed = potential, 0.0, 0.0
        else:
            eu = wu + fallen
            d = potential - eu
            if wl >= p.c * p.lm_mm:
                el, ed = d * wl / p.lm_mm, 0.0
            elif wl >= p.c * d:
                el, ed = p.c * d, 0.0
            else:
                el, ed = wl, p.c * d - wl
        pe = fallen - eu - el - ed
        w, r, rs = wu + wl + wd, 0.0, 0.0
        if pe > 0:
            wmm = p.wm_mm * (1 + p.b)
            a = wmm * (1 - (1 - w / p.wm_mm) ** (1 / (1 + p.b)))
            r = pe - (p.wm_mm - w)
            if pe + a < wmm:
                r += p.wm_mm * (1 - (pe + a) / wmm) ** (1 + p.b)
            fill = pe - r
            wu, fill = min(p.um_mm, wu + fill), max(0.0, wu + fill - p.um_mm)
            wl, fill = min(p.lm_mm, wl + fill), max(0.0, wl + fill - p.lm_mm)
            wd += fill
            before, fr = fr, r / pe
            s = s * before / fr
            ms = p.sm_mm * (1 + p.ex)
            au = ms * (1 - (1 - s / p.sm_mm) ** (1 / (1 + p.ex))) if s < p.sm_mm else ms
            rs = fr * (pe + s - p.sm_mm)
            if pe + au < ms:
                rs += fr * p.sm_mm * (1 - (pe + au) / ms) ** (1 + p.ex)
            s += (r - rs) / fr
        else:
            wu, wl, wd = wu + fallen - eu, wl - el, wd - ed
        ri, rg = ki * s * fr, kg * s * fr
        s *= 1 - ki - kg
        rows.append((rs, ri, rg, eu + el + ed))
    return np.array(rows), np.array([wu, wl, wd, s * fr])


def test_equal_to_the_equations_written_out():
    params = RunoffParams(im=0.0)
    rng = np.random.default_rng(5)
    rain = rng.gamma(0.4, 1.2, 400) * (np.arange(400) % 97 < 40)
    rain = np.minimum(rain, 4.9)
    start = initial_stores(1, 0.6, 0.0, params)
    start[0, 3] = 4.0
    found = run(rain[:, None], start, 3600.0, params)
    rows, stores = plain_xinanjiang(rain, 0.9 * 3.0 / 24, params, start[0], 24)
    np.testing.assert_allclose(found.stores_mm[0, :4], stores, rtol=1e-11)
    np.testing.assert_allclose(found.evaporation_mm[:, 0], rows[:, 3], rtol=1e-11)
    lag = [np.exp(-1.0), 0.7 ** (1 / 24), 0.98 ** (1 / 24)]
    held, expected = np.zeros(3), []
    for row in rows:
        held = held + row[:3]
        out = (1 - np.array(lag)) * held
        held = held - out
        expected.append(out.sum())
    np.testing.assert_allclose(found.runoff_mm[:, 0], expected, rtol=1e-10)


@st.composite
def parameters(draw):
    ki = draw(st.floats(0.0, 0.69))
    return RunoffParams(
        k=draw(st.floats(0.1, 1.0)),
        evaporation_mm_day=draw(st.floats(0.0, 12.0)),
        um_mm=draw(st.floats(1.0, 20.0)),
        lm_mm=draw(st.floats(60.0, 90.0)),
        dm_mm=draw(st.floats(60.0, 120.0)),
        b=draw(st.floats(0.1, 0.4)),
        im=draw(st.floats(0.0, 0.1)),
        c=draw(st.floats(0.0, 0.2)),
        sm_mm=draw(st.floats(1.0, 100.0)),
        ex=draw(st.floats(1.0, 1.5)),
        ki=ki,
        kg=draw(st.floats(0.01, 0.7 - ki + 0.02)),
        ci=draw(st.floats(0.0, 0.9)),
        cg=draw(st.floats(0.95, 0.998)),
    )


@given(
    params=parameters(),
    seed=st.integers(0, 2**32 - 1),
    wetness=st.floats(0.0, 1.0),
    step_s=st.sampled_from([360.0, 900.0, 3600.0, 86400.0]),
)
@settings(max_examples=100, deadline=None)
def test_no_drop_is_lost(params, seed, wetness, step_s):
    rng = np.random.default_rng(seed)
    rain = rng.gamma(0.2, 20.0, (150, 4)) * (rng.random((150, 4)) < 0.4)
    start = initial_stores(4, wetness, 0.01, params)
    found = run(rain, start, step_s, params)
    stored = stored_mm(found.stores_mm, params) - stored_mm(start, params)
    gone = found.runoff_mm.sum(0) + found.evaporation_mm.sum(0) + stored
    np.testing.assert_allclose(gone, rain.sum(0), rtol=1e-10, atol=1e-10)
    assert (found.runoff_mm >= 0).all()
    assert (found.stores_mm >= -1e-12).all()
    tension = found.stores_mm[:, :3]
    assert (tension <= np.array([params.um_mm, params.lm_mm, params.dm_mm]) + 1e-9).all()


def test_full_soil_gives_all_net_rain_back():
    """With full stores and no evaporation, what falls runs off in the end."""
    params = RunoffParams(evaporation_mm_day=0.0)
    rain = np.zeros((24 * 400, 1))
    rain[:6] = 10.0
    found = run(rain, initial_stores(1, 1.0, 0.0, params), 3600.0, params)
    assert found.runoff_mm.sum() == pytest.approx(60.0, rel=1e-3)
    assert found.runoff_mm[:48].sum() > 30.0


def test_finer_steps_give_the_same_runoff():
    params = RunoffParams()
    hourly = np.zeros((48, 1))
    hourly[6:12, 0] = [5, 12, 25, 18, 9, 3]
    start = initial_stores(1, 0.8, 0.01, params)
    coarse = run(hourly, start, 3600.0, params).runoff_mm
    fine = run(np.repeat(hourly / 10, 10, axis=0), start, 360.0, params).runoff_mm
    assert fine.sum() == pytest.approx(coarse.sum(), rel=0.02)


def test_dry_weather_recedes():
    params = RunoffParams()
    found = run(np.zeros((24 * 30, 1)), initial_stores(1, 0.8, 0.02, params), 3600.0, params)
    flow = found.runoff_mm[:, 0]
    assert (np.diff(flow) < 0).all()
    assert flow[24] / flow[0] == pytest.approx(0.98, rel=1e-9)
    assert flow[0] * 1e3 / 3600 == pytest.approx(0.02, rel=0.02)  # m3/s/km2


def test_state_survives_the_dataset():
    stores = np.random.default_rng(0).random((3, len(STORES)))
    cells = np.array([4, 8, 9])
    state = soil_dataset(stores, cells)
    np.testing.assert_array_equal(soil_stores(state, cells), stores)
    with pytest.raises(DataError, match="other runoff units"):
        soil_stores(state, cells + 1)


def test_wrong_input_is_refused():
    params = RunoffParams()
    start = initial_stores(2, 0.5, 0.0, params)
    for value in (np.nan, -1.0):
        rain = np.zeros((3, 2))
        rain[1, 1] = value
        with pytest.raises(DataError, match=f"unit 1: {value} mm in step 1"):
            run(rain, start, 3600.0, params)
    with pytest.raises(DataError, match="not a number"):
        run(np.zeros((1, 2)), start * np.nan, 3600.0, params)
    with pytest.raises(ConfigError, match="shares"):
        RunoffParams(ki=0.6, kg=0.5)
    with pytest.raises(ConfigError, match="positive"):
        RunoffParams(um_mm=0.0)


def test_a_unit_is_the_same_to_the_last_bit_wherever_it_stands():
    """Units are gathered sixteen at a time; who goes with whom must not be seen."""
    params = RunoffParams()
    rng = np.random.default_rng(3)
    rain = rng.gamma(0.3, 9.0, (60, 300)) * (rng.random((60, 300)) < 0.4)
    start = initial_stores(300, 0.7, 0.01, params) * rng.uniform(0.2, 1.0, (300, 1))
    together = run(rain, start, 3600.0, params)
    for units in (slice(7, 8), slice(250, 269), slice(None, None, -1)):
        apart = run(rain[:, units], start[units], 3600.0, params)
        np.testing.assert_array_equal(apart.runoff_mm, together.runoff_mm[:, units])
        np.testing.assert_array_equal(apart.evaporation_mm, together.evaporation_mm[:, units])
        np.testing.assert_array_equal(apart.stores_mm, together.stores_mm[units])


def test_water_that_all_but_left_leaves():
    """Shares of next to nothing would underflow and slow a dry summer down."""
    params = RunoffParams(cg=0.1)
    start = initial_stores(1, 0.5, 0.01, params)
    start[0, 3:] = 3.0
    found = run(np.zeros((300, 1)), start, 86400.0, params)
    assert (found.stores_mm[0, 3:] == 0.0).all()
    gone = found.runoff_mm.sum() + found.evaporation_mm.sum()
    missing = stored_mm(start, params) - stored_mm(found.stores_mm, params) - gone
    assert abs(missing[0]) < 1e-12
