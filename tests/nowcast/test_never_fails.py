"""The never-fails table: what may arrive, by every method, from Python and from the command line.

A row says what the answer is: what is named (degradations), or why the input is refused. Of every
answer holds: dry stays dry, missing stays missing, nothing is negative or above the highest rate
of the field that the forecast starts from.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from jinghu.grid.errors import JinghuError
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.nowcast import Members, Method, nowcast

METHODS = list(Method)
LEADS = 3
MINUTE = np.timedelta64(1, "m")
START = np.datetime64("2019-08-09T16:00", "ns")


def showers(shape, seed=0):
    white = np.random.default_rng(seed).standard_normal(shape)
    field = np.sum([gaussian_filter(white, s, mode="wrap") * s for s in (2, 5)], axis=0)
    field = (field - field.mean()) / max(float(field.std()), 1e-9)
    return np.where(field > 0.4, 0.3 * np.exp(2.0 * (field - 0.4)), 0.0).astype(np.float32)


def sequence(shape=(60, 80), n=4, spacing_m=1000.0):
    """Showers that move by 3 cells east and 2 north each 5 min, in a ring."""
    spec = GridSpec("EPSG:4549", 450e3, 3250e3, spacing_m, shape[1], shape[0])
    first = showers(shape)
    rates = np.stack([np.roll(first, (2 * k, 3 * k), (0, 1)) for k in range(n)])
    return xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), rates, attrs("rainfall_rate"))},
        coords={"time": START + np.arange(n) * 5 * MINUTE, **spec.coords()},
    )


def filled(value, shape=(60, 80)):
    rain = sequence(shape)
    rain["rainfall_rate"].values[:] = value
    return rain


def put(rain, where, value):
    rain["rainfall_rate"].values[where] = value
    return rain


def at(rain, minutes):
    return rain.assign_coords(time=START + np.array(minutes) * MINUTE)


def one_wet_pixel():
    return put(filled(0.0), (slice(None), 30, 40), 5.0)


def stripes():
    return put(sequence(), (slice(None), slice(None), slice(None, None, 4)), np.nan)


def north_up():
    return sequence().isel(y=slice(None, None, -1))


def in_kilometres(rain):
    return rain.assign_coords(x=rain["x"].assign_attrs(units="km"))


def stretched():
    rain = sequence()
    x = rain["x"].values + np.linspace(0, 30, 80) ** 2
    return rain.assign_coords(x=("x", x, rain["x"].attrs))


def in_units(units):
    rain = sequence()
    return rain.assign(rainfall_rate=rain["rainfall_rate"].assign_attrs(units=units))


def reflectivity():
    rain = sequence()
    rate = rain["rainfall_rate"].values
    dbz = np.where(rate > 0, 10 * np.log10(300 * np.maximum(rate, 1e-3) ** 1.4), -32 + rate)
    dbz += np.random.default_rng(1).uniform(-3, 3, dbz.shape)
    return rain.assign(rainfall_rate=(rain["rainfall_rate"].dims, dbz, attrs("rainfall_rate")))


def without_clock():
    return sequence().assign_coords(time=("time", np.arange(4)))


@dataclass(frozen=True)
class Row:
    """What arrives, what is named in the answer, or why there is none."""

    make: Callable[[], xr.Dataset]
    named: tuple[str, ...] = ()
    refused: str = ""


NO_ECHO = "no rain that could be followed: no motion"
SAME = "all fields are the same: no motion"
SMALL = "no room for scales of rain: extrapolation instead"
TABLE = {
    "nothing wrong": Row(sequence),
    "all dry": Row(lambda: filled(0.0), (NO_ECHO,)),
    "one wet pixel": Row(one_wet_pixel, (SAME,)),
    "a wet pixel that comes": Row(lambda: put(filled(0.0), (-1, 30, 40), 5.0), (NO_ECHO,)),
    "missing stripes": Row(stripes),
    "all missing": Row(lambda: filled(np.nan), ("no field holds a value: all is missing",)),
    "newest missing": Row(
        lambda: put(sequence(), (-1,), np.nan),
        ("1 fields hold no value", "the forecast starts from 2019-08-09T16:10Z"),
    ),
    "all but the newest missing": Row(
        lambda: put(sequence(), (slice(None, -1),), np.nan),
        ("3 fields hold no value", "one field only: no motion", "one field tells no time step"),
    ),
    "one field": Row(
        lambda: sequence(n=1),
        ("one field only: no motion", "one field tells no time step: lead-time step of 6 min"),
    ),
    "two fields": Row(lambda: sequence(n=2)),
    "irregular": Row(
        lambda: at(sequence(), [0, 5, 11, 22]), ("times are irregular, 5 to 11 min apart",)
    ),
    "a clock that trembles": Row(
        lambda: sequence().assign_coords(
            time=START + np.array([0, 302, 597, 905]) * np.timedelta64(1, "s")
        )
    ),
    "hours between": Row(lambda: at(sequence(), [0, 5, 10, 190]), ("180 min older: no motion",)),
    "a field twice, later": Row(
        lambda: put(sequence(), (2,), sequence()["rainfall_rate"].values[1]),
        ("1 fields repeat the one before",),
    ),
    "a time twice": Row(
        lambda: sequence().isel(time=[0, 1, 1, 2, 3]), ("1 fields have the time of another",)
    ),
    "out of order": Row(
        lambda: sequence().isel(time=[2, 0, 3, 1]), ("fields were not in the order of their times",)
    ),
    "a field without a time": Row(
        lambda: at(sequence(), [0, 0, 5, 10]).assign_coords(
            time=np.array(["NaT", *(START + np.arange(3) * 5 * MINUTE)], "datetime64[ns]")
        ),
        ("1 fields without a time",),
    ),
    "constant": Row(lambda: filled(4.0), (SAME,)),
    "8 x 8": Row(lambda: sequence((8, 8)), (NO_ECHO,)),
    "7 x 90": Row(lambda: sequence((7, 90)), (SMALL,)),
    "3 x 200": Row(lambda: sequence((3, 200)), (SMALL,)),
    "1 x 1": Row(lambda: filled(2.0, (1, 1)), ("1 x 1 cells has no room for motion", SMALL)),
    "1 x 50": Row(lambda: sequence((1, 50)), ("1 x 50 cells has no room for motion", SMALL)),
    "-9999 for missing": Row(
        lambda: put(sequence(), (slice(None), slice(0, 9)), -9999.0), ("2880 rates are negative",)
    ),
    "a little below zero": Row(lambda: put(filled(0.0), (slice(None), 3), -1e-3), (NO_ECHO,)),
    "infinite": Row(
        lambda: put(sequence(), (slice(None), 5, 5), np.inf), ("4 rates are infinite: missing",)
    ),
    "a fill value": Row(
        lambda: put(sequence(), (slice(None), 5, 5), 9.97e36), ("above 2,500 mm/h: missing",)
    ),
    "rows from the north": Row(north_up),
    "too heavy to be rain": Row(
        lambda: filled(np.linspace(20, 60, 80, dtype=np.float32)), ("is it reflectivity in dBZ?",)
    ),
    "reflectivity": Row(reflectivity, refused="not rain rates (reflectivity in dBZ?)"),
    "amounts": Row(lambda: in_units("mm"), refused="rainfall_rate is in 'mm', wanted 'mm h-1'"),
    "dBZ": Row(lambda: in_units("dBZ"), refused="rainfall_rate is in 'dBZ', wanted 'mm h-1'"),
    "no unit": Row(lambda: in_units(""), refused="rainfall_rate is in '', wanted 'mm h-1'"),
    "kilometres": Row(lambda: in_kilometres(sequence()), refused="wanted a projected grid in m"),
    "not equidistant": Row(stretched, refused="coordinate x: not equidistant"),
    "no clock": Row(without_clock, refused="not times in CF units"),
    "no field": Row(lambda: sequence().isel(time=[]), refused="holds no field"),
}


def check_answer(rain, out):
    """Sound, whatever arrived: the field at lead 0 is one of the input, and it bounds the rest."""
    rates = out["rainfall_rate"].values
    assert out["rainfall_rate"].dims[-3:] == ("lead_time", "y", "x")
    assert rates.dtype == np.float32
    assert out.sizes["lead_time"] == LEADS + 1
    assert not np.isinf(rates).any()
    first = rates[..., 0, :, :]
    known = first[np.isfinite(first)]
    later = rates[np.isfinite(rates)]
    assert not (later < 0).any()
    if known.size:
        assert later.max() <= known.max() * 1.001
    else:
        assert later.size == 0
    source = rain["rainfall_rate"].sel(time=out["time"].values)
    source = source.values if source.ndim == 2 else source.values[-1]
    given = np.isfinite(source) & (source >= 0) & (source < 2500)
    lead_0 = first[0] if first.ndim == 3 else first
    np.testing.assert_array_equal(lead_0[given], source[given])
    still = not (np.any(out["motion_x"].values) or np.any(out["motion_y"].values))
    if still:
        missing = np.isnan(lead_0)
        assert np.isnan(rates[..., missing]).all()
        if not (known > 0).any():
            assert not rates[..., ~missing].any()


def members_of(method):
    return Members(3, seed=1) if method is Method.STEPS else None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TABLE)
def test_the_table_from_python(name, method):
    row = TABLE[name]
    rain = row.make()
    if row.refused:
        with pytest.raises(JinghuError) as told:
            nowcast(rain, leads=LEADS, method=method, members=members_of(method))
        assert row.refused in str(told.value)
        assert "\n" not in str(told.value)
        return
    before = rain.copy(deep=True)
    out = nowcast(rain, leads=LEADS, method=method, members=members_of(method))
    xr.testing.assert_identical(rain, before)
    check_answer(rain, out)
    check_names(row, method, out.attrs.get("degradation", ""))


def check_names(row, method, told):
    for text in row.named:
        if text != SMALL or method is not Method.EXTRAPOLATION:
            assert text in told
    if not row.named:
        assert [t for t in told.split("; ") if t and "fields at the step" not in t] == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TABLE)
def test_the_table_from_the_command_line(jinghu, tmp_path, name, method):
    row = TABLE[name]
    rain = row.make()
    rain.to_netcdf(tmp_path / "in.nc")
    out = tmp_path / "out.nc"
    options = ("--leads", LEADS, "--method", method.value, "--json", "--workers", 1)
    members = ("--members", 3) if method is Method.STEPS else ()
    code, told, err = jinghu("nowcast", tmp_path / "in.nc", "--out", out, *options, *members)
    if row.refused:
        assert (code, told) == (3, "")
        lines = err.strip().splitlines()
        assert len(lines) == 1
        assert lines[0].startswith(f"jinghu: {tmp_path / 'in.nc'}: ")
        assert row.refused in lines[0]
        assert not out.exists()
        return
    assert (code, err) == (0, "")
    degradations = json.loads(told)["degradations"]
    with xr.open_dataset(out) as written, xr.open_dataset(tmp_path / "in.nc") as given:
        check_answer(given.load(), written.load())
        assert written.attrs.get("degradation", "") == "; ".join(degradations)
    check_names(row, method, "; ".join(degradations))


@pytest.mark.slow
@pytest.mark.parametrize("method", [Method.EXTRAPOLATION, Method.SPROG])
def test_3000_x_3000(method):
    """9 million cells of 250 m; showers of 60 x 60 cells side by side, all of which move."""
    small = sequence((60, 60))["rainfall_rate"].values
    n, spacing_m = 3000, 250.0
    rain = xr.Dataset(
        {
            "rainfall_rate": (
                ("time", "y", "x"),
                np.tile(small, (1, 50, 50)),
                attrs("rainfall_rate"),
            )
        },
        coords={
            "time": START + np.arange(4) * 5 * MINUTE,
            "x": ("x", np.arange(n) * spacing_m, {"units": "m"}),
            "y": ("y", np.arange(n) * spacing_m, {"units": "m"}),
        },
    )
    out = nowcast(rain, leads=LEADS, method=method)
    check_answer(rain, out)
    assert out["rainfall_rate"].shape == (LEADS + 1, n, n)
