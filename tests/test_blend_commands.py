"""`jinghu nowcast --model`, as a user meets it: what is read, blended, written and refused."""

import json
import sys

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec

SPEC = GridSpec("EPSG:4549", 450e3, 3250e3, 1000.0, 100, 80)
MODEL = GridSpec("EPSG:4549", 440e3, 3240e3, 3000.0, 50, 40)
T = np.datetime64("2025-06-09T11:00", "ns")
MINUTE = np.timedelta64(1, "m")


def cell(spec, minutes):
    """A shower of 40 mm/h that moves east by 30 km/h and starts at 475 km, 3290 km."""
    x = (spec.x[None] - 475e3) / 1e3 - 0.5 * np.asarray(minutes, float)[:, None]
    y = (spec.y - 3290e3) / 1e3
    square = x[:, None, :] ** 2 + y[None, :, None] ** 2
    return (40.0 * np.exp(-square / 50.0)).astype(np.float32)


def dataset(spec, minutes, name="rainfall_rate", values=None):
    values = cell(spec, minutes) if values is None else values
    return xr.Dataset(
        {name: (("time", "y", "x"), values, attrs(name))},
        coords={"time": T + np.asarray(minutes) * MINUTE, **spec.coords()},
    )


@pytest.fixture
def rain(tmp_path):
    dataset(SPEC, np.arange(-18, 1, 6)).to_netcdf(tmp_path / "rain.nc")
    return tmp_path / "rain.nc"


@pytest.fixture
def run(jinghu, rain, tmp_path):
    def with_model(model, *options, leads=8):
        if isinstance(model, xr.Dataset):
            model.to_netcdf(tmp_path / "model.nc")
            model = tmp_path / "model.nc"
        out = tmp_path / "o.nc"
        every = ("--leads", leads, "--model", model, "--json", *options)
        code, told, err = jinghu("nowcast", rain, "--out", out, *every)
        return (xr.load_dataset(out), json.loads(told)) if code == 0 else (code, err)

    return with_model


def test_rates_on_another_grid(run):
    model = dataset(MODEL, np.arange(-30, 61, 10))
    model["forecast_reference_time"] = T - 180 * MINUTE
    found, told = run(model)
    assert told["degradations"] == []
    assert told["model"]["reference_time"] == "2025-06-09T08:00Z"
    assert told["model"]["until"] == "2025-06-09T12:00Z"
    assert found.attrs["model"] == "model.nc"
    assert found["model_share"].values[0] == 0
    assert 0 < found["model_share"].values[-1] <= 1
    rates = found["rainfall_rate"].values
    assert np.isfinite(rates).all()  # the model stands in where the nowcast came from beyond
    # The shower is where nowcast and model have it.
    row, col = np.unravel_index(rates[8].argmax(), SPEC.shape)
    assert abs(row - 39.5) <= 3
    assert abs(col - (24.5 + 24)) <= 4


def test_amounts_accumulated_or_in_steps_give_the_same_rain(run):
    minutes = np.arange(-60, 121, 30)
    steps = cell(MODEL, minutes) * 0.5
    total = np.cumsum(steps, axis=0).astype(np.float32)
    accumulated, _ = run(dataset(MODEL, minutes, "rainfall_amount", total))
    of_steps = dataset(MODEL, minutes[1:], "rainfall_amount", steps[1:])
    times = of_steps["time"].values
    of_steps["time_bounds"] = (("time", "nv"), np.stack([times - 30 * MINUTE, times], axis=1))
    of_steps["time"].attrs["bounds"] = "time_bounds"
    of_steps["time"].encoding["units"] = "minutes since 2025-06-09 00:00"
    bounded, _ = run(of_steps)
    # Rounding may change two ranks.
    np.testing.assert_allclose(bounded["rainfall_rate"], accumulated["rainfall_rate"], atol=0.03)


