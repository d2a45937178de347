"""``jinghu network`` and ``jinghu route`` from file to file."""

import numpy as np
import pytest
import rasterio
import xarray as xr

from jinghu.cli import app
from jinghu.grid.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    """A valley of 20 x 40 km that falls to the south, through a GeoTIFF."""
    folder = tmp_path_factory.mktemp("network")
    row, col = np.mgrid[:160, :80]
    heights = 20.0 + 1.0 * (159 - row) + 8.0 * np.abs(col - 40)
    with rasterio.open(
        folder / "dem.tif", "w", driver="GTiff", width=80, height=160, count=1, dtype="float32",
        crs="EPSG:4549", transform=rasterio.Affine(250.0, 0.0, 5e5, 0.0, -250.0, 3.3e6),
    ) as file:  # fmt: skip
        file.write(heights.astype(np.float32), 1)
    out = folder / "network.nc"
    app(args=["network", str(folder / "dem.tif"), "--out", str(out)], standalone_mode=False)
    return out


def write_inflow(path, n_reaches, value=2.0):
    times = np.datetime64("2019-08-09", "ns") + np.arange(1, 101) * np.timedelta64(15, "m")
    lateral = np.zeros((100, n_reaches))
    lateral[10:20] = value
    xr.Dataset(
        {"q_lateral": (("time", "reach"), lateral, {"units": "m3 s-1"})}, coords={"time": times}
    ).to_netcdf(path)
    return path


@pytest.mark.parametrize("method", ["muskingum-cunge", "muskingum", "kinematic"])
def test_from_dem_to_hydrographs(network_file, tmp_path, method):
    with xr.open_dataset(network_file) as network:
        n = network.sizes["reach"]
        assert network.attrs["jinghu_network_format"] == 1
        assert network.attrs["terrain_source"] == "DEM dem.tif"
        outlet = int(np.argmax(network["upstream_area_km2"].values))
    inflow, out = write_inflow(tmp_path / "inflow.nc", n), tmp_path / "out.nc"
    command = ["route", str(network_file), str(inflow), "--out", str(out), "--method", method]
    app(args=command, standalone_mode=False)
    with xr.open_dataset(out) as routed:
        assert routed["river_discharge"].dims == ("time", "reach")
        assert routed["river_discharge"].attrs["units"] == "m3 s-1"
        assert abs(routed.attrs["water_balance_error"]) < 1e-12
        assert routed.attrs["method"] == method
        flow = routed["river_discharge"].values[:, outlet]
    assert flow[0] == 0
    assert 10 < flow.argmax() < 60
    assert 5.0 < flow.max() < 2.0 * n


def test_members_from_file_to_file(network_file, tmp_path):
    with xr.open_dataset(network_file) as network:
        n = network.sizes["reach"]
    with xr.open_dataset(write_inflow(tmp_path / "one.nc", n)) as one:
        factors = xr.DataArray([1.0, 2.0, 4.0], dims="member", coords={"member": [1, 2, 3]})
        (one["q_lateral"] * factors).to_dataset(name="q_lateral").to_netcdf(tmp_path / "in.nc")
    out = tmp_path / "out.nc"
    command = ["route", str(network_file), str(tmp_path / "in.nc"), "--out", str(out)]
    app(args=command, standalone_mode=False)
    with xr.open_dataset(out) as routed:
        assert routed["river_discharge"].dims == ("member", "time", "reach")
        assert list(routed["member"].values) == [1, 2, 3]
        peaks = routed["river_discharge"].max(("time", "reach")).values
    assert peaks[0] < peaks[1] < peaks[2]


def test_wrong_files_and_methods_are_named(network_file, tmp_path):
    def run(*arguments):
        app(args=[*map(str, arguments)], standalone_mode=False)

    inflow = write_inflow(tmp_path / "inflow.nc", 2)
    with pytest.raises(DataError, match=r"inflow.nc: q_lateral has 2 reaches"):
        run("route", network_file, inflow, "--out", tmp_path / "out.nc")
    with pytest.raises(ConfigError, match="'lag' is not a valid RoutingMethod"):
        run("route", network_file, inflow, "--out", tmp_path / "out.nc", "--method", "lag")
    with pytest.raises(DataError, match=r"none.tif: cannot be read"):
        run("network", tmp_path / "none.tif", "--out", tmp_path / "network.nc")
    with pytest.raises(DataError, match=r"inflow.nc: network format None"):
        run("route", inflow, inflow, "--out", tmp_path / "out.nc")
