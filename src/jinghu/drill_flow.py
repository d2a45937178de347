"""Water of a drill: true flows and stages, by the flood model with parameters nobody else knows.

The rain truth runs through the same equations as the forecast, with land, channels and soil drawn
anew by the seed: what the forecast does not know is what a real basin would not tell it either.
Reservoirs keep a level of their own over a free weir; what they hold back is not routed further.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.hydro.gauges import Gauge, PlacedGauge
from jinghu.hydro.model import Basin, ModelParams, simulate
from jinghu.hydro.network import RiverNetwork
from jinghu.hydro.runoff import RunoffParams
from jinghu.hydro.works import Works

_TAG = 0x464C
_FLOOD_M3S = 8.0  # bankfull discharge of 1 km2; a drill's own threshold, not a surveyed level
_FLOOD_POWER = 2.0 / 3.0  # Q = C F^(2/3), the usual form for small catchments of Zhejiang
_WEIR = 1.7  # m^0.5/s, broad-crested
_CREST_M = 2.4  # width of the weir over the root of the catchment in km2
_LAKE_SHARE = 0.012  # area of a reservoir beside its catchment's
_SUBSTEPS = 12
_RIVER_KM2 = (40.0, np.inf)
_RESERVOIR_KM2 = (12.0, 60.0)
_DATUM = "generated terrain of the drill"


@dataclass(frozen=True, slots=True)
class Reservoirs:
    """Reservoirs: the reach that fills each, the level of its crest, its area and its weir.

    Parameters
    ----------
    names
        Of the gauges.
    reach
        (reservoir,) whose discharge flows in.
    crest_m, area_m2, weir_m
        (reservoir,)
    """

    names: tuple[str, ...]
    reach: NDArray[np.int64]
    crest_m: NDArray[np.float64]
    area_m2: NDArray[np.float64]
    weir_m: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Watched:
    """Gauges of a drill on the rivers and at the reservoirs."""

    rivers: tuple[PlacedGauge, ...]
    reservoirs: Reservoirs


def flood_discharge(upstream_km2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Discharge in m3/s from which a reach is in flood, by the area upstream of it.

    >>> float(np.round(flood_discharge(np.array([1000.0]))[0]))
    800.0
    """
    return np.asarray(_FLOOD_M3S * upstream_km2**_FLOOD_POWER)


def place_watched(
    network: RiverNetwork,
    known: Sequence[PlacedGauge],
    inside: NDArray[np.bool_],
    numbers: tuple[int, int],
    seed: int,
) -> Watched:
    """Put gauges on the rivers of the city, and reservoirs into its hills.

    Parameters
    ----------
    network
        Of the installation.
    known
        Gauges that it has: they are kept.
    inside
        (reach,) which reaches end in the city.
    numbers
        How many river gauges, those that are known included, and how many reservoirs.
    seed
        Chooses their reaches.
    """
    random = np.random.default_rng([seed, _TAG, 1])
    taken = {placed.reach for placed in known}
    more = _drawn(network, inside, _RIVER_KM2, taken, numbers[0] - len(known), random)
    rivers = [*known, *(_made_gauge(network, reach, k) for k, reach in enumerate(more, 1))]
    taken |= set(more)
    hills = np.array(_drawn(network, inside, _RESERVOIR_KM2, taken, numbers[1], random), np.int64)
    km2 = network.upstream_area_km2[hills]
    return Watched(
        tuple(rivers),
        Reservoirs(
            tuple(f"模拟{k:02d}号水库" for k in range(1, len(hills) + 1)),
            hills,
            np.round(network.bed_m[hills] + 18.0, 2),
            km2 * 1e6 * _LAKE_SHARE,
            _CREST_M * np.sqrt(km2),
        ),
    )


def _drawn(
    network: RiverNetwork,
    inside: NDArray[np.bool_],
    km2: tuple[float, float],
    taken: set[int],
    n: int,
    random: np.random.Generator,
) -> list[int]:
    """Reaches of a size, each at most once."""
    area = network.upstream_area_km2
    good = inside & (area >= km2[0]) & (area < km2[1])
    free = [int(r) for r in np.flatnonzero(good) if int(r) not in taken]
    chosen = random.choice(len(free), min(max(n, 0), len(free)), replace=False)
    return sorted(free[int(k)] for k in chosen)


def _made_gauge(network: RiverNetwork, reach: int, number: int) -> PlacedGauge:
    lon, lat = network.grid.to_lonlat(network.x_m[reach], network.y_m[reach])
    gauge = Gauge(
        f"模拟{number:02d}号水文站", f"Simulated {number:02d}", network.name_zh[reach],
        round(float(lon), 5), round(float(lat), 5), float("nan"), float("nan"), _DATUM, "drill",
    )  # fmt: skip
    return PlacedGauge(gauge, reach, 0.0)


