"""Small networks with known properties."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jinghu.configs.settings import CONFIGS, GridSettings
from jinghu.hydro.network import RiverNetwork, build_network
from jinghu.hydro.rivers import Rivers, read_rivers
from jinghu.hydro.terrain import generate_terrain

sys.path.append(str(Path(__file__).parents[2]))  # tests.hydro
from tests.hydro.networks import make_network

MakeNetwork = Callable[..., RiverNetwork]


@pytest.fixture(scope="session")
def new_network() -> MakeNetwork:
    return make_network


@pytest.fixture(scope="session")
def shaoxing_rivers() -> Rivers:
    return read_rivers(Path(CONFIGS) / "shaoxing" / "rivers.geojson")


@pytest.fixture(scope="session")
def shaoxing(shaoxing_rivers: Rivers) -> RiverNetwork:
    terrain = generate_terrain(GridSettings().working(), shaoxing_rivers, 0)
    return build_network(terrain, shaoxing_rivers)
