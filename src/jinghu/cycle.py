"""One forecast cycle: the page to read first. Each line of `run_cycle` is one stage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xarray as xr
from rich.console import Console

from jinghu.alerting import WarningOutcome, judge, warn, warning_levels
from jinghu.analysis import Analysis, analyse, columns_at, dry_analysis, scans_of_radars, weighed
from jinghu.answers import answers_so_far
from jinghu.calibrate import (
    calibration_after,
    calibration_before,
    calibration_rows,
    corrections,
    name_calibration,
)
from jinghu.carried import Carried, Making, load_carried, made_scans, makings, worth_keeping
from jinghu.carried import to_dataset as carried_dataset
from jinghu.configs.settings import Settings
from jinghu.deterministic import deterministic
from jinghu.flood import FloodOutcome, flood
from jinghu.full import full_due, publish_full
from jinghu.grid.accumulation import window_amounts
from jinghu.grid.errors import ConfigError
from jinghu.grid.observations import record_analysis
from jinghu.grid.quarantine import quarantine
from jinghu.grid.spec import GridSpec
from jinghu.grid.states import load_state, save_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, floor_time, isoformat, parse_time, to_numpy
from jinghu.ingest import (
    NOTHING,
    Ingested,
    Refused,
    Window,
    radar_files,
    read_stations,
    read_volumes,
)
from jinghu.likely import keep_likely, warn_of_likely
from jinghu.melting import melting_before, melting_now, melting_rows
from jinghu.melting import to_dataset as melting_dataset
from jinghu.model_blend import STATE as SKILL
from jinghu.model_blend import blended_forecast, blending_of
from jinghu.model_inputs import read_model_inputs
from jinghu.nowcast.background import filled_motion, no_motion, rests_on
from jinghu.publish import WINDOWS_H, Products, product_grid, working_grid, write_products
from jinghu.radar.monitor import to_dataset as calibration_dataset
from jinghu.radar.sites import load_sites
from jinghu.rainfall import (
    Rainfall,
    Records,
    merge_rainfall,
    name_short_windows,
)
from jinghu.river_reports import STATE, memory_state, read_rivers
from jinghu.river_update import summary_of
from jinghu.scoring import score_published
from jinghu.self_calibration import to_dataset as reliability_dataset
from jinghu.stages import StageLog
from jinghu.steering import Steering, clocks_state, read_inputs, steering_of
from jinghu.storm_cells import storm_cells
from jinghu.surroundings import read_surroundings
from jinghu.weather import read_weather


@dataclass(frozen=True, slots=True)
class CycleInputs:
    """Where this cycle takes its inputs from, and the clock."""

    time: datetime
    now: datetime
    radar: Sequence[Path]
    stations: Sequence[Path]
    profiles: Sequence[Path] = ()
    rivers: Sequence[Path] = ()
    model: Sequence[Path] = ()
    weather: Sequence[Path] = ()


@dataclass(slots=True)
class CycleResult:
    """What a cycle did, for the report."""

    cycle: str
    status: str
    ingested: Ingested
    rainfall: Rainfall
    products: Products
    flood: FloodOutcome
    warnings: WarningOutcome
    log: StageLog
    stale: list[str] = field(default_factory=list)
    steering: Mapping[str, object] = field(default_factory=dict)
    motion: Mapping[str, float] = field(default_factory=dict)
    model: Mapping[str, object] | None = None  # none where no model is asked for


def run_cycle(
    settings: Settings,
    inputs: CycleInputs,
    console: Console,
    before_answers: Callable[[], None] = lambda: None,
) -> CycleResult:
    """Run one cycle from what is there; what is missing or damaged degrades it by name.

    Parameters
    ----------
    settings, inputs, console
        Of the installation; what it takes, and when; where its stages are told.
    before_answers
        Called before the cycle first looks at the warnings database.
    """
    step = timedelta(minutes=settings.nowcast.step_min)
    if (inputs.time - datetime(2000, 1, 1, tzinfo=UTC)) % step:
        raise ConfigError(f"cycle time {isoformat(inputs.time)} is not a multiple of {step}")
    log = StageLog(console)
    store = Store(settings.store).create()
    cycle = cycle_name(inputs.time)
    working = settings.grid.working()

    with log.stage("ingest"):
        known = calibration_before(store, inputs.time, log)
        done = corrections(known, inputs.time, settings.radar)
        melted = melting_before(store, inputs.time, settings.radar, log)
        making = Making(makings(settings), done, melted.level.bottom_m)
        carried = load_carried(store, inputs.time, working, making, log.degrade)
        clocks = (inputs.time, inputs.now)
        profiles = read_inputs(inputs.profiles, settings, clocks, store, log)
        rivers = read_rivers(inputs.rivers, settings.inputs, clocks, store, log)
        model = read_model_inputs(inputs.model, settings, clocks, log)
        weather = read_weather(inputs.weather, settings, clocks, store, log)
        others = (profiles, rivers, model, weather)
        refused = [one for read in others for one in read.refused]
        ingested = ingest(settings, inputs, store, log, carried, refused)
    with log.stage("rain"):
        around = read_surroundings(settings, ingested.volumes, log)
        melting = melting_now(ingested.volumes, melted, inputs.time, settings.radar)
        making = replace(making, melting_m=melting.level.bottom_m)
        scans = scans_of_radars(
            ingested.volumes,
            working,
            settings.radar,
            known=around,
            corrected=done,
            melting=melting.level,
        )
    with log.stage("analysis"):
        rains = weighed([*scans.rains, *(one.rain for one in ingested.carried)], done)
        steering = steering_of(profiles, working, inputs.time, log)
        analysis, stale = analysis_of(rains, settings, inputs.time, store, log, steering.motion)
        columns = columns_at(scans.columns, inputs.time, analysis.motion, working, settings.radar)
        calibration = calibration_after(scans.seen, analysis.mosaic, analysis.motion, known)
        name_calibration(calibration, scans.seen, done, log)
    with log.stage("merge"):
        rainfall = merge_rainfall(
            analysis,
            ingested.stations,
            records(store, cycle, settings, log),
            inputs.time,
            settings,
            log,
        )
    with log.stage("nowcast"):
        blending = blending_of(model, rainfall, analysis.motion, inputs.time, settings, log)
        nowcast = deterministic(rainfall, analysis.motion, inputs.time, settings, log)
        forecast = blended_forecast(*nowcast, blending, settings, log)
        rates = forecast.rates
        windows = window_amounts(rainfall.best, forecast.amounts, WINDOWS_H)
        name_short_windows(windows, log)
        cells = storm_cells(rainfall.analysis, analysis.motion, store, inputs.time, log)
    with log.stage("flood"):
        flows = flood(
            rainfall.best,
            forecast.amounts,
            inputs.time,
            store,
            settings,
            log,
            rivers,
            forecast.outlook,
        )
    with log.stage("rules"):
        grid = product_grid(windows, rates, rainfall, settings).merge(weather.products)
        levels = warning_levels(grid, settings)
        levels = keep_likely(levels, store, inputs.time, settings, log)
        judged = judge(levels, flows.dataset, settings, log, weather.fields)
    before_answers()
    with log.stage("publish"):
        products = Products(
            grid.merge(levels.published),
            working_grid(rates, windows, rainfall, analysis.motion, columns),
            flows.dataset,
            cells.table,
            forecast.outlook,
        )
        manifest = manifest_of(settings, inputs, ingested, steering, log)
        if model.asked:
            manifest["model"] = forecast.summary
        manifest["rivers"] = flows.summary.get("reports", summary_of(rivers))
        if weather.asked:
            manifest["weather"] = weather.summary
        manifest["motion"] = rests_on(analysis.motion)
        manifest["calibration"] = calibration_rows(calibration, done)
        manifest["melting_layer"] = melting_rows(melting, {s.radar for s in ingested.scans})
        published = publish(store, cycle, products, manifest)
        record_analysis(store, rainfall.analysis, inputs.time, step)
    with log.stage("scores"):
        learned = score_published(store, products.products, inputs.time, settings, log)
    with log.stage("state"):
        state = {
            "reliability": reliability_dataset(learned),
            "rain": rainfall.best,
            "radar_rain": rainfall.radar_alone,
            "motion": analysis.motion,
            "calibration": calibration_dataset(calibration),
            "melting": melting_dataset(melting),
            "profiles": clocks_state(profiles),
            "cells": cells.state,
        }
        since = inputs.time + step - timedelta(minutes=settings.radar.window_before_min)
        state["scans"] = scans_state(scans.rains, ingested, making, since, working)
        if rivers.asked:
            state[STATE] = memory_state(rivers.memory)
        if forecast.skill is not None:
            state[SKILL] = forecast.skill
        save_state(store, cycle, {**state, **flows.state, **weather.state})
    with log.stage("warn"):
        warned = warn(levels, cycle, inputs.now, settings, log, judged)
    if full_due(settings.nowcast, inputs.time) and store.find(cycle, "full") is None:
        with log.stage("ensemble"):
            fast = store.part(cycle, "fast")
            of_cycle = rainfall, analysis.motion, blending
            publish_full(fast, *of_cycle, inputs.time, settings, log, learned)
    if (full := store.find(cycle, "full")) is not None:
        with log.stage("warn_likely"):
            warned.likely.update(warn_of_likely(levels, full, inputs.now, settings, log))
    status = "published" if published else "unchanged"
    return CycleResult(
        cycle,
        status,
        ingested,
        rainfall,
        products,
        flows,
        warned,
        log,
        stale,
        steering.summary,
        rests_on(analysis.motion),
        forecast.summary if model.asked else None,
    )


def scans_state(
    rains: Sequence[xr.Dataset],
    ingested: Ingested,
    making: Making,
    since: datetime,
    spec: GridSpec,
) -> xr.Dataset:
    """Return what the next cycle is to know of the files that this one looked at."""
    made = made_scans(rains, ingested.volumes, ingested.files, making)
    known = Carried([*ingested.carried, *made], ingested.passed, ingested.wrong_clock)
    return carried_dataset(worth_keeping(known, since), spec)


def cycle_time(text: str | None, now: datetime, settings: Settings) -> datetime:
    """Return the time from the command line, or the last full step before now."""
    if text is not None:
        return parse_time(text)
    return floor_time(now, timedelta(minutes=settings.nowcast.step_min))


def ingest(
    settings: Settings,
    inputs: CycleInputs,
    store: Store,
    log: StageLog,
    carried: Carried = NOTHING,
    refused: Sequence[Refused] = (),
) -> Ingested:
    """Read what belongs to this cycle; quarantine and name what is refused, here or before."""
    window = Window(
        inputs.time - timedelta(minutes=settings.radar.window_before_min),
        inputs.time + timedelta(minutes=settings.radar.window_after_min),
        inputs.now,
    )
    found = Ingested()
    for path in inputs.radar:
        if not path.exists():
            raise ConfigError(f"radar input {path} does not exist")
    files = radar_files(inputs.radar, window)
    read_volumes(files, load_sites(settings.inputs.sites), window, found, carried=carried)
    read_stations(inputs.stations, settings.inputs.station_frame, found)
    found.refused += refused
    heard = {scan.radar for scan in found.scans}
    for code in settings.inputs.expected_radars:
        if code not in heard:
            log.degrade(f"radar {code}: no usable volume")
    for one in found.refused:
        log.degrade(f"refused: {one.error}")
        if one.file.is_file():
            quarantine(store, one.file, one.error, inputs.now)
    for scan in found.scans:
        for damage in scan.damage:
            log.degrade(f"{scan.source}: {damage}; its whole rays are used")
    if settings.radar.window_after_min or settings.merge.hour == "containing":
        log.degrade("hindcast: volumes and gauges from after the analysis time are let in")
    return found


def analysis_of(
    rains: list[xr.Dataset],
    settings: Settings,
    time: datetime,
    store: Store,
    log: StageLog,
    steering: xr.Dataset | None = None,
) -> tuple[Analysis, list[str]]:
    """Analysis from the radars, or one that says that nothing was seen; and the stale radars."""
    stale_after = timedelta(minutes=settings.radar.stale_after_min)
    previous = load_state(
        store,
        cycle_name(time),
        "motion",
        spec=settings.grid.working(),
        report=log.degrade,
    )
    motion = previous[1] if previous else None
    if not rains:
        log.degrade("no radar volume: rain from gauges alone")
        nothing = dry_analysis(settings.grid.working(), time)
        unmeasured = no_motion(nothing, to_numpy(time))
        return Analysis(nothing, filled_motion(unmeasured, motion, steering), None), []
    newest = {rain.attrs["radar"]: rain["time"].values for rain in rains}
    limit = np.datetime64((time - stale_after).replace(tzinfo=None), "ns")
    stale = sorted(code for code, scanned in newest.items() if scanned < limit)
    if stale:
        log.degrade(
            f"stale radars, moved along the motion to the analysis time: {', '.join(stale)}"
        )
    return analyse(rains, time, motion, stale_after.total_seconds(), log, steering), stale


def records(store: Store, cycle: str, settings: Settings, log: StageLog) -> Records:
    """Load the rain records that the cycle before left."""
    spec = settings.grid.product()
    best = load_state(store, cycle, "rain", spec=spec, report=log.degrade)
    radar = load_state(store, cycle, "radar_rain", spec=spec, report=log.degrade)
    return Records(best[1] if best else None, radar[1] if radar else None)


def publish(store: Store, cycle: str, products: Products, manifest: Mapping[str, object]) -> bool:
    """Publish the fast part; False where this cycle was published before."""
    with store.publish(cycle, "fast") as part:
        write_products(part, products)
        part.manifest(**manifest)
    return part.published


def manifest_of(
    settings: Settings,
    inputs: CycleInputs,
    ingested: Ingested,
    steering: Steering,
    log: StageLog,
) -> dict[str, object]:
    """Return what a reader needs to know of a part: time, inputs, degradations, timings."""
    return {
        "time": isoformat(inputs.time),
        "name": settings.name,
        "city": {"name_zh": settings.city.name_zh, "name_en": settings.city.name_en},
        "status": settings.warnings.status,
        "grid": settings.grid.model_dump(),
        "inputs": {
            "radars": sorted({scan.radar for scan in ingested.scans}),
            "volumes": [scan.source for scan in ingested.scans],
            "stations": [s.source.rsplit("/", 1)[-1] for s in ingested.stations],
            "profiles": steering.summary,
            "refused": [{"file": r.file.name, "cause": r.error.cause} for r in ingested.refused],
            "duplicates": ingested.duplicates,
        },
        "answers": answers_so_far(settings, inputs.now, log),
        "degradations": log.degradations,
        "seconds": log.totals(),
        "versions": {"jinghu": version("jinghu"), "numpy": np.__version__},
    }
