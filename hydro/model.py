"""From rain to hydrographs: runoff of the land, routed through the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import csr_array

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs, check
from jinghu.grid.spec import GridSpec
from jinghu.hydro import runoff
from jinghu.hydro.backwater import backwater_stage_m, stem_of
from jinghu.hydro.gauges import PlacedGauge
from jinghu.hydro.network import RiverNetwork, runoff_weights
from jinghu.hydro.regulated import (
    Clock,
    Regulated,
    RegulatedNetwork,
    RegulatedState,
    Schedule,
    route_regulated,
)
from jinghu.hydro.routing import RoutingMethod
from jinghu.hydro.runoff import RunoffParams
from jinghu.hydro.works import Works, split
from jinghu.hydro.works_products import works_products

M3_PER_MM_KM2 = 1000.0


@dataclass(frozen=True, slots=True)
class ModelParams:
    """Parameters of the flood model.

    Parameters
    ----------
    runoff
        Of the Xin'anjiang model.
    method
        Of routing.
    initial_wetness
        Share of tension water at a cold start.
    initial_baseflow_m3_s_km2
        Groundwater flow at a cold start.
    """

    runoff: RunoffParams = field(default_factory=RunoffParams)
    method: RoutingMethod = RoutingMethod.MUSKINGUM_CUNGE
    initial_wetness: float = 0.8
    initial_baseflow_m3_s_km2: float = 0.01


@dataclass(frozen=True, slots=True)
class FloodState:
    """Water on land, in channels and behind works at one time, for the next run."""

    soil: xr.Dataset
    rivers: RegulatedState


@dataclass(frozen=True, slots=True)
class Basin:
    """A network with its works, and the rain cells that drain into it.

    Parameters
    ----------
    rivers
        Network, works, and the pieces between them.
    cell_id
        (unit,) rain cells of its runoff units.
    weights
        (reach, unit) km2.
    unit_reach
        (unit,) reach that most of each unit drains to.
    """

    rivers: RegulatedNetwork
    cell_id: NDArray[np.int64]
    weights: csr_array
    unit_reach: NDArray[np.int64]

    @property
    def network(self) -> RiverNetwork:
        """The whole network."""
        return self.rivers.network

    @staticmethod
    def of(network: RiverNetwork, spec: GridSpec, works: Works | None = None) -> "Basin":
        """Lay a network over the grid of the rain.

        Raises
        ------
        ConfigError
            Where none of its land lies on the grid.
        """
        reach, cell, km2 = runoff_weights(network, spec)
        if not cell.size:
            raise ConfigError("the river network and the grid of the rain do not overlap")
        units, column = np.unique(cell, return_inverse=True)
        shape = (network.n_reaches, len(units))
        works = works or Works()
        rivers = RegulatedNetwork(network, works, split(network, works.reaches))
        weights = csr_array((km2, (reach, column)), shape=shape)
        most = np.asarray(weights.argmax(axis=0), np.int64).ravel()
        return Basin(rivers, units, weights, most)


def simulate(
    basin: Basin,
    rain: xr.Dataset,
    step_s: float,
    gauges: Sequence[PlacedGauge],
    params: ModelParams,
    state: FloodState | None = None,
    schedules: Mapping[str, Schedule] | None = None,
    outlook: xr.Dataset | None = None,
) -> tuple[xr.Dataset, FloodState]:
    """Simulate runoff, flow, and what reservoirs and the tidal gate make of it.

    Parameters
    ----------
    basin
        Network and runoff units.
    rain
        ``rainfall_amount(time, y, x)`` in mm in the step that ends at ``time``, equal steps, no
        missing values in the basin.
    step_s
        Length of a step in s.
    gauges
        Gauges.
    params
        Parameters.
    state
        State at the start; a cold start otherwise.
    schedules
        Releases asked for in place of the rules, by the id of the reservoir.
    outlook
        Rain after the run, like ``rain``: downstream rules look ahead into it.

    Returns
    -------
    ``river_discharge(time, reach)``, ``gauge_discharge(time, gauge)``, ``water_level(time, gauge)``
    with names and places, what `jinghu.hydro.works_products` tells of works, attributes
    ``terrain_source`` and ``water_balance_error``; and the state at the end.

    Raises
    ------
    DataError
        Where rain is missing or the state is of another network.
    """
    amounts = amounts_of(rain, basin)
    times = rain["time"].values
    if state is None:
        stores = runoff.initial_stores(
            len(basin.cell_id),
            params.initial_wetness,
            params.initial_baseflow_m3_s_km2,
            params.runoff,
        )
    else:
        stores = runoff.soil_stores(state.soil, basin.cell_id)
    land = runoff.run(amounts, stores, step_s, params.runoff)
    ahead = None
    if outlook is not None and basin.rivers.works.reservoirs:
        later = runoff.run(amounts_of(outlook, basin), land.stores_mm, step_s, params.runoff)
        ahead = lateral(basin, later.runoff_mm, step_s)
    routed = route_regulated(
        basin.rivers,
        lateral(basin, land.runoff_mm, step_s),
        Clock(times, step_s),
        params.method,
        None if state is None else state.rivers,
        schedules,
        ahead,
    )
    flows = _flows(basin, routed, times, gauges, params.method)
    stored = [runoff.stored_mm(s, params.runoff).sum() for s in (stores, land.stores_mm)]
    came = float(amounts.sum(dtype=np.float64)) + stored[0]
    missing = came - land.evaporation_mm.sum() - land.runoff_mm.sum() - stored[1]
    errors = (missing / max(came, 1e-300), routed.balance_error)
    flows.attrs["water_balance_error"] = float(max(errors, key=abs))
    soil = runoff.soil_dataset(land.stores_mm, basin.cell_id)
    return flows, FloodState(soil, routed.state)


def amounts_of(rain: xr.Dataset, basin: Basin) -> NDArray[np.float64]:
    """Rain (time, unit) in mm of the units of a basin."""
    check(rain, "rainfall_amount", dims=("time", "y", "x"))
    values = rain["rainfall_amount"].values
    return np.asarray(values.reshape(len(values), -1)[:, basin.cell_id], np.float64)


def lateral(basin: Basin, runoff_mm: NDArray[np.float64], step_s: float) -> NDArray[np.float64]:
    """Lateral inflow (time, reach) in m3/s of runoff (time, unit)."""
    return np.asarray((basin.weights @ runoff_mm.T).T * (M3_PER_MM_KM2 / step_s))


def _flows(
    basin: Basin,
    routed: Regulated,
    times: NDArray[np.datetime64],
    gauges: Sequence[PlacedGauge],
    method: RoutingMethod,
) -> xr.Dataset:
    """Hydrographs with names and places of reaches and gauges, and the products of works."""
    network = basin.network
    at = np.array([placed.reach for placed in gauges], np.int64)
    discharge = routed.discharge_m3_s
    at_gauges = discharge[:, at]
    level = network.bed_m[at] + depth_m(network, at, at_gauges)
    gate = basin.rivers.works.gate
    if gate is not None and routed.gate is not None:
        ponded = np.isin(at, gate.upstream)
        stem = stem_of(network, gate.reach, gate.upstream, at)
        held = routed.gate.level_m[:, 0]
        stage = backwater_stage_m(network, stem, discharge[:, stem.reach], held)
        level[:, ponded] = stage[:, np.searchsorted(stem.reach, at[ponded])]
    level_attrs = attrs("water_level") | {
        "long_name": "water level above the bed of the terrain: uniform flow, or above a tidal"
        " gate steady flow under the backwater of its pond",
        "vertical_datum": f"heights of the terrain: {network.terrain_source}",
    }
    flow_attrs = attrs("river_discharge")
    flows = xr.Dataset(
        {
            "river_discharge": (("time", "reach"), discharge.astype(np.float32), flow_attrs),
            "gauge_discharge": (("time", "gauge"), at_gauges.astype(np.float32), flow_attrs),
            "water_level": (("time", "gauge"), level.astype(np.float32), level_attrs),
        },
        coords={"time": times, **_places(network), **_gauges(gauges)},
        attrs={
            "terrain_source": network.terrain_source,
            "routing_method": method.value,
            "network": network.fingerprint(),
        },
    )
    built = works_products(basin.rivers.works, routed, times)
    return flows.merge(built).assign_attrs(built.attrs)


def depth_m(
    network: RiverNetwork, reach: NDArray[np.int64], discharge: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Depth of uniform flow in a wide rectangle (Manning): (time, gauge) m."""
    conveyance = network.width_m[reach] * np.sqrt(network.slope[reach]) / network.manning_n[reach]
    return np.asarray((np.maximum(discharge, 0.0) / conveyance) ** 0.6)


