"""Flood stage of a cycle: the network of the installation, the state carried on, hydrographs."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import xarray as xr

from jinghu.configs.settings import Settings
from jinghu.flash_floods import flash_floods
from jinghu.flood_summary import summary_of
from jinghu.grid import durable
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import attrs
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, parse_cycle_name, to_numpy
from jinghu.hydro.gauges import place_gauges, read_gauges
from jinghu.hydro.model import Basin, FloodState, ModelParams, amounts_of, simulate
from jinghu.hydro.network import (
    FORMAT_VERSION,
    NetworkParams,
    RiverNetwork,
    build_network,
    read_network,
    write_network,
)
from jinghu.hydro.regulated import RegulatedState
from jinghu.hydro.rivers import read_rivers
from jinghu.hydro.routing import STATE_VERSION, RoutingMethod
from jinghu.hydro.terrain import GENERATED, TERRAIN_VERSION, generate_terrain, read_dem
from jinghu.hydro.works import Works
from jinghu.river_learned import Learned, added_rain_m3
from jinghu.river_products import at_gauges_now, forecast_corrected
from jinghu.river_reports import STATE, RiverInputs
from jinghu.river_update import Taken, Watch, kept_state, known_before, take_in
from jinghu.stages import StageLog
from jinghu.waterworks import works_of

NO_REPORTS = RiverInputs()
_MISSING_SHARE = 0.05
_REMEMBERED_H = 3.0  # rain of so many hours makes the water that is looked at now


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
    reports: RiverInputs = NO_REPORTS,
    outlook: xr.Dataset | None = None,
) -> FloodOutcome:
    """Run the flood model: observed rain brings the state to ``time``, the forecast beyond it.

    What rivers and reservoirs report corrects the state in between, and the forecast at gauges.

    Parameters
    ----------
    best
        Record of observed step amounts up to ``time``; NaN = not observed, taken as no rain.
    forecast
        Step amounts after it; dry after the end of these and of the outlook, up to the horizon.
    time
        Analysis time.
    store
        Holds the network and the state of the cycle before.
    settings, log
        Settings of the installation; where degradations are named.
    reports
        Of river gauges and reservoirs; without any nothing is corrected.
    outlook
        Step amounts after those of the forecast, where a model reaches on.
    """
    try:
        network = network_of(settings, store)
        gauges, lost = place_gauges(read_gauges(settings.hydro.gauges), network)
        works, poor = works_of(settings, network, gauges)
        basin = Basin.of(network, settings.grid.product(), works)
    except (DataError, ConfigError) as error:
        log.degrade(f"no flood forecast: {error}")
        return FloodOutcome(None, {"reaches": 0, "gauges": [], "error": str(error)}, {})
    for line in (*lost, *poor):
        log.degrade(line)
    params = params_of(settings)
    before, since = _state_before(best, time, store, basin, params.method, log)
    observed = _known(best.sel(time=best["time"] > since), basin, log)
    step_s = float(np.diff(best["time"].values[:2])[0] / np.timedelta64(1, "s"))
    horizon_h = settings.hydro.horizon_h
    rain = to_horizon(continued(forecast, outlook), to_numpy(time), step_s, horizon_h)
    watch = Watch(basin, gauges, params, step_s, settings.hydro.update_members)
    known = known_before(_kept(store, time), watch, since, log) if reports.asked else None
    learned = Learned(basin, None if known is None else known.members, step_s)
    try:
        fell = learned.rain(observed)
        past, state = simulate(
            basin, fell, step_s, gauges, learned.land(params), before,
            outlook=learned.rain(rain),
        )  # fmt: skip
        taken: Taken | None = None
        now = past.isel(time=[-1])
        if known is not None:
            run = (past, amounts_of(observed, basin), state)
            taken = take_in(reports, watch, known, run, time, log)
            taken.summary["added_rain_m3"] = round(added_rain_m3(basin, fell, observed), 3)
            learned = Learned(basin, taken.known.members, step_s)
            if taken.moved:
                state = taken.state
                now = at_gauges_now(now, watch, state)
        coming, _ = simulate(basin, learned.rain(rain), step_s, gauges, learned.land(params), state)
    except (DataError, ConfigError) as error:  # a pool left its tables, a rule names no gauge
        log.degrade(f"no flood forecast: {error}")
        return FloodOutcome(None, {"reaches": 0, "gauges": [], "error": str(error)}, {})
    flows = xr.concat(
        [now, coming],
        "time",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
    )
    errors = [d.attrs["water_balance_error"] for d in (past, coming)]
    flows.attrs["water_balance_error"] = max(errors, key=abs)
    flows.attrs["observed_rain_share"] = observed_share(best, basin, step_s)
    _name_extrapolated(works, flows, log)
    if network.terrain_source == GENERATED:
        log.degrade("flows rest on a terrain generated from river lines, not on a survey")
    kept = to_states(state, basin)
    if taken is not None:
        kept[STATE] = kept_state(taken, watch, reports.memory)
        if taken.spoke:
            flows = forecast_corrected(flows, taken, watch, time)
    every = max(1, round(settings.hydro.step_min * 60.0 / step_s))
    flash = flash_floods(
        basin, state.soil, flows, (best, forecast), time, params, store, settings, log
    )
    published = flows.isel(time=slice(None, None, every)).merge(
        flash.dataset, combine_attrs="no_conflicts"
    )
    summary = summary_of(network, gauges, flows) | flash.summary
    if taken is not None:
        summary["reports"] = taken.summary
    return FloodOutcome(published, summary, kept | flash.state)


def _kept(store: Store, time: datetime) -> xr.Dataset | None:
    """What the cycle before knew of rivers."""
    found = load_state(store, cycle_name(time), STATE)
    return None if found is None else found[1]


def _name_extrapolated(works: Works, flows: xr.Dataset, log: StageLog) -> None:
    """Name pools whose level was continued above their tables."""
    if works.gate is not None:
        site, highest = works.gate.site, float(flows["pond_level"].max())
        if highest > site.pond_level_m[-1]:
            log.degrade(
                f"{site.name_zh}: pond {highest:.2f} m continues its table, which ends at"
                f" {site.pond_level_m[-1]:g} m"
            )
    for k, placed in enumerate(works.reservoirs):
        top = placed.site.storage.level_m[-1]
        highest = float(flows["reservoir_level"].values[:, k].max())
        if highest > top:
            log.degrade(
                f"reservoir {placed.site.name_zh}: level {highest:.2f} m continues its table, which"
                f" ends at {top:g} m"
            )


def params_of(settings: Settings) -> ModelParams:
    """Parameters of the flood model."""
    return ModelParams(
        method=RoutingMethod(settings.hydro.method),
        initial_wetness=settings.hydro.initial_wetness,
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
    key = network_key(settings)
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


def network_key(settings: Settings) -> str:
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
    found = load_flood_state(store, cycle_name(time), basin, log)
    if found is None:
        log.degrade("flood model starts cold: soil and channels are guessed a day ago")
        if basin.rivers.works.reservoirs:
            log.degrade(
                "reservoirs start at their flood-limit levels until their levels are reported"
            )
        return None, start
    cycle, state = found
    since = to_numpy(parse_cycle_name(cycle))
    if since < start or (since - start) % step or since >= times[-1]:
        log.degrade(f"flood state of {cycle} does not join the rain record: cold start")
        return None, start
    pieces = zip(basin.rivers.pieces, state.rivers.channels, strict=True)
    same = all(c.attrs.get("network") == p.network.fingerprint() for p, c in pieces)
    if not same or not np.array_equal(state.soil["cell_id"].values, basin.cell_id):
        log.degrade(f"flood state of {cycle} is of another network: cold start")
        return None, start
    wanted = (method.value, float(step / np.timedelta64(1, "s")), STATE_VERSION)
    names = ("method", "step_s", "state_version")
    if any(tuple(c.attrs.get(n) for n in names) != wanted for c in state.rivers.channels):
        log.degrade(
            f"flood state of {cycle} is of another method, time step or version: cold start"
        )
        return None, start
    return state, since


def state_names(basin: Basin) -> tuple[str, ...]:
    """Names of the states of the channels, piece by piece."""
    ids = basin.rivers.works.ids
    fills = (piece.fills for piece in basin.rivers.pieces)
    return tuple("channel" if work < 0 else f"channel-{ids[work]}" for work in fills)


def to_states(state: FloodState, basin: Basin) -> dict[str, xr.Dataset]:
    """State of the flood model as files of the store."""
    channels = zip(state_names(basin), state.rivers.channels, strict=True)
    return {"soil": state.soil, "works": state.rivers.works, **dict(channels)}


def load_flood_state(
    store: Store, before: str, basin: Basin, log: StageLog
) -> tuple[str, FloodState] | None:
    """Newest whole state of a cycle earlier than ``before``, with its cycle.

    Where the works are others than they were, there is none that fits.
    """
    names = ("soil", "works", *state_names(basin))
    found = [load_state(store, before, name, report=log.degrade) for name in names]
    whole = [one for one in found if one is not None]
    if len(whole) < len(names) or len({cycle for cycle, _ in whole}) > 1:
        return None
    soil, works, *channels = (dataset for _, dataset in whole)
    if tuple(map(str, works["work_id"].values)) != basin.rivers.works.ids:
        return None
    return whole[0][0], FloodState(soil, RegulatedState(tuple(channels), works))


def observed_share(rain: xr.Dataset, basin: Basin, step_s: float) -> float:
    """Share of the rain on the basin's cells in the last hours that was observed."""
    steps = max(1, round(_REMEMBERED_H * 3600.0 / step_s))
    amounts = rain["rainfall_amount"].values[-steps:]
    inside = amounts.reshape(len(amounts), -1)[:, basin.cell_id]
    return round(float(np.isfinite(inside).mean()), 4) if inside.size else 0.0


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


def continued(forecast: xr.Dataset, outlook: xr.Dataset | None) -> xr.Dataset:
    """Step amounts of the nowcast, and those of the outlook after them where there is one."""
    if outlook is None:
        return forecast
    parts = [forecast[["rainfall_amount"]], outlook[["rainfall_amount"]]]
    return xr.concat(parts, "time", coords="minimal", compat="override", join="override")


def to_horizon(
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
