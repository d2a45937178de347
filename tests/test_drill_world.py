"""The people of a drill: they add up, their units nest, and the seed makes them."""

import numpy as np
import pytest
import shapely
from scipy.spatial import cKDTree

from jinghu.alerting import units_of
from jinghu.configs.settings import CONFIGS, load
from jinghu.drill_world import WorldParams, make_world
from jinghu.grid.errors import ConfigError
from jinghu.grid.frames import Frame
from jinghu.warnings.audience import read_roster
from jinghu.warnings.levels import Role

SETTINGS = load(CONFIGS / "demo.yaml")
SPEC = SETTINGS.grid.product()
UNITS = units_of(SETTINGS)
RESERVOIRS = np.array([[570e3, 3280e3], [560e3, 3300e3]])


def hills(xy):
    """A plain in the north, hills of 600 m in the south."""
    return np.where(xy[:, 1] < 3290e3, 600.0, 0.0)


def made(seed=7, params=WorldParams()):  # noqa: B008
    return make_world(UNITS, ("330600", "绍兴市"), SPEC, hills, RESERVOIRS, params, seed)


@pytest.fixture(scope="module")
def world():
    return made()


def test_everybody_is_counted_once(world):
    assert world.people.sum() == world.people_of_cell.sum() == 5_000_000
    assert len(world.people) == 7_500
    assert len(world.villages.code) == 1_500
    cell = SPEC.cell_of_xy(world.grids.xy[:, 0], world.grids.xy[:, 1])
    for one in np.flatnonzero(world.people_of_cell)[::50]:
        assert world.people_of_cell[one] == world.people[cell == one].sum()


def test_every_grid_lies_in_its_village_town_and_county(world):
    county = world.towns.parent[world.villages.parent]
    for k, shape in enumerate(UNITS.shapes):
        villages = np.flatnonzero(county == k)
        grids = np.flatnonzero(np.isin(world.grids.parent, villages))
        xy = world.grids.xy[grids]
        assert shapely.contains_xy(shape, xy[:, 0], xy[:, 1]).all()
        _, nearest = cKDTree(world.villages.xy[villages]).query(xy)
        np.testing.assert_array_equal(villages[nearest], world.grids.parent[grids])
    for below, above in ((world.grids, world.villages), (world.villages, world.towns)):
        for code, parent in zip(below.code, below.parent, strict=True):
            assert code.startswith(above.code[parent])
            assert len(code) == len(above.code[parent]) + 3
    assert len(set(world.grids.code)) == len(world.grids.code)


def test_everybody_with_a_role_is_told_and_nobody_else(world):
    roles = [r.role for r in world.recipients]
    assert roles.count(Role.GRID_OFFICER) == 7_500
    assert roles.count(Role.VILLAGE_HEAD) == 1_500
    assert roles.count(Role.COUNTY_DUTY) == len(UNITS.counties)
    assert roles.count(Role.RESERVOIR_WARDEN) == 2
    assert len({r.person for r in world.recipients}) == len(world.recipients)
    assert all("模拟" in r.name for r in world.recipients)
    wardens = [r for r in world.recipients if r.role is Role.RESERVOIR_WARDEN]
    x, y = SPEC.to_xy([w.lon for w in wardens], [w.lat for w in wardens])
    np.testing.assert_allclose(np.column_stack([x, y]), RESERVOIRS, atol=0.2)


def test_few_live_on_the_hills(world):
    north = world.grids.xy[:, 1] >= 3290e3
    area = sum(shape.area for shape in UNITS.shapes)
    plain = shapely.box(0, 3290e3, 1e6, 4e6)
    share = sum(shape.intersection(plain).area for shape in UNITS.shapes) / area
    assert world.people[north].sum() / world.people.sum() > share + 0.1


def test_the_seed_makes_the_world_and_another_one_another(world):
    again, other = made(), made(seed=8)
    assert again.recipients == world.recipients
    np.testing.assert_array_equal(again.people_of_cell, world.people_of_cell)
    np.testing.assert_array_equal(again.places.cell, world.places.cell)
    assert other.people_of_cell.tolist() != world.people_of_cell.tolist()


def test_the_audience_is_a_table_that_can_be_imported(world, tmp_path):
    from jinghu.drill_play import write_audience

    (tmp_path / "incoming").mkdir()
    roster = read_roster(write_audience(world.recipients, tmp_path), Frame.WGS84)
    assert roster.bad == ()
    assert roster.people == world.recipients


def test_units_without_parts_are_refused():
    with pytest.raises(ConfigError, match="every unit needs a part"):
        WorldParams(villages=10, grids=5)
    small = made(
        params=WorldParams(people=1000, towns=8, villages=20, grids=50, schools=3, sites=2)
    )
    assert small.people.sum() == 1000
    assert len(small.places.cell) == 5
