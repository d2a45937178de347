"""A drill that is over against its truth: what its report is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from jinghu.alerting import units_of
from jinghu.configs.settings import Settings
from jinghu.drill_inputs import Truth
from jinghu.drill_rain import mean_rates
from jinghu.drill_report import CycleTime, DrillResult, GaugeRow, outcome_map
from jinghu.drill_score import (
    NEVER,
    CellWarning,
    Threshold,
    danger_begins,
    first_warned,
    score_cells,
    score_people,
    score_places,
)
from jinghu.drill_script import DrillScript
from jinghu.drill_skill import SkillRow, score_forecasts
from jinghu.drill_warned import cell_warnings, told_people
from jinghu.grid.errors import StoreError
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, from_numpy, to_numpy
from jinghu.warnings.database import open_database, reading
from jinghu.warnings.levels import Hazard, Role
from jinghu.warnings.rules import load_rules

AFTER_ANALYSIS = timedelta(minutes=1)  # when a cycle's warnings go out
_AHEAD = timedelta(hours=3)  # longest lead that counts, for cells
_FLOOD_AHEAD = timedelta(hours=6)  # and for reaches
_STANDS = timedelta(hours=3)  # a flood forecast that no later one replaces
_LEADS_MIN = (0, 30, 60, 120)
_RATES_MM_H = (1.0, 10.0)
_SCALE_CELLS = 5


@dataclass(frozen=True, slots=True)
class Span:
    """A drill in time: its start, its end, and the analysis times of its cycles."""

    start: datetime
    end: datetime
    times: tuple[datetime, ...]


def evaluate(
    script: DrillScript,
    truth: Truth,
    settings: Settings,
    times: Sequence[datetime],
    cycles: Sequence[CycleTime],
) -> DrillResult:
    """Compare what was warned, told and forecast with what happened.

    Cells and reaches that were in danger before the first cycle are left out: nobody could have
    been warned. Danger that begins after the end counts where it was warned, and is no miss.

    Parameters
    ----------
    script, truth
        The drill.
    settings
        Whose store and database it ran in.
    times, cycles
        Analysis times, and what the cycles came to.

    Raises
    ------
    StoreError
        Where a cycle is not in the store.
    """
    start = script.start.astimezone(UTC)
    span = Span(start, start + timedelta(hours=script.hours), tuple(times))
    rules = load_rules(settings.warnings.rules).certain()
    limits = [Threshold(rule.window_h, rule.threshold_mm) for rule in rules]
    engine = open_database(settings.warnings.database)
    try:
        with reading(engine) as connection:
            warnings = cell_warnings(connection, AFTER_ANALYSIS)
            officers = told_people(connection, (Role.GRID_OFFICER,), (Hazard.RAINSTORM,))
            everybody = told_people(connection, tuple(Role))
    finally:
        engine.dispose()
    city = units_of(settings).cell_county >= 0
    begins, warned, counted = _judged(danger_begins(truth.amounts, limits), warnings, span, _AHEAD)
    inside = city & counted
    people = np.where(inside, truth.world.people_of_cell, 0)
    of_inside = [o for o in officers if inside[o.cell]]
    places = truth.world.places
    judged = inside[places.cell]
    shape = settings.grid.product().shape
    reach_begins, reach_warned, reaches = _reaches(truth, settings, span)
    return DrillResult(
        name=script.name,
        title_zh=script.title_zh,
        title_en=script.title_en,
        seed=script.seed,
        start=span.start,
        end=span.end,
        cells=score_cells(begins, warned, inside),
        before=int((city & ~counted).sum()),
        people=score_people(begins, of_inside, people),
        told=len([t for t in everybody if t.delivered is not None]),
        answered=len([t for t in everybody if t.acknowledged is not None]),
        places=score_places(begins, of_inside, places.kind[judged], places.cell[judged]),
        reaches=score_cells(reach_begins, reach_warned, reaches),
        gauges=_gauges(truth, reach_begins, reach_warned),
        outcome=outcome_map(begins, warned, inside, city & ~counted, shape),
        skill=_skill(truth, settings, span),
        cycles=tuple(cycles),
    )


def _judged(
    begins: NDArray[np.datetime64],
    warnings: Sequence[CellWarning],
    span: Span,
    ahead: timedelta,
) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64], NDArray[np.bool_]]:
    """Danger that counts, when it was warned, and which cells are judged at all."""
    warned = first_warned(warnings, begins, ahead)
    counted = np.isnat(begins) | (begins > to_numpy(span.times[0]))
    afterwards = ~np.isnat(begins) & (begins > to_numpy(span.end)) & np.isnat(warned)
    return np.where(afterwards, NEVER, begins), warned, counted


def _reaches(
    truth: Truth, settings: Settings, span: Span
) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64], NDArray[np.bool_]]:
    """When reaches of the city flood, when a forecast said so first, and which are judged.

    A forecast warns of a reach from its cycle on if it reaches the flood discharge within hours;
    it stands until the next cycle's.
    """
    flows = truth.flows
    limit = flows["reach_flood_discharge"].values
    flooded = flows["river_discharge"].values >= limit
    begins = np.where(flooded.any(0), flows["time"].values[flooded.argmax(0)], NEVER)
    warnings: list[CellWarning] = []
    for k, time in enumerate(span.times):
        said = _forecast_peak(settings, time) >= limit
        last = k + 1 == len(span.times)
        until = (time + _STANDS) if last else span.times[k + 1]
        sent = (time + AFTER_ANALYSIS, until + AFTER_ANALYSIS)
        warnings += [CellWarning(int(reach), *sent) for reach in np.flatnonzero(said)]
    begins, warned, counted = _judged(begins, warnings, span, _FLOOD_AHEAD)
    spec = settings.grid.product()
    cell = spec.cell_of_lonlat(flows["reach_lon"].values, flows["reach_lat"].values)
    inside = (cell >= 0) & (units_of(settings).cell_county[cell] >= 0)
    return begins, warned, inside & counted


def _forecast_peak(settings: Settings, time: datetime) -> NDArray[np.float32]:
    """Largest discharge (reach,) that a cycle expected in the next hours; 0 without a forecast."""
    part = Store(settings.store).part(cycle_name(time), "fast")
    try:
        flows = part.open("hydro.zarr")
    except StoreError:  # the cycle could give none and said so
        return np.zeros(1, np.float32)
    coming = flows["time"].values <= to_numpy(time + _FLOOD_AHEAD)
    return np.asarray(flows["river_discharge"].values[coming].max(axis=0))


def _gauges(
    truth: Truth, begins: NDArray[np.datetime64], warned: NDArray[np.datetime64]
) -> tuple[GaugeRow, ...]:
    """River gauges: true peak, flood, and how long before it a forecast said so."""
    rows, flows = [], truth.flows
    times = flows["time"].values
    for k, placed in enumerate(truth.watched.rivers):
        flow = flows["gauge_discharge"].values[:, k]
        peak, reach = int(flow.argmax()), placed.reach
        flood, told = begins[reach], warned[reach]
        both = not (np.isnat(flood) or np.isnat(told))
        rows.append(
            GaugeRow(
                placed.gauge.name_zh,
                placed.gauge.name_en,
                placed.gauge.river,
                float(flow[peak]),
                from_numpy(times[peak]),
                float(flows["reach_flood_discharge"].values[reach]),
                None if np.isnat(flood) else from_numpy(flood),
                float((flood - told) / np.timedelta64(1, "m")) if both else None,
                bool(not np.isnat(told)),
            )
        )
    return tuple(rows)


def _skill(truth: Truth, settings: Settings, span: Span) -> tuple[SkillRow, ...]:
    """Scores of the rain forecasts of all cycles on the product grid."""
    spec, store = settings.grid.product(), Store(settings.store)
    step = settings.nowcast.step_min
    longest = settings.nowcast.leads * step
    leads = [lead for lead in _LEADS_MIN if lead % step == 0 and lead <= longest]
    forecasts: dict[int, list[NDArray[np.float32]]] = {lead: [] for lead in leads}
    truths: dict[int, list[NDArray[np.float32]]] = {lead: [] for lead in leads}
    for time in span.times:
        rates = store.part(cycle_name(time), "fast").open("products.zarr")["rainfall_rate"]
        for lead in leads:
            forecasts[lead].append(rates[lead // step].values)
            truths[lead].append(mean_rates(truth.rain, spec, time + timedelta(minutes=lead)))
    return tuple(
        score_forecasts(lead, rate, forecasts[lead], truths[lead], _SCALE_CELLS)
        for rate in _RATES_MM_H
        for lead in leads
    )
