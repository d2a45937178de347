"""Flood stage of a cycle: the network of the installation, the state carried on, hydrographs."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import xarray as xr

from jinghu.configs.settings import Settings
from jinghu.grid import durable
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import attrs
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, parse_cycle_name, to_numpy
from jinghu.hydro.gauges import PlacedGauge, place_gauges, read_gauges
from jinghu.hydro.model import Basin, FloodState, ModelParams, simulate
from jinghu.hydro.network import (
    FORMAT_VERSION,
    NetworkParams,
    RiverNetwork,
    build_network,
    read_network,
    write_network,
)
from jinghu.hydro.rivers import read_rivers
from jinghu.hydro.routing import STATE_VERSION, RoutingMethod
from jinghu.hydro.terrain import GENERATED, TERRAIN_VERSION, generate_terrain, read_dem
from jinghu.stages import StageLog

_MISSING_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class FloodOutcome:
    """What the stage gave.

    Parameters
    ----------
    dataset
        Hydrographs from the analysis time on, None where there can be none.
    summary
        For the report.
    state
        Soil and channels at the analysis time, for the next cycle.
    """

    dataset: xr.Dataset | None
    summary: dict[str, object]
    state: dict[str, xr.Dataset]


def flood(
    best: xr.Dataset,
    forecast: xr.Dataset,
    time: datetime,
    store: Store,
    settings: Settings,
    log: StageLog,
) -> FloodOutcome:
    """Run the flood model: observed rain brings the state to ``time``, the forecast beyond it.

    Parameters
    ----------
    best
        Record of observed step amounts up to ``time``; NaN = not observed, taken as no rain.
    forecast
        Step amounts after it; dry after its end, up to the horizon.
    time
        Analysis time.
    store
        Holds the network and the state of the cycle before.
    settings, log
        Settings of the installation; where degradations are named.
    """
    try:
        network = network_of(settings, store)
        gauges, lost = place_gauges(read_gauges(settings.hydro.gauges), network)
        basin = Basin.of(network, settings.grid.product())
    except (DataError, ConfigError) as error:
        log.degrade(f"no flood forecast: {error}")
        return FloodOutcome(None, {"reaches": 0, "gauges": [], "error": str(error)}, {})
    for line in lost:
        log.degrade(line)
    params = ModelParams(
        method=RoutingMethod(settings.hydro.method),
        initial_wetness=settings.hydro.initial_wetness,
    )
    before, since = _state_before(best, time, store, basin, params.method, log)
    observed = _known(best.sel(time=best["time"] > since), basin, log)
    step_s = float(np.diff(best["time"].values[:2])[0] / np.timedelta64(1, "s"))
    past, state = simulate(basin, observed, step_s, gauges, params, before)
    rain = _to_horizon(forecast, to_numpy(time), step_s, settings.hydro.horizon_h)
    coming, _ = simulate(basin, rain, step_s, gauges, params, state)
    flows = xr.concat(
        [past.isel(time=[-1]), coming],
        "time",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
    )
    errors = [d.attrs["water_balance_error"] for d in (past, coming)]
    flows.attrs["water_balance_error"] = max(errors, key=abs)
    if network.terrain_source == GENERATED:
        log.degrade("flows rest on a terrain generated from river lines, not on a survey")
    every = max(1, round(settings.hydro.step_min * 60.0 / step_s))
    return FloodOutcome(
        flows.isel(time=slice(None, None, every)),
        _summary(network, gauges, flows),
        {"soil": state.soil, "channel": state.channel},
    )


def network_of(settings: Settings, store: Store, terrain: xr.Dataset | None = None) -> RiverNetwork:
    """River network of the installation: built once per configuration, then kept in the store.

    ``terrain`` is that of `terrain_of`, where it is at hand.

    Raises
    ------
    DataError
        Where the DEM or the rivers cannot be used.
    """
    hydro = settings.hydro
    key = _network_key(settings)
    path = store.root / "static" / f"network-{key}.nc"
    if path.is_file():
        try:
            return read_network(path)
        except DataError:
            path.unlink()  # of another version or damaged: built again
    rivers = read_rivers(hydro.rivers)
    if terrain is None:
        terrain = terrain_of(settings)
    burned = rivers if hydro.burn_rivers or hydro.dem is None else None
    network = build_network(terrain, burned)
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.remove_leftovers(path.parent)
    temporary = durable.temporary_beside(path)
    write_network(network, temporary)
    durable.fsync_path(temporary)
    durable.rename_durable(temporary, path)
    return network


def terrain_of(settings: Settings) -> xr.Dataset:
    """Terrain that the flood model stands on: the configured DEM, or a generated one.

    Raises
    ------
    DataError
        Where the DEM or the rivers cannot be used.
    """
    hydro = settings.hydro
    if hydro.dem is not None:
        return read_dem(hydro.dem, settings.grid.crs)
    return generate_terrain(settings.grid.working(), read_rivers(hydro.rivers), hydro.terrain_seed)


def _network_key(settings: Settings) -> str:
    """Hash of all that the network depends on."""
    hydro = settings.hydro
    digest = hashlib.sha256(f"{FORMAT_VERSION} {TERRAIN_VERSION} {NetworkParams()}".encode())
    digest.update(settings.grid.model_dump_json().encode())
    digest.update(f"{hydro.terrain_seed} {hydro.burn_rivers}".encode())
    digest.update(_contents(hydro.rivers))
    if hydro.dem is not None:
        digest.update(f"{hydro.dem}".encode() + _contents(hydro.dem))
    return digest.hexdigest()[:16]


def _contents(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError as error:
        raise DataError(path, error.strerror or str(error)) from None


def _state_before(
    best: xr.Dataset,
    time: datetime,
    store: Store,
    basin: Basin,
    method: RoutingMethod,
    log: StageLog,
) -> tuple[FloodState | None, np.datetime64]:
    """State of the cycle before and its time; without one, none and the start of the record."""
    times = best["time"].values
    step = times[1] - times[0]
    start = times[0] - step
    soil = load_state(store, cycle_name(time), "soil", report=log.degrade)
    channel = load_state(store, cycle_name(time), "channel", report=log.degrade)
    if soil is None or channel is None or soil[0] != channel[0]:
        log.degrade("flood model starts cold: soil and channels are guessed a day ago")
        return None, start
    since = to_numpy(parse_cycle_name(soil[0]))
    state = FloodState(soil[1], channel[1])
    if since < start or (since - start) % step or since >= times[-1]:
        log.degrade(f"flood state of {soil[0]} does not join the rain record: cold start")
        return None, start
    same = np.array_equal(state.soil["cell_id"].values, basin.cell_id)
    if not same or state.channel.attrs.get("network") != basin.network.fingerprint():
        log.degrade(f"flood state of {soil[0]} is of another network: cold start")
        return None, start
    known = tuple(state.channel.attrs.get(name) for name in ("method", "step_s", "state_version"))
    if known != (method.value, float(step / np.timedelta64(1, "s")), STATE_VERSION):
        log.degrade(
            f"flood state of {soil[0]} is of another method, time step or version: cold start"
        )
        return None, start
    return state, since


def _known(rain: xr.Dataset, basin: Basin, log: StageLog) -> xr.Dataset:
    """Rain with what was not observed taken as none, which is named."""
    amounts = rain["rainfall_amount"].values
    inside = amounts.reshape(len(amounts), -1)[:, basin.cell_id]
    missing = float(np.isnan(inside).mean())
    if missing > _MISSING_SHARE:
        log.degrade(
            f"flood model: {100 * missing:.0f} % of the rain since {rain['time'].values[0]!s:.16}Z "
            "was not observed and counts as none"
        )
    known = np.where(np.isnan(amounts), np.float32(0), amounts)
    return rain.assign(rainfall_amount=(("time", "y", "x"), known, attrs("rainfall_amount")))


def _to_horizon(
    forecast: xr.Dataset, time: np.datetime64, step_s: float, horizon_h: float
) -> xr.Dataset:
    """Forecast rain, then none up to the horizon."""
    n = max(1, round(horizon_h * 3600.0 / step_s))
    known = forecast["rainfall_amount"].values[:n]
    rain = np.zeros((n, *known.shape[1:]), np.float32)
    rain[: len(known)] = np.where(np.isnan(known), np.float32(0), known)
    step = np.timedelta64(round(step_s * 1000), "ms")
    return xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), rain, attrs("rainfall_amount"))},
        coords={"time": time + step * np.arange(1, n + 1)},
    )


def _summary(
    network: RiverNetwork, gauges: Sequence[PlacedGauge], flows: xr.Dataset
) -> dict[str, object]:
    """Flows of each gauge now and at the peak."""
    times = flows["time"].values.astype("datetime64[us]")
    rows: list[dict[str, object]] = []
    for column, placed in enumerate(gauges):
        flow = flows["gauge_discharge"].values[:, column]
        level = flows["water_level"].values[:, column]
        peak = int(flow.argmax())
        row: dict[str, object] = {
            "name_zh": placed.gauge.name_zh,
            "name_en": placed.gauge.name_en,
            "river": placed.gauge.river,
            "upstream_km2": round(float(network.upstream_area_km2[placed.reach])),
            "now_m3s": round(float(flow[0]), 1),
            "peak_m3s": round(float(flow[peak]), 1),
            "peak_time": f"{times[peak]!s:.19}Z",
            "level_m": round(float(level[0]), 2),
            "peak_level_m": round(float(level[peak]), 2),
        }
        for name in ("warning_level_m", "guarantee_level_m"):
            if np.isfinite(value := getattr(placed.gauge, name)):
                row[name] = value
        rows.append(row)
    return {
        "reaches": network.n_reaches,
        "gauges": rows,
        "terrain": network.terrain_source,
        "balance_error": flows.attrs["water_balance_error"],
    }
