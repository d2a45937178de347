import numpy as np
import pytest
import rasterio

from jinghu.configs.settings import GridSettings
from jinghu.grid.errors import DataError
from jinghu.grid.spec import GridSpec
from jinghu.hydro.terrain import generate_terrain, read_dem

COARSE = GridSpec("EPSG:4549", 405_000.0, 3_140_000.0, 2500.0, 120, 120)


def from_origin(west, north, dx, dy):
    return rasterio.Affine(dx, 0.0, west, 0.0, -dy, north)


def write_tiff(path, values, crs, transform, nodata=-9999.0):
    height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype="float32",
        crs=crs, transform=transform, nodata=nodata,
    ) as file:  # fmt: skip
        file.write(values.astype(np.float32), 1)
    return path


def test_generated_terrain_has_valleys_ridges_plain_and_sea(shaoxing_rivers):
    spec = GridSettings().working()
    terrain = generate_terrain(spec, shaoxing_rivers, 0)
    height = terrain["elevation"].values

    def at(lon, lat):
        return float(height.ravel()[int(spec.cell_of_lonlat(lon, lat))])

    assert terrain.attrs["terrain_source"] == "generated from river lines; not a survey"
    assert at(121.2, 30.5) < 0  # Hangzhou Bay
    assert 0 < at(120.60, 30.15) < 12  # the plain north of the city
    assert at(120.834, 29.604) < 30  # Shengzhou, in its valley
    assert 300 < at(120.52, 29.60) < 1300  # Kuaiji mountains, between Puyang and Cao'e
    city = height[(spec.y > 3_250_000) & (spec.y < 3_330_000)][:, 60:400]
    assert 500 < np.quantile(city, 0.98) < 1300


def test_generated_terrain_is_deterministic(shaoxing_rivers):
    first, again, other = (
        generate_terrain(COARSE, shaoxing_rivers, seed)["elevation"].values for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_projected_dem_is_read_as_it_is(tmp_path):
    values = np.arange(12.0).reshape(3, 4)
    values[0, 0] = -9999.0
    path = write_tiff(tmp_path / "dem.tif", values, "EPSG:4549", from_origin(5e5, 3.3e6, 30, 30))
    dem = read_dem(path)
    np.testing.assert_array_equal(dem["elevation"].values[::-1][1:], values[1:])
    assert np.isnan(dem["elevation"].values[-1, 0])
    spec = GridSpec.of(dem)
    assert spec == GridSpec("EPSG:4549", 5e5, 3.3e6 - 90, 30.0, 4, 3)
    assert dem.attrs["terrain_source"] == "DEM dem.tif"


@pytest.mark.parametrize(
    ("lon", "lat", "code"),
    [(120.5, 29.5, "EPSG:4549"), (104.0, 30.6, "EPSG:4544"), (8.0, 47.0, "EPSG:32632")],
)
def test_geographic_dem_goes_to_a_metric_grid(tmp_path, lon, lat, code):
    """A plane that rises to the east keeps its heights at its places."""
    step = 1 / 1200
    x = lon + (np.arange(120) - 59.5) * step
    values = np.broadcast_to((x - lon) * 1e4 + 500, (120, 120))
    transform = from_origin(lon - 60 * step, lat + 60 * step, step, step)
    dem = read_dem(write_tiff(tmp_path / "dem.tif", values, "EPSG:4326", transform))
    spec = GridSpec.of(dem)
    assert spec.crs == code
    assert 60 < spec.spacing_m < 100
    found = dem["elevation"].values
    inside = np.isfinite(found)
    assert inside.mean() > 0.9
    # Half a cell of 8.3 m at the edge, where there is no neighbour to interpolate to.
    np.testing.assert_allclose(
        found[inside], (dem["lon"].values[inside] - lon) * 1e4 + 500, atol=4.2
    )


def test_dem_can_be_brought_to_the_grid_of_the_installation(tmp_path):
    path = write_tiff(
        tmp_path / "dem.tif", np.ones((20, 20)), "EPSG:32651", from_origin(3e5, 3.3e6, 90, 90)
    )
    assert GridSpec.of(read_dem(path)).crs == "EPSG:32651"
    assert GridSpec.of(read_dem(path, "EPSG:4549")).crs == "EPSG:4549"


def test_a_dem_that_cannot_be_placed_is_refused(tmp_path):
    values, place = np.ones((4, 4)), from_origin(5e5, 3.3e6, 30, 30)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        bare = write_tiff(tmp_path / "bare.tif", values, None, rasterio.Affine.identity())
    with pytest.raises(DataError, match=r"bare.tif: no coordinate reference system"):
        read_dem(bare)
    turned = write_tiff(
        tmp_path / "turned.tif",
        values,
        "EPSG:4549",
        rasterio.Affine(28.0, 10.0, 5e5, 10.0, -28.0, 3.3e6),
    )
    with pytest.raises(DataError, match="rotated"):
        read_dem(turned)
    empty = write_tiff(tmp_path / "empty.tif", np.full((4, 4), -9999.0), "EPSG:4549", place)
    with pytest.raises(DataError, match="every cell is nodata"):
        read_dem(empty)
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(DataError, match=r"text.tif: cannot be read"):
        read_dem(tmp_path / "text.tif")
