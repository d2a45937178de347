"""Model rain on other grids: water is kept, places are kept, what is not declared is refused."""

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.nowcast.model_grid import at_times, to_grid

SPEC = GridSpec("EPSG:4549", 450e3, 3250e3, 2000.0, 40, 30)
T = np.datetime64("2025-06-09T11:00", "ns")


def on(spec, rates, times=(T,)):
    return xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), rates.astype(np.float32), attrs("rainfall_rate"))},
        coords={"time": np.array(times), **spec.coords()},
    )


def like(spec=SPEC):
    return on(spec, np.zeros((1, *spec.shape)))


def degrees(lon, lat, rates, **mapping):
    crs = mapping or {"grid_mapping_name": "latitude_longitude", "semi_major_axis": 6378137.0,
                      "inverse_flattening": 298.257223563}  # fmt: skip
    return xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), rates, attrs("rainfall_rate"))},
        coords={
            "time": [T],
            "y": ("y", lat, {"units": "degrees_north"}),
            "x": ("x", lon, {"units": "degrees_east"}),
            "crs": ((), 0, crs),
        },
    )


def test_the_same_grid_gives_the_same_rain_with_its_holes():
    rates = np.random.default_rng(1).gamma(0.5, 4.0, (1, *SPEC.shape)).astype(np.float32)
    rates[0, 5:9, 7:20] = np.nan
    found = to_grid(on(SPEC, rates), like())["rainfall_rate"].values
    np.testing.assert_allclose(found, rates, rtol=1e-4)


def test_finer_cells_are_averaged_and_water_is_kept():
    fine = GridSpec("EPSG:4549", 450e3, 3250e3, 500.0, 160, 120)
    rates = np.random.default_rng(2).gamma(0.5, 4.0, (1, *fine.shape))
    found = to_grid(on(fine, rates), like())["rainfall_rate"].values
    wanted = rates.reshape(1, 30, 4, 40, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_rows_from_north_to_south_and_kilometres():
    fine = GridSpec("EPSG:4549", 450e3, 3250e3, 500.0, 160, 120)
    model = on(fine, np.random.default_rng(3).gamma(0.5, 4.0, (1, *fine.shape)))
    wanted = to_grid(model, like())["rainfall_rate"].values
    turned = model.isel(y=slice(None, None, -1))
    turned = turned.assign_coords(
        x=("x", turned["x"].values / 1e3, {"units": "km"}),
        y=("y", turned["y"].values / 1e3, {"units": "km"}),
    )
    np.testing.assert_allclose(to_grid(turned, like())["rainfall_rate"], wanted, rtol=1e-5)


@pytest.mark.parametrize("spacing", [0.05, 0.01])
def test_degrees_stand_where_they_are(spacing):
    """A rain field that is a plane in longitude and latitude has its value at each cell."""
    lon, lat = np.arange(119.0, 122.0, spacing), np.arange(28.5, 31.0, spacing)
    plane = (lat[:, None] - 28.0) + 2 * (lon[None] - 118.0)
    found = to_grid(degrees(lon, lat, plane[None].astype(np.float32)), like())
    at_lon, at_lat = SPEC.lonlat()
    wanted = (at_lat - 28.0) + 2 * (at_lon - 118.0)
    np.testing.assert_allclose(found["rainfall_rate"].values[0], wanted, atol=0.01)


def test_beyond_the_model_rain_is_missing():
    half = GridSpec("EPSG:4549", 450e3, 3250e3, 4000.0, 10, 15)
    found = to_grid(on(half, np.ones((1, *half.shape))), like())["rainfall_rate"].values[0]
    assert (found[:, :20] == 1).all()
    assert np.isnan(found[:, 20:]).all()


def test_what_is_not_declared_or_does_not_fit_is_refused():
    model = on(SPEC, np.ones((1, *SPEC.shape)))
    with pytest.raises(DataError, match="declares no CRS"):
        to_grid(model.drop_vars("crs"), like(), "m.nc")
    far = GridSpec("EPSG:4549", 850e3, 3250e3, 2000.0, 40, 30)
    elsewhere = on(far, np.ones((1, *far.shape)))
    with pytest.raises(DataError, match="does not overlap"):
        to_grid(elsewhere, like())
    lon, lat = np.arange(119.0, 122.0, 0.1), np.arange(28.5, 31.0, 0.1)
    rates = np.ones((1, lat.size, lon.size), np.float32)
    with pytest.raises(DataError, match="in 'degrees_east', its CRS wants m"):
        to_grid(degrees(lon, lat, rates, code="EPSG:4549"), like())
    with pytest.raises(DataError, match="tells no CRS"):
        to_grid(degrees(lon, lat, rates, grid_mapping_name="no_such"), like())
    with pytest.raises(DataError, match="not equidistant"):
        to_grid(degrees(lon**2, lat, rates), like())


def test_between_times_rain_is_linear_and_missing_beyond_and_in_wide_gaps():
    times = [T, T + np.timedelta64(1, "h"), T + np.timedelta64(10, "h")]
    model = on(SPEC, np.array([0.0, 4.0, 8.0])[:, None, None] * np.ones(SPEC.shape), times)
    minutes = np.array([-1, 0, 15, 60, 61, 600, 601])
    found = at_times(model, T + minutes * np.timedelta64(1, "m"))[:, 0, 0]
    np.testing.assert_allclose(found, [np.nan, 0, 1, 4, np.nan, 8, np.nan])
