"""The river network: reaches in order of flow, and the land that drains into each."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.spec import GridSpec
from jinghu.hydro.delineate import delineate
from jinghu.hydro.flowtree import FlowTree, flow_tree
from jinghu.hydro.rivers import Rivers

FORMAT_VERSION = 1
OUTLET = -1
_POSITIVE = ("length_m", "slope", "width_m", "manning_n", "upstream_area_km2")
_ARRAYS = {
    "length_m": ("m", "length"),
    "slope": ("1", "slope of the bed"),
    "width_m": ("m", "width of the channel"),
    "manning_n": ("s m-1/3", "Manning's roughness"),
    "local_area_km2": ("km2", "area that drains into the reach itself"),
    "upstream_area_km2": ("km2", "area that drains through the end of the reach"),
    "bed_m": ("m", "elevation of the bed at the end of the reach"),
    "x_m": ("m", "easting of the end of the reach"),
    "y_m": ("m", "northing of the end of the reach"),
    "start_x_m": ("m", "easting of the start of the reach"),
    "start_y_m": ("m", "northing of the start of the reach"),
}


@dataclass(frozen=True, slots=True)
class NetworkParams:
    """How reaches are cut out of terrain.

    Width is ``width_a * A ** width_b`` with the upstream area A in km2 (hydraulic geometry,
    Leopold & Maddock 1953); Manning's n falls with log A from ``manning_hill`` at 20 km2 to
    ``manning_plain`` at 2,000 km2.
    """

    min_area_km2: float = 10.0
    min_length_m: float = 500.0
    target_length_m: float = 2000.0
    min_slope: float = 1e-4
    sea_level_m: float = -8.0  # cells at or below it are sea
    width_a: float = 3.0
    width_b: float = 0.5
    manning_hill: float = 0.05
    manning_plain: float = 0.03

    def __post_init__(self) -> None:
        """Refuse parameters that give no channel."""
        positive = (
            self.min_area_km2,
            self.min_length_m,
            self.min_slope,
            self.width_a,
            self.manning_hill,
            self.manning_plain,
        )
        if min(positive) <= 0 or self.target_length_m < self.min_length_m:
            raise ConfigError(f"network parameters must be positive, target >= min length: {self}")


@dataclass(frozen=True, slots=True)
class RiverNetwork:
    """Reaches, upstream before downstream; all arrays have one value a reach.

    Parameters
    ----------
    downstream
        Index of the next reach, always larger than the reach's own; -1 at outlets.
    length_m, slope, width_m, manning_n
        Channel: a wide rectangle.
    local_area_km2, upstream_area_km2
        Area that drains into the reach itself, and through its end.
    bed_m
        Elevation of the bed at the end.
    x_m, y_m, start_x_m, start_y_m
        Where the reach ends and starts, in the CRS of ``grid``.
    name_zh, name_en
        Names of the river, empty where it has none.
    grid, cell_reach
        Grid of the terrain, and the reach (y, x) each of its cells drains into, -1 where none.
    terrain_source
        Where the elevations came from; every product carries it.
    """

    downstream: NDArray[np.int32]
    length_m: NDArray[np.float64]
    slope: NDArray[np.float64]
    width_m: NDArray[np.float64]
    manning_n: NDArray[np.float64]
    local_area_km2: NDArray[np.float64]
    upstream_area_km2: NDArray[np.float64]
    bed_m: NDArray[np.float64]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    start_x_m: NDArray[np.float64]
    start_y_m: NDArray[np.float64]
    name_zh: tuple[str, ...]
    name_en: tuple[str, ...]
    grid: GridSpec
    cell_reach: NDArray[np.int32]
    terrain_source: str

    @property
    def n_reaches(self) -> int:
        """Number of reaches."""
        return len(self.downstream)

    def reach_label(self, reach: int) -> str:
        """Return what messages call a reach: its number, and its river where it has a name."""
        name = self.name_zh[reach] if reach < len(self.name_zh) else ""
        return f"reach {reach} ({name})" if name else f"reach {reach}"

    def fingerprint(self) -> str:
        """Hash of what routing depends on: a state belongs to the network that has the same."""
        digest = hashlib.sha256(self.downstream.astype(np.int32).tobytes())
        for values in (self.length_m, self.slope, self.width_m, self.manning_n):
            digest.update(values.astype(np.float64).tobytes())
        return digest.hexdigest()[:16]

    def lonlat(self) -> tuple[NDArray[np.float64], ...]:
        """Longitude and latitude of the ends of the reaches in WGS-84 degrees."""
        return self.grid.to_lonlat(self.x_m, self.y_m)


def build_network(
    elevation: xr.Dataset, rivers: Rivers | None = None, params: NetworkParams | None = None
) -> RiverNetwork:
    """Build the network of a terrain: D8 with depressions filled, rivers enforced.

    Parameters
    ----------
    elevation
        ``elevation(y, x)`` in m on an equidistant grid, NaN or at most ``params.sea_level_m``
        where there is sea; attribute ``terrain_source``.
    rivers
        Lines that the flow is made to follow. With them only land that drains into a modelled
        river is kept; without them all is.
    params
        Parameters.

    Raises
    ------
    DataError
        Where the terrain has no stream of the wanted size, or a river does not join its next one.
    """
    params = params or NetworkParams()
    if "elevation" not in elevation:
        raise DataError("terrain", f"no elevation in it; there are {sorted(map(str, elevation))}")
    spec = GridSpec.of(elevation)
    heights = elevation["elevation"].values.astype(np.float32)
    tree = flow_tree(heights, spec, rivers, params.sea_level_m)
    source = str(elevation.attrs.get("terrain_source", "unknown"))
    network = _network(tree, spec, rivers, params, source)
    validate(network, "terrain")
    return network


def _network(
    tree: FlowTree, spec: GridSpec, rivers: Rivers | None, params: NetworkParams, source: str
) -> RiverNetwork:
    """Reaches of a flow tree with their channel."""
    found = delineate(tree, params.min_area_km2, params.min_length_m, params.target_length_m)
    if len(found.downstream) == 0:
        raise DataError(
            source, f"no stream drains {params.min_area_km2:g} km2; lower the threshold"
        )
    cell_km2 = (spec.spacing_m / 1000.0) ** 2
    kept = found.cell_reach[found.cell_reach >= 0]
    counts = np.bincount(kept, minlength=len(found.downstream))
    local = np.asarray(counts * cell_km2, np.float64)
    upstream = accumulated(found.downstream, local)
    share = np.clip(np.log(np.maximum(upstream, 1e-6) / 20.0) / np.log(100.0), 0.0, 1.0)
    lines = rivers.lines if rivers is not None else ()
    row, col = np.divmod(found.last_cell, spec.nx)
    start_row, start_col = np.divmod(found.first_cell, spec.nx)
    length = np.maximum(found.length_m, params.min_length_m)  # a last one may be shorter
    return RiverNetwork(
        downstream=found.downstream,
        length_m=length,
        slope=np.maximum(found.fall_m / length, params.min_slope),
        width_m=params.width_a * upstream**params.width_b,
        manning_n=params.manning_hill + share * (params.manning_plain - params.manning_hill),
        local_area_km2=local,
        upstream_area_km2=upstream,
        bed_m=found.bed_m,
        x_m=spec.x[col],
        y_m=spec.y[row],
        start_x_m=spec.x[start_col],
        start_y_m=spec.y[start_row],
        name_zh=tuple(lines[r].name_zh if r >= 0 else "" for r in found.river),
        name_en=tuple(lines[r].name_en if r >= 0 else "" for r in found.river),
        grid=spec,
        cell_reach=found.cell_reach.reshape(spec.shape),
        terrain_source=source,
    )


def accumulated(
    downstream: NDArray[np.signedinteger[Any]], local: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of a quantity over each reach and all reaches above it."""
    total = local.astype(np.float64).copy()
    for reach, below in enumerate(downstream):
        if below >= 0:
            total[below] += total[reach]
    return total


