"""From rain to hydrographs: runoff of the land, routed through the network."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import csr_array

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs, check
from jinghu.grid.spec import GridSpec
from jinghu.hydro import runoff
from jinghu.hydro.gauges import PlacedGauge
from jinghu.hydro.network import RiverNetwork, runoff_weights
from jinghu.hydro.routing import RoutingMethod, final_state, route
from jinghu.hydro.runoff import RunoffParams

_M3_PER_MM_KM2 = 1000.0


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
    """Water on land and in channels at one time, for the next run."""

    soil: xr.Dataset
    channel: xr.Dataset


@dataclass(frozen=True, slots=True)
class Basin:
    """A network and the rain cells that drain into it.

    Parameters
    ----------
    network
        The network.
    cell_id
        (unit,) rain cells of its runoff units.
    weights
        (reach, unit) km2.
    """

    network: RiverNetwork
    cell_id: NDArray[np.int64]
    weights: csr_array

    @staticmethod
    def of(network: RiverNetwork, spec: GridSpec) -> "Basin":
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
        return Basin(network, units, csr_array((km2, (reach, column)), shape=shape))


def simulate(
    basin: Basin,
    rain: xr.Dataset,
    step_s: float,
    gauges: Sequence[PlacedGauge],
    params: ModelParams,
    state: FloodState | None = None,
) -> tuple[xr.Dataset, FloodState]:
    """Simulate runoff and flow.

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

    Returns
    -------
    ``river_discharge(time, reach)``, ``gauge_discharge(time, gauge)``, ``water_level(time, gauge)``
    with names and places, attributes ``terrain_source`` and ``water_balance_error``; and the state
    at the end.

    Raises
    ------
    DataError
        Where rain is missing or the state is of another network.
    """
    check(rain, "rainfall_amount", dims=("time", "y", "x"))
    times = rain["time"].values
    amounts = rain["rainfall_amount"].values.reshape(len(times), -1)[:, basin.cell_id]
    if state is None:
        stores = runoff.initial_stores(
            len(basin.cell_id),
            params.initial_wetness,
            params.initial_baseflow_m3_s_km2,
            params.runoff,
        )
    else:
        stores = runoff.soil_stores(state.soil, basin.cell_id)
    land = runoff.run(amounts.astype(np.float64), stores, step_s, params.runoff)
    q_lateral = (basin.weights @ land.runoff_mm.T).T * (_M3_PER_MM_KM2 / step_s)
    routed = route(
        basin.network,
        xr.DataArray(q_lateral, dims=("time", "reach"), coords={"time": times}),
        method=params.method,
        initial=None if state is None else state.channel,
        step_s=step_s,
    )
    flows = _flows(basin.network, routed, gauges)
    stored = [runoff.stored_mm(s, params.runoff).sum() for s in (stores, land.stores_mm)]
    came = float(amounts.sum(dtype=np.float64)) + stored[0]
    missing = came - land.evaporation_mm.sum() - land.runoff_mm.sum() - stored[1]
    errors = (missing / max(came, 1e-300), routed.attrs["water_balance_error"])
    flows.attrs["water_balance_error"] = float(max(errors, key=abs))
    soil = runoff.soil_dataset(land.stores_mm, basin.cell_id)
    return flows, FloodState(soil, final_state(routed))


def _flows(network: RiverNetwork, routed: xr.Dataset, gauges: Sequence[PlacedGauge]) -> xr.Dataset:
    """Hydrographs with names and places of reaches and gauges."""
    at = np.array([placed.reach for placed in gauges], np.int64)
    discharge = routed["river_discharge"].values
    at_gauges = discharge[:, at]
    level = network.bed_m[at] + depth_m(network, at, at_gauges)
    level_attrs = attrs("water_level") | {
        "long_name": "water level of uniform flow above the bed of the terrain",
        "vertical_datum": f"heights of the terrain: {network.terrain_source}",
    }
    flow_attrs = attrs("river_discharge")
    return xr.Dataset(
        {
            "river_discharge": (("time", "reach"), discharge.astype(np.float32), flow_attrs),
            "gauge_discharge": (("time", "gauge"), at_gauges.astype(np.float32), flow_attrs),
            "water_level": (("time", "gauge"), level.astype(np.float32), level_attrs),
        },
        coords={"time": routed["time"].values, **_places(network), **_gauges(gauges)},
        attrs={
            "terrain_source": network.terrain_source,
            "routing_method": routed.attrs["method"],
            "network": routed.attrs["network"],
        },
    )


def depth_m(
    network: RiverNetwork, reach: NDArray[np.int64], discharge: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Depth of uniform flow in a wide rectangle (Manning): (time, gauge) m."""
    conveyance = network.width_m[reach] * np.sqrt(network.slope[reach]) / network.manning_n[reach]
    return np.asarray((np.maximum(discharge, 0.0) / conveyance) ** 0.6)


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
