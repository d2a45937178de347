"""Small grids and fields that the tests of this room share."""

from datetime import UTC, datetime

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.store import Store


@pytest.fixture
def spec() -> GridSpec:
    """Ten by eight cells of 2.5 km in Shaoxing."""
    return GridSpec("EPSG:4549", 500e3, 3300e3, 2500.0, 10, 8)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store").create()


@pytest.fixture
def now() -> datetime:
    return datetime(2019, 8, 9, 16, 30, tzinfo=UTC)


@pytest.fixture
def analysis(spec) -> xr.Dataset:
    """Rain 0, 1, 2, ... mm/h in the cells, one of them missing."""
    rate = np.arange(80, dtype=np.float32).reshape(spec.shape)
    rate[3, 4] = np.nan
    dims = ("y", "x")
    return xr.Dataset(
        {
            "rainfall_rate": (dims, rate, attrs("rainfall_rate")),
            "quality": (dims, np.full(spec.shape, 0.5, np.float32), attrs("quality")),
            "state": (dims, np.ones(spec.shape, np.uint8), attrs("state")),
        },
        coords=spec.coords(),
    )