def validate(network: RiverNetwork, source: str) -> None:
    """Refuse a network that cannot be routed.

    Raises
    ------
    DataError
        Names the source, the reach and the cause: cycles, missing or non-positive values.
    """
    n = network.n_reaches
    for name in _ARRAYS:
        values = getattr(network, name)
        if len(values) != n:
            raise DataError(source, f"{name} has {len(values)} values for {n} reaches")
        bad = ~np.isfinite(values)
        if name in _POSITIVE:
            bad |= ~(values > 0)
        if bad.any():
            reach = int(np.argmax(bad))
            raise DataError(source, f"{network.reach_label(reach)}: {name} is {values[reach]}")
    _validate_order(network, source)
    if network.cell_reach.shape != network.grid.shape or network.cell_reach.max(initial=-1) >= n:
        raise DataError(source, "the map of cells to reaches does not fit the grid or the reaches")


def _validate_order(network: RiverNetwork, source: str) -> None:
    """Refuse cycles, and reaches that come after the one they flow into."""
    n, downstream = network.n_reaches, network.downstream
    out = (downstream < OUTLET) | (downstream >= n)
    if out.any():
        reach = int(np.argmax(out))
        raise DataError(
            source, f"{network.reach_label(reach)} flows into {downstream[reach]}, no such reach"
        )
    backward = (downstream != OUTLET) & (downstream <= np.arange(n))
    if not backward.any():
        return
    first = int(np.argmax(backward))
    reach = int(downstream[first])
    for _ in range(n):
        if reach in (first, OUTLET):
            break
        reach = int(downstream[reach])
    label = network.reach_label(first)
    if reach == first:
        raise DataError(source, f"{label} flows in a cycle back into itself")
    raise DataError(source, f"{label} comes after the one it flows into: order them by flow")