def true_flows(
    network: RiverNetwork,
    spec: GridSpec,
    amounts: xr.Dataset,
    watched: Watched,
    seed: int,
    works: Works | None = None,
) -> xr.Dataset:
    """Flows and stages of the truth.

    Parameters
    ----------
    network
        That of the forecast: the truth has the same rivers, but other channels.
    spec
        Grid of the rain.
    amounts
        True ``rainfall_amount(time, y, x)`` in mm of equal steps.
    watched
        Gauges and reservoirs.
    seed
        Draws what the forecast does not know.
    works
        Reservoirs and gate of the installation, operated as the forecast believes.

    Returns
    -------
    What `jinghu.hydro.model.simulate` returns of the rivers, and ``reservoir_level``,
    ``reservoir_outflow`` ``(time, reservoir)``, ``reach_flood_discharge(reach)`` in m3/s; of the
    reservoirs of the installation ``dam_level``, ``dam_outflow`` ``(time, dam)``.
    """
    channels, params = perturbed(network, ModelParams(), seed)
    times = amounts["time"].values
    step_s = float((times[1] - times[0]) / np.timedelta64(1, "s"))
    flows, _ = simulate(Basin.of(channels, spec, works), amounts, step_s, watched.rivers, params)
    dams = _dams(flows)  # reservoirs of the installation are not among the watched ones
    if "reservoir" in flows.dims:
        flows = flows.drop_dims("reservoir")
    lakes = watched.reservoirs
    inflow = flows["river_discharge"].values[:, lakes.reach].astype(np.float64)
    level, outflow = fill(lakes, inflow, step_s)
    dims = ("time", "reservoir")
    lon, lat = network.grid.to_lonlat(network.x_m[lakes.reach], network.y_m[lakes.reach])
    return flows.merge(dams).assign(
        reservoir_level=(dims, level.astype(np.float32), attrs("water_level")),
        reservoir_outflow=(dims, outflow.astype(np.float32), attrs("river_discharge")),
        reach_flood_discharge=("reach", flood_discharge(network.upstream_area_km2)),
        reservoir_name_zh=("reservoir", np.array(lakes.names, object)),
        reservoir_lon=("reservoir", lon),
        reservoir_lat=("reservoir", lat),
    )


def _dams(flows: xr.Dataset) -> xr.Dataset:
    """Levels and outflows of the reservoirs of the installation, under names of their own."""
    if "reservoir" not in flows.dims:
        return xr.Dataset(coords={"time": flows["time"].values})
    outflow = (flows["reservoir_release"] + flows["reservoir_spill"]).values
    names = ("id", "name_zh", "lon", "lat", "datum")
    return xr.Dataset(
        {
            "dam_level": (("time", "dam"), flows["reservoir_level"].values, attrs("water_level")),
            "dam_outflow": (("time", "dam"), outflow, attrs("river_discharge")),
            **{f"dam_{name}": ("dam", flows[f"reservoir_{name}"].values) for name in names},
        },
        coords={"time": flows["time"].values},
    )


def perturbed(
    network: RiverNetwork, params: ModelParams, seed: int
) -> tuple[RiverNetwork, ModelParams]:
    """Channels and land of the truth: drawn around what the forecast believes.

    Roughness differs by 15 % from reach to reach and 10 % for all, capacities of the soil by
    20 %, the lag of hillslopes by 25 %, and the soil is wetter or drier than it is guessed.
    """
    random = np.random.default_rng([seed, _TAG, 2])
    rough = random.lognormal(0.0, 0.10) * random.lognormal(0.0, 0.15, network.n_reaches)
    land = params.runoff
    capacity = random.lognormal(0.0, 0.20, 4)
    runoff = replace(
        land,
        um_mm=land.um_mm * capacity[0],
        lm_mm=land.lm_mm * capacity[1],
        dm_mm=land.dm_mm * capacity[2],
        sm_mm=land.sm_mm * capacity[3],
        b=land.b * random.lognormal(0.0, 0.15),
        surface_lag_h=land.surface_lag_h * random.lognormal(0.0, 0.25),
    )
    assert isinstance(runoff, RunoffParams)
    wetness = float(np.clip(params.initial_wetness + random.normal(0.0, 0.08), 0.5, 0.98))
    return (
        replace(network, manning_n=network.manning_n * rough),
        replace(params, runoff=runoff, initial_wetness=wetness),
    )


def fill(
    lakes: Reservoirs, inflow_m3s: NDArray[np.float64], step_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Level-pool routing: A dh/dt = Qin - c B h^1.5 above the crest, half implicit in substeps.

    Parameters
    ----------
    lakes
        The reservoirs; they begin where inflow and outflow are equal.
    inflow_m3s
        (time, reservoir)
    step_s
        Length of a step.

    Returns
    -------
    Level above the datum in m and outflow in m3/s, each (time, reservoir).
    """
    weir = _WEIR * lakes.weir_m
    head = (np.maximum(inflow_m3s[0], 0.0) / weir) ** (2.0 / 3.0)
    level, outflow = np.empty_like(inflow_m3s), np.empty_like(inflow_m3s)
    dt = step_s / _SUBSTEPS
    for t, coming in enumerate(inflow_m3s):
        for _ in range(_SUBSTEPS):
            slope = weir * np.sqrt(head)  # outflow over head: implicit in the other half
            head = (head + dt / lakes.area_m2 * coming) / (1.0 + dt / lakes.area_m2 * slope)
        level[t], outflow[t] = lakes.crest_m + head, weir * head**1.5
    return level, outflow