def test_latitude_and_longitude_with_a_declared_frame(run):
    lon, lat = SPEC.lonlat()
    axis_lon = np.arange(lon.min() - 0.1, lon.max() + 0.1, 0.03)
    axis_lat = np.arange(lat.min() - 0.1, lat.max() + 0.1, 0.03)
    values = np.full((4, axis_lat.size, axis_lon.size), 2.0, np.float32)
    model = xr.Dataset(
        {"rainfall_rate": (("time", "lat", "lon"), values, attrs("rainfall_rate"))},
        coords={
            "time": T + np.arange(-60, 121, 60) * MINUTE,
            "lat": ("lat", axis_lat, {"units": "degrees_north"}),
            "lon": ("lon", axis_lon, {"units": "degrees_east"}),
        },
    )
    code, err = run(model)
    assert code == 3
    assert "declares no CRS" in err
    code, err = run(model.assign_attrs(frame="GCJ-02"))
    assert code == 3
    assert "GCJ-02" in err
    found, _ = run(model.assign_attrs(frame="CGCS2000"))
    gone = found["rainfall_rate"].values[8][:, 0]  # the air there came from beyond the edge
    np.testing.assert_allclose(gone, 2.0, rtol=1e-5)


def test_where_the_model_ends_it_is_named(run):
    _, told = run(dataset(MODEL, np.arange(-30, 31, 10)))
    assert told["degradations"] == [
        "the model has no rain for 3 of 8 leads (2025-06-09T11:36Z to 2025-06-09T11:48Z):"
        " the nowcast alone"
    ]


def test_the_state_is_written_and_taken_up(run, tmp_path):
    state = tmp_path / "skill.nc"
    run(dataset(MODEL, np.arange(-30, 61, 10)), "--model-state", state)
    good = xr.load_dataset(state)["skill"].values
    far = dataset(MODEL, np.arange(-30, 61, 10))
    far["rainfall_rate"].values[:] = far["rainfall_rate"].values[:, ::-1, ::-1]
    run(far, "--model-state", state)
    joined = xr.load_dataset(state)["skill"].values
    assert (joined <= good + 1e-9).all()
    assert joined[0] > 0.4 * good[0]  # what was known is half of it


@pytest.mark.parametrize("name", ["model.grib2", "model.nc"])
def test_grib_without_its_library_is_refused_with_the_way_out(run, tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, "eccodes", None)
    (tmp_path / name).write_bytes(b"GRIB" + bytes(100))
    code, err = run(tmp_path / name)
    assert code == 3
    assert name in err
    assert "extra grib" in err


def spoiled(change):
    return change(dataset(MODEL, np.arange(-30, 61, 10)))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda m: m.drop_vars("crs"), "declares no CRS"),
        (lambda m: m.rename(rainfall_rate="tp"), "has no rainfall_rate or rainfall_amount"),
        (lambda m: m.assign(rainfall_rate=m["rainfall_rate"].assign_attrs(units="K")), "'K'"),
        (lambda m: m.isel(time=slice(None, None, -1)), "do not ascend"),
        (lambda m: m.assign_coords(time=np.arange(10)), "not times in CF units"),
        (lambda m: m.assign_coords(time=m["time"] + np.timedelta64(9, "D")), "far from"),
        (lambda m: m.assign_coords(x=m["x"] + 5e6), "does not overlap"),
        (lambda m: m.assign(rainfall_rate=m["rainfall_rate"] - 9.0), "units"),
        (
            lambda m: m.assign(
                rainfall_amount=m["rainfall_rate"].assign_attrs(units="mm")
            ).drop_vars("rainfall_rate"),
            "not accumulated",
        ),
    ],
)
def test_what_is_no_model_rain_is_refused_in_one_line(run, change, cause):
    code, err = run(spoiled(change))
    assert code == 3
    assert "model.nc" in err
    assert cause in err
    assert len(err.strip().splitlines()) == 1


def test_a_state_without_a_model_is_refused(jinghu, rain, tmp_path):
    options = ("--out", tmp_path / "o.nc", "--model-state", tmp_path / "s.nc")
    code, _, err = jinghu("nowcast", rain, *options)
    assert code == 2
    assert "--model" in err
