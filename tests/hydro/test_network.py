import dataclasses

import numpy as np
import pytest
import xarray as xr

from jinghu.configs.settings import GridSettings
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.spec import GridSpec
from jinghu.hydro.network import (
    NetworkParams,
    accumulated,
    build_network,
    read_network,
    runoff_weights,
    validate,
    write_network,
)


def terrain_of(heights, spacing_m=500.0):
    ny, nx = heights.shape
    spec = GridSpec("EPSG:4549", 500_000.0, 3_290_000.0, spacing_m, nx, ny)
    return xr.Dataset(
        {"elevation": (("y", "x"), heights.astype(np.float32))},
        coords=spec.coords(),
        attrs={"terrain_source": "made for a test"},
    )


def valley(ny=40, nx=41):
    """A valley along the middle column that falls 2 m a cell to the south."""
    row, col = np.mgrid[:ny, :nx]
    return 2.0 * row + 20.0 * np.abs(col - nx // 2) + 105.0


def outlet_of(network):
    outlet = np.arange(network.n_reaches)
    for reach in range(network.n_reaches - 1, -1, -1):
        if network.downstream[reach] >= 0:
            outlet[reach] = outlet[network.downstream[reach]]
    return outlet


def test_valley_gives_one_river_with_its_slope_and_area():
    network = build_network(terrain_of(valley()), params=NetworkParams(min_area_km2=20.0))
    main = np.flatnonzero(network.x_m == network.grid.x[20])
    assert (network.downstream[main[:-1]] == main[1:]).all()
    assert network.upstream_area_km2[main[-1]] == pytest.approx(40 * 41 * 0.25, rel=0.2)
    np.testing.assert_allclose(network.slope[main[:-1]], 2.0 / 500.0, rtol=1e-5)
    assert ((network.length_m >= 500) & (network.length_m <= 3000)).all()
    width = 3.0 * network.upstream_area_km2**0.5
    np.testing.assert_allclose(network.width_m, width)


def test_depressions_are_filled_and_slopes_have_a_floor():
    heights = valley()
    heights[10:14, 18:23] -= 60.0  # a hole in the valley
    network = build_network(terrain_of(heights), params=NetworkParams(min_area_km2=20.0))
    assert (network.downstream < 0).sum() == 1
    assert network.slope.min() == 1e-4


def test_all_land_drains_into_its_reach(shaoxing):
    cell_km2 = 0.25
    assert shaoxing.local_area_km2.sum() == (shaoxing.cell_reach >= 0).sum() * cell_km2
    np.testing.assert_allclose(
        shaoxing.upstream_area_km2, accumulated(shaoxing.downstream, shaoxing.local_area_km2)
    )
    outlets = shaoxing.downstream < 0
    assert shaoxing.upstream_area_km2[outlets].sum() == pytest.approx(shaoxing.local_area_km2.sum())


def test_rivers_of_shaoxing_have_plausible_basins(shaoxing):
    """Published: Cao'e 6,046 km2, Puyang 3,430 km2; the terrain is generated."""
    names = np.array(shaoxing.name_zh)
    area = {n: shaoxing.upstream_area_km2[names == n].max() for n in set(names) - {""}}
    assert 4_500 < area["曹娥江"] < 7_500
    assert 2_500 < area["浦阳江"] < 4_500
    for name in ("澄潭江", "新昌江", "长乐江", "黄泽江", "小舜江", "大陈江", "开化江", "枫桥江"):
        assert 200 < area[name] < 1_500, name
    outlets = np.flatnonzero(shaoxing.downstream < 0)
    assert {shaoxing.name_zh[i] for i in outlets} == {"曹娥江", "浦阳江"}


def test_tributaries_join_where_they_do(shaoxing):
    names = np.array(shaoxing.name_zh)
    outlet = outlet_of(shaoxing)
    cao_e, puyang = (outlet[names == n][0] for n in ("曹娥江", "浦阳江"))
    for name in ("澄潭江", "新昌江", "长乐江", "黄泽江", "小舜江"):
        assert (outlet[names == name] == cao_e).all()
    for name in ("大陈江", "开化江", "五泄江", "枫桥江"):
        assert (outlet[names == name] == puyang).all()
    for name in ("新昌江", "枫桥江"):  # a named river flows unbroken into the next one
        reaches = np.flatnonzero(names == name)
        assert (shaoxing.downstream[reaches[:-1]] == reaches[1:]).all()
        assert names[shaoxing.downstream[reaches[-1]]] in ("曹娥江", "浦阳江")


def test_reaches_are_ordered_and_have_the_wanted_lengths(shaoxing):
    below = shaoxing.downstream
    assert ((below == -1) | (below > np.arange(len(below)))).all()
    assert shaoxing.length_m.min() >= 500
    assert shaoxing.length_m.max() <= 3000


def test_rain_cells_cover_the_land_once(shaoxing):
    product = GridSettings().product()
    reach, cell, km2 = runoff_weights(shaoxing, product)
    np.testing.assert_allclose(np.bincount(reach, km2, shaoxing.n_reaches), shaoxing.local_area_km2)
    assert np.bincount(cell, km2).max() <= 6.25
    utm = GridSpec("EPSG:32651", 100_000.0, 3_100_000.0, 5000.0, 100, 100)
    assert runoff_weights(shaoxing, utm)[2].sum() == pytest.approx(km2.sum(), rel=1e-9)


def test_network_survives_the_file(tmp_path, shaoxing):
    write_network(shaoxing, tmp_path / "network.nc")
    again = read_network(tmp_path / "network.nc")
    for field in dataclasses.fields(shaoxing):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(shaoxing, field.name))
    assert again.fingerprint() == shaoxing.fingerprint()