def runoff_weights(
    network: RiverNetwork, spec: GridSpec
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return which share of which rain cell drains into which reach.

    Parameters
    ----------
    network
        The network.
    spec
        Grid of the rain.

    Returns
    -------
    reach, cell_id (of ``spec``) and km2 of every overlap; land outside the grid is left out.
    """
    rows, cols = np.nonzero(network.cell_reach >= 0)
    reach = network.cell_reach[rows, cols].astype(np.int64)
    x, y = network.grid.x[cols], network.grid.y[rows]
    if network.grid.crs == spec.crs:
        cell = spec.cell_of_xy(x, y)
    else:
        cell = spec.cell_of_lonlat(*network.grid.to_lonlat(x, y))
    inside = cell >= 0
    n_cells = spec.nx * spec.ny
    pair, count = np.unique(reach[inside] * n_cells + cell[inside], return_counts=True)
    return pair // n_cells, pair % n_cells, count * (network.grid.spacing_m / 1000.0) ** 2


def write_network(network: RiverNetwork, path: Path) -> None:
    """Write a network as NetCDF."""
    variables: dict[str, object] = {
        name: ("reach", getattr(network, name), {"units": units, "long_name": text})
        for name, (units, text) in _ARRAYS.items()
    }
    variables["downstream"] = ("reach", network.downstream, {"long_name": "next reach, -1 outlet"})
    variables["name_zh"] = ("reach", np.array(network.name_zh, object))
    variables["name_en"] = ("reach", np.array(network.name_en, object))
    variables["cell_reach"] = (("y", "x"), network.cell_reach, {"long_name": "reach of the cell"})
    grid = network.grid
    dataset = xr.Dataset(
        variables,
        attrs={
            "jinghu_network_format": FORMAT_VERSION,
            "terrain_source": network.terrain_source,
            "crs": grid.crs,
            "x0_m": grid.x0_m,
            "y0_m": grid.y0_m,
            "spacing_m": grid.spacing_m,
        },
    )
    dataset.to_netcdf(path, encoding={"cell_reach": {"zlib": True, "complevel": 4}})


def read_network(path: Path) -> RiverNetwork:
    """Read a network and validate it.

    Raises
    ------
    DataError
        Names the file and the cause.
    """
    try:
        with xr.open_dataset(path, engine="netcdf4") as opened:
            dataset = opened.load()
    except (OSError, ValueError) as error:
        raise DataError(path, f"cannot be opened: {error}") from None
    version = dataset.attrs.get("jinghu_network_format")
    if version != FORMAT_VERSION:
        raise DataError(path, f"network format {version}, this version reads {FORMAT_VERSION}")
    wanted = [*_ARRAYS, "downstream", "name_zh", "name_en", "cell_reach"]
    if missing := [name for name in wanted if name not in dataset]:
        raise DataError(path, f"no {', '.join(missing)} in the network")
    try:
        ny, nx = dataset["cell_reach"].shape
        at = dataset.attrs
        arrays = {name: dataset[name].values.astype(np.float64) for name in _ARRAYS}
        network = RiverNetwork(
            downstream=dataset["downstream"].values.astype(np.int32),
            name_zh=tuple(map(str, dataset["name_zh"].values)),
            name_en=tuple(map(str, dataset["name_en"].values)),
            grid=GridSpec(
                at["crs"], float(at["x0_m"]), float(at["y0_m"]), float(at["spacing_m"]), nx, ny
            ),
            cell_reach=dataset["cell_reach"].values.astype(np.int32),
            terrain_source=str(at["terrain_source"]),
            **arrays,
        )
    except KeyError as error:
        raise DataError(path, f"no attribute {error} in the network") from None
    validate(network, str(path))
    return network
