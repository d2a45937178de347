"""One published cycle, opened once: what every read of the service rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.errors import ConfigError, StoreError
from jinghu.grid.spec import GridSpec
from jinghu.grid.store import PARTS, Part, Store
from jinghu.grid.times import from_numpy, parse_time

_NEEDED = ("products.zarr", "working.zarr", "points.npy")


@dataclass(frozen=True, slots=True)
class PointTable:
    """The point-major copy: a row a cell, memory-mapped, and the names of its columns."""

    columns: Mapping[str, int]
    rows: NDArray[np.float32]

    def value(self, cell: int, column: str) -> float | None:
        """One value, None where there is none."""
        at = self.columns.get(column)
        return None if at is None else number(self.rows[cell, at])

    def series(self, cell: int, name: str, minutes: Sequence[int]) -> list[float | None]:
        """Values of ``name`` at lead times in minutes."""
        return [self.value(cell, f"{name}@{m}") for m in minutes]


@dataclass(frozen=True, slots=True)
class Published:
    """A part of a cycle as it lies in the store.

    Parameters
    ----------
    cycle, part, manifest, time
        What it is, and its analysis time.
    product, working
        The two grids.
    products, fields
        Lazily opened Datasets on these grids.
    points
        For point reads.
    observed_times, observed
        Times of the observed rates, and these (time, y, x) in mm/h as means over product cells.
    hydro
        Flows, None where the cycle has none.
    """

    cycle: str
    part: str
    manifest: dict[str, Any]
    time: datetime
    product: GridSpec
    working: GridSpec
    products: xr.Dataset
    fields: xr.Dataset
    points: PointTable
    observed_times: tuple[datetime, ...]
    observed: NDArray[np.float32]
    hydro: xr.Dataset | None

    @property
    def lead_minutes(self) -> list[int]:
        """Lead times in minutes, 0 first."""
        minutes = self.products["lead_time"].values / np.timedelta64(1, "m")
        return [round(float(m)) for m in minutes]

    @property
    def lead_times(self) -> list[datetime]:
        """Valid times of the leads."""
        return [self.time + timedelta(minutes=m) for m in self.lead_minutes]


def rain_part(store: Store, cycle: str) -> Part | None:
    """Return the newest part of a cycle that holds the rain products, None where there is none."""
    for name in reversed(PARTS):
        part = store.find(cycle, name)
        if part is not None and all((part.folder / product).exists() for product in _NEEDED):
            return part
    return None


def hydro_part(store: Store, cycle: str) -> Part | None:
    """Return the newest part of a cycle that holds flows."""
    for name in reversed(PARTS):
        part = store.find(cycle, name)
        if part is not None and (part.folder / "hydro.zarr").is_dir():
            return part
    return None


def open_published(part: Part, flows: Part | None) -> Published:
    """Open a part, and the one that holds the flows; StoreError where it is damaged."""
    manifest = part.manifest()
    products, fields = part.open("products.zarr"), part.open("working.zarr")
    try:
        for name in ("observed_fraction", "window_observed"):
            products[name].load()  # small, and read with every point
        product, working = GridSpec.of(products), GridSpec.of(fields)
        factor = round(product.spacing_m / working.spacing_m)
        observed = coarsen_mean(fields["observed_rainfall_rate"].values, factor)
        times = tuple(from_numpy(t) for t in fields["observation_time"].values)
        entry = manifest["products"]["points.npy"]["content"]
        columns = {str(name): k for k, name in enumerate(entry["columns"])}
        time = parse_time(manifest["time"])
    except (KeyError, ValueError, TypeError, ConfigError) as error:
        raise StoreError(f"{part.folder}: not a part of this version: {error!r}") from None
    rows = part.open_array("points.npy")
    if rows.shape != (product.nx * product.ny, len(columns)):
        raise StoreError(f"{part.folder}/points.npy: {rows.shape} is not what the manifest says")
    return Published(
        part.cycle,
        part.name,
        manifest,
        time,
        product,
        working,
        products,
        fields,
        PointTable(columns, rows),
        times,
        observed,
        flows.open("hydro.zarr").load() if flows else None,
    )


def number(value: float | np.floating[Any], digits: int = 2) -> float | None:
    """Value for JSON, which has no NaN."""
    return round(float(value), digits) if np.isfinite(value) else None