def test_files_that_are_no_network_are_refused(tmp_path, shaoxing):
    path = tmp_path / "network.nc"
    with pytest.raises(DataError, match=r"network.nc: cannot be opened"):
        read_network(path)
    xr.Dataset({"a": ("x", [1])}).to_netcdf(path)
    with pytest.raises(DataError, match="network format None, this version reads 1"):
        read_network(path)
    write_network(shaoxing, tmp_path / "whole.nc")
    with xr.open_dataset(tmp_path / "whole.nc") as whole:
        whole.load().drop_vars("slope").to_netcdf(tmp_path / "part.nc")
    with pytest.raises(DataError, match="no slope in the network"):
        read_network(tmp_path / "part.nc")


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"downstream": [1, 2, 0]}, r"reach 2 \(曹娥江\) flows in a cycle"),
        ({"downstream": [-1, 0, -1]}, r"reach 1 \(曹娥江\) comes after the one it flows into"),
        ({"downstream": [1, 2, 7]}, r"reach 2 \(曹娥江\) flows into 7, no such reach"),
        ({"length_m": [1.0, 0.0, 1.0]}, r"reach 1 \(曹娥江\): length_m is 0.0"),
        ({"slope": [1.0, 1.0, np.nan]}, r"reach 2 \(曹娥江\): slope is nan"),
        ({"width_m": [1.0, 1.0]}, "width_m has 2 values for 3 reaches"),
        ({"cell_reach": [[0, 1, 9]]}, "map of cells"),
    ],
)
def test_validate_names_the_reach(new_network, changes, cause):
    arrays = {name: np.array(values) for name, values in changes.items()}
    network = dataclasses.replace(new_network([1, 2, -1]), **arrays)
    with pytest.raises(DataError, match=f"test.nc: .*{cause}"):
        validate(network, "test.nc")


def test_terrain_without_streams_or_land_is_refused():
    with pytest.raises(DataError, match="no stream drains 10 km2"):
        build_network(terrain_of(valley(4, 5)))
    with pytest.raises(DataError, match="no land"):
        build_network(terrain_of(np.full((5, 5), np.nan)))
    with pytest.raises(DataError, match="no elevation"):
        build_network(xr.Dataset())
    with pytest.raises(ConfigError, match="must be positive"):
        NetworkParams(min_slope=0.0)
