"""Products of a cycle as Datasets, and their way into the store."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.configs.settings import Settings
from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.fields import attrs
from jinghu.grid.observations import RATE_SCALE
from jinghu.grid.store import PartWriter, packed
from jinghu.grid.times import to_numpy
from jinghu.rainfall import Rainfall

CELLS = "cells.geojson"
OUTLOOK = "outlook.zarr"  # step amounts after the nowcast's end, where a model reaches on
WINDOWS_H = (1, 3, 6, 12, 24)
COLUMN_SCALE = {
    "composite_reflectivity": 0.01,
    "cappi_reflectivity": 0.01,
    "echo_top": 1.0,
    "vertically_integrated_liquid": 0.01,
}


@dataclass(frozen=True, slots=True)
class Products:
    """What the fast part of a cycle publishes."""

    products: xr.Dataset
    working: xr.Dataset
    hydro: xr.Dataset | None
    cells: Mapping[str, object] | None = None
    outlook: xr.Dataset | None = None


def product_grid(
    windows: xr.Dataset, rates: NDArray[np.float32], rainfall: Rainfall, settings: Settings
) -> xr.Dataset:
    """Products on the 2.5 km grid: rates, window amounts, quality, state."""
    factor = settings.grid.working_factor
    dims = ("y", "x")
    quality = coarsen_mean(rainfall.analysis["quality"].values, factor)
    age = coarsen_mean(rainfall.analysis["age"].values, factor)
    return windows.assign(
        rainfall_rate=(
            ("lead_time", *dims),
            coarsen_mean(rates, factor),
            attrs("rainfall_rate"),
        ),
        quality=(dims, quality, attrs("quality")),
        age=(dims, age, attrs("age")),
        state=(dims, _commonest(rainfall.analysis["state"].values, factor), attrs("state")),
    )


def working_grid(
    rates: NDArray[np.float32],
    windows: xr.Dataset,
    rainfall: Rainfall,
    motion: xr.Dataset,
    columns: xr.Dataset,
) -> xr.Dataset:
    """Products on the working grid: forecast and observed frames, quality, motion, columns."""
    times = np.array([to_numpy(t) for t in rainfall.observed_times])
    rate_attrs = attrs("rainfall_rate")
    return (
        rainfall.analysis.drop_vars("radar_count")
        .assign(
            {
                "rainfall_rate": (("lead_time", "y", "x"), rates, rate_attrs),
                "observed_rainfall_rate": (
                    ("observation_time", "y", "x"),
                    rainfall.observed_rates,
                    rate_attrs,
                ),
                "motion_x": motion["motion_x"].variable,
                "motion_y": motion["motion_y"].variable,
            }
        )
        .assign({name: columns[name].variable for name in columns.data_vars})
        .assign_coords(
            lead_time=windows["lead_time"], observation_time=times, height=columns["height"]
        )
    )


def write_products(part: PartWriter, products: Products) -> None:
    """Write the products and the point-major copy into a part."""
    part.dataset("products.zarr", products.products)
    working = products.working
    frame = (1, *working["rainfall_rate"].shape[1:])
    encoding = {
        str(name): packed(RATE_SCALE, working[name].shape, frame)
        for name in ("rainfall_rate", "observed_rainfall_rate")
    }
    for name, scale in COLUMN_SCALE.items():
        shape = working[name].shape
        encoding[name] = packed(scale, shape, (*(1,) * (len(shape) - 2), *shape[-2:]))
    part.dataset("working.zarr", working, encoding)
    if products.hydro is not None:
        part.dataset("hydro.zarr", products.hydro)
    if products.outlook is not None:
        part.dataset(OUTLOOK, products.outlook)
    columns, table = point_table(products.products)
    part.array("points.npy", table, {"columns": columns, "row": "cell_id"})
    if products.cells is not None:
        part.json(CELLS, products.cells)


def point_table(products: xr.Dataset) -> tuple[list[str], NDArray[np.float32]]:
    """Return names of columns, and the (cell, column) table, of products of 2 to 4 dimensions."""
    columns: list[str] = []
    planes: list[NDArray[np.float32]] = []
    minutes = products["lead_time"].values / np.timedelta64(1, "m")
    for name in products.data_vars:
        field = products[name]
        if field.dims[-2:] != ("y", "x") or field.ndim > 4:  # the larger ones are read as maps
            continue
        labels = [str(name)]
        for dim in field.dims[:-3] if "lead_time" in field.dims else field.dims[:-2]:
            unit = field[dim].attrs.get("units", "").replace("mm h-1", "mm/h")
            labels = [f"{label}[{v:g}{unit}]" for label in labels for v in field[dim].values]
        if "lead_time" in field.dims:
            labels = [f"{label}@{m:.0f}" for label in labels for m in minutes]
        columns += labels
        planes.append(field.values.reshape(len(labels), -1).astype(np.float32))
    return columns, np.ascontiguousarray(np.concatenate(planes).T)


def _commonest(states: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Commonest state in blocks of cells; wet wherever a fifth of the block is wet."""
    ny, nx = states.shape
    blocks = states.reshape(ny // factor, factor, nx // factor, factor)
    shares = np.stack([(blocks == s).mean((1, 3)) for s in range(6)])
    found = shares.argmax(axis=0)
    return np.where((shares[1] >= 0.2) & (found == 0), 1, found).astype(np.uint8)
