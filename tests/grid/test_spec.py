import numpy as np
import pyproj
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.errors import ConfigError
from jinghu.grid.spec import CELL_OUTSIDE, GridSpec

SHAOXING = GridSpec("EPSG:4549", 405e3, 3140e3, 2500.0, 120, 120)


@settings(deadline=None, max_examples=50)
@given(st.floats(118.6, 121.6), st.floats(28.4, 31.0))
def test_projection_is_that_of_the_definition_and_comes_back(lon, lat):
    """EPSG:4549 by its parameters: CM 120 E, scale 1, false easting 500 km, ellipsoid GRS 80."""
    by_hand = pyproj.Proj(proj="tmerc", lon_0=120, k=1, x_0=500_000, ellps="GRS80")
    x, y = SHAOXING.to_xy(lon, lat)
    np.testing.assert_allclose((x, y), by_hand(lon, lat), atol=1e-3)
    np.testing.assert_allclose(SHAOXING.to_lonlat(x, y), (lon, lat), atol=1e-9)


def test_cell_centres_have_their_own_ids(spec):
    ids = spec.cell_of_xy(*np.meshgrid(spec.x, spec.y))
    np.testing.assert_array_equal(ids, np.arange(80).reshape(8, 10))
    np.testing.assert_array_equal(np.stack(spec.row_col(ids)), np.indices(spec.shape))
    np.testing.assert_array_equal(spec.cell_of_lonlat(*spec.lonlat()), ids)


def test_cells_hold_their_south_western_edges_only(spec):
    inside = spec.cell_of_xy([500e3, 502_499.999, 502_500.0], 3300e3)
    np.testing.assert_array_equal(inside, [0, 0, 1])
    east, north = 500e3 + 10 * 2500.0, 3300e3 + 8 * 2500.0
    outside = spec.cell_of_xy(
        [east, 501e3, 499_999.9, 501e3, np.nan, np.inf, -np.inf],
        [3301e3, north, 3301e3, 3299_999.9, 3301e3, 3301e3, 3301e3],
    )
    assert (outside == CELL_OUTSIDE).all()


def test_points_without_a_projection_are_outside(spec):
    assert (spec.cell_of_lonlat([0.0, 120.0, np.nan], [-90.0, 95.0, 30.0]) == CELL_OUTSIDE).all()


@pytest.mark.parametrize("with_file", [False, True])
def test_a_dataset_tells_its_grid(spec, tmp_path, with_file):
    dataset = xr.Dataset(coords=spec.coords())
    if with_file:
        dataset.to_netcdf(tmp_path / "grid.nc")
        dataset = xr.open_dataset(tmp_path / "grid.nc").load()
    assert GridSpec.of(dataset) == spec


def test_coordinates_are_cf(spec):
    coords = spec.coords()
    assert coords["x"].attrs["standard_name"] == "projection_x_coordinate"
    assert coords["crs"].attrs["grid_mapping_name"] == "transverse_mercator"
    assert coords["crs"].attrs["longitude_of_central_meridian"] == 120
    assert coords["lat"].shape == spec.shape
    assert (np.diff(coords["lat"].values, axis=0) > 0).all(), "rows go from south to north"


def test_a_single_cell_is_a_grid():
    one = GridSpec("EPSG:4549", 500e3, 3300e3, 1000.0, 1, 1)
    assert GridSpec.of(xr.Dataset(coords=one.coords())) == one


def test_coarse_cells_hold_the_fine_ones(spec):
    coarse = spec.coarsen(2)
    assert coarse.shape == (4, 5)
    x, y = np.meshgrid(spec.x, spec.y)
    rows, cols = coarse.row_col(coarse.cell_of_xy(x, y))
    np.testing.assert_array_equal(rows, np.indices(spec.shape)[0] // 2)
    np.testing.assert_array_equal(cols, np.indices(spec.shape)[1] // 2)
    with pytest.raises(ConfigError, match="cannot be coarsened by 3"):
        spec.coarsen(3)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"x": [1.0, 2.0, 4.0]}, "not ascending at a constant"),
        ({"y": [3.0, 2.0]}, "needs a positive spacing|not ascending"),
    ],
)
def test_uneven_coordinates_are_refused(change, cause):
    axes = {"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0]} | change
    dataset = xr.Dataset(coords={**axes, "crs": ((), 0, {"code": "EPSG:4549"})})
    with pytest.raises(ConfigError, match=cause):
        GridSpec.of(dataset)


def test_a_dataset_without_crs_is_refused():
    with pytest.raises(ConfigError, match="no coordinate crs"):
        GridSpec.of(xr.Dataset(coords={"x": [0.0, 1.0], "y": [0.0, 1.0]}))


@pytest.mark.parametrize(
    ("crs", "numbers", "cause"),
    [
        ("EPSG:4549", (0, 0, 0, 1, 1), "positive spacing"),
        ("EPSG:4549", (0, 0, float("nan"), 1, 1), "positive spacing"),
        ("EPSG:4549", (float("inf"), 0, 1, 1, 1), "positive spacing"),
        ("EPSG:4549", (0, 0, 1, 0, 1), "at least one cell"),
        ("EPSG:4326", (0, 0, 1, 1, 1), "degree"),
        ("EPSG:2263", (0, 0, 1, 1, 1), "foot"),
        ("EPSG:999999", (0, 0, 1, 1, 1), "EPSG:999999"),
        ("Shaoxing", (0, 0, 1, 1, 1), "Shaoxing"),
    ],
)
def test_impossible_grids_are_refused_in_one_line(crs, numbers, cause):
    with pytest.raises(ConfigError, match=cause) as refusal:
        GridSpec(crs, *numbers)
    assert "\n" not in str(refusal.value)
