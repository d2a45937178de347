"""Units and clocks in which rain may come: the same rain is read."""

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.errors import DataError
from jinghu.rain_file import read_rain

RATES = np.array([[[0.0, 3.6], [7.2, np.nan]]], np.float32).repeat(2, axis=0)
UTC = np.array(["2019-08-09T16:00", "2019-08-09T16:06"], "datetime64[ns]")


def write(path, units="mm h-1", factor=1.0, times=UTC, of_time=None, encoding=None):
    dataset = xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), RATES * np.float32(factor), {"units": units})},
        coords={
            "time": ("time", times, of_time or {}),
            "y": ("y", [0.0, 1000.0], {"units": "m"}),
            "x": ("x", [0.0, 1000.0], {"units": "m"}),
        },
    )
    dataset.to_netcdf(path, encoding={"time": encoding} if encoding else None)
    return path


@pytest.mark.parametrize(
    ("units", "factor"),
    [
        ("mm h-1", 1.0),
        ("mm/h", 1.0),
        ("mm/hr", 1.0),
        ("kg m-2 s-1", 1 / 3600),
        ("mm/s", 1 / 3600),
        ("m s-1", 1 / 3.6e6),
    ],
)
def test_equal_units_give_the_same_rain(tmp_path, units, factor):
    rain, named = read_rain(write(tmp_path / "r.nc", units, factor))
    np.testing.assert_allclose(rain["rainfall_rate"], RATES, rtol=1e-6)
    assert rain["rainfall_rate"].attrs["units"] == "mm h-1"
    assert rain["rainfall_rate"].dtype == np.float32
    assert named == ""


@pytest.mark.parametrize("units", ["mm", "m", "inch h-1", "dBZ", ""])
def test_other_quantities_are_refused(tmp_path, units):
    with pytest.raises(DataError, match=r"r\.nc: rainfall_rate is in "):
        read_rain(write(tmp_path / "r.nc", units))


def test_an_offset_in_the_units_of_time_is_heeded(tmp_path):
    """Midnight at +08:00 is 16:00 UTC of the day before."""
    path = tmp_path / "r.nc"
    write(path, times=np.array([0, 6]), of_time={"units": "minutes since 2019-08-10 00:00 +08:00"})
    rain, named = read_rain(path)
    np.testing.assert_array_equal(rain["time"].values, UTC)
    assert named == ""


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Beijing", "CST"])
def test_a_named_zone_is_set_to_utc_by_name(tmp_path, zone):
    local = UTC + np.timedelta64(8, "h")
    rain, named = read_rain(write(tmp_path / "r.nc", times=local, of_time={"time_zone": zone}))
    np.testing.assert_array_equal(rain["time"].values, UTC)
    assert named == f"times were in {zone}: set to UTC"


def test_a_zone_that_is_not_known_is_refused(tmp_path):
    with pytest.raises(DataError, match="zone 'Mars', which cannot be told in UTC"):
        read_rain(write(tmp_path / "r.nc", of_time={"timezone": "Mars"}))


def test_a_file_of_reflectivity_is_refused_as_such(tmp_path):
    path = write(tmp_path / "r.nc", "dBZ")
    xr.load_dataset(path).rename(rainfall_rate="DBZH").to_netcdf(tmp_path / "z.nc")
    with pytest.raises(DataError, match=r"z\.nc: holds reflectivity in dBZ"):
        read_rain(tmp_path / "z.nc")