def restaged_m(
    level: NDArray[np.float64], uniform: NDArray[np.float64], other: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Level under another discharge, by the stages of uniform flow under the old and the other.

    Where the pond holds the level over the old one it stands at least as high as before; a river
    that draws down to the pond moves with uniform flow.
    """
    held = level > uniform + 0.005
    return np.where(held, np.maximum(level, other), level + (other - uniform))


def _places(network: RiverNetwork) -> dict[str, xr.Variable]:
    lon, lat = network.lonlat()
    start_lon, start_lat = network.grid.to_lonlat(network.start_x_m, network.start_y_m)
    numbers = {
        "reach_lon": (lon, "degrees_east", "longitude of the end of the reach"),
        "reach_lat": (lat, "degrees_north", "latitude of the end of the reach"),
        "reach_start_lon": (start_lon, "degrees_east", "longitude of the start of the reach"),
        "reach_start_lat": (start_lat, "degrees_north", "latitude of the start of the reach"),
        "reach_upstream_area": (network.upstream_area_km2, "km2", "area upstream"),
        "reach_downstream": (network.downstream, "1", "next reach, -1 at outlets"),
    }
    found = {
        name: xr.Variable("reach", values, {"units": units, "long_name": text})
        for name, (values, units, text) in numbers.items()
    }
    found["reach_name_zh"] = xr.Variable("reach", np.array(network.name_zh, object))
    found["reach_name_en"] = xr.Variable("reach", np.array(network.name_en, object))
    return found


def _gauges(gauges: Sequence[PlacedGauge]) -> dict[str, xr.Variable]:
    texts = {
        "gauge_name_zh": [p.gauge.name_zh for p in gauges],
        "gauge_name_en": [p.gauge.name_en for p in gauges],
        "gauge_river": [p.gauge.river for p in gauges],
        "gauge_level_datum": [p.gauge.datum for p in gauges],
    }
    numbers = {
        "gauge_lon": ([p.gauge.lon for p in gauges], "degrees_east"),
        "gauge_lat": ([p.gauge.lat for p in gauges], "degrees_north"),
        "gauge_warning_level": ([p.gauge.warning_level_m for p in gauges], "m"),
        "gauge_guarantee_level": ([p.gauge.guarantee_level_m for p in gauges], "m"),
        "gauge_snap_distance": ([p.distance_m for p in gauges], "m"),
    }
    found = {name: xr.Variable("gauge", np.array(v, object)) for name, v in texts.items()}
    found |= {
        name: xr.Variable("gauge", np.array(values, np.float64), {"units": units})
        for name, (values, units) in numbers.items()
    }
    found["gauge_reach"] = xr.Variable("gauge", np.array([p.reach for p in gauges], np.int32))
    return found
