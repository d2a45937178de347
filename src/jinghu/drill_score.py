"""Warnings of a drill against its truth: per cell, and per person who was in danger.

A cell is in danger from the first step at whose end the true rain of a window has reached its
threshold. A warning of a cell lasts from when it was sent to when it was superseded, cancelled or
expired. The words are those of contingency tables (Wilks 2011, Statistical Methods in the
Atmospheric Sciences, section 8.2); a warning that comes after the danger has begun is late, and
counts neither as a hit nor as a false alarm.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.grid.fields import check
from jinghu.grid.times import to_numpy

NEVER = np.datetime64("NaT", "ns")


@dataclass(frozen=True, slots=True)
class Threshold:
    """Danger: so much rain in a window."""

    window_h: int
    amount_mm: float


@dataclass(frozen=True, slots=True)
class CellWarning:
    """One cell of one alert: the time from which and to which it was warned, UTC."""

    cell: int
    sent: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class CellScores:
    """Cells by what became of them.

    Parameters
    ----------
    hits, late, misses, false_alarms
        Cells in danger that were warned before it, only after it had begun, or never; and cells
        that were warned and never in danger.
    lead_min
        (hit,) minutes from the warning to the danger.
    """

    hits: int
    late: int
    misses: int
    false_alarms: int
    lead_min: NDArray[np.float64]

    @property
    def detected(self) -> float:
        """Share of the cells in danger that were warned in time, NaN where there were none."""
        return _share(self.hits, self.hits + self.late + self.misses)

    @property
    def false_alarm_ratio(self) -> float:
        """Share of the warned cells that were never in danger, NaN where none was warned."""
        return _share(self.false_alarms, self.hits + self.late + self.false_alarms)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one task: who was told when, and what they answered."""

    person: str
    cell: int
    delivered: datetime | None
    acknowledged: datetime | None
    escalated: bool


@dataclass(frozen=True, slots=True)
class PeopleScores:
    """People by what became of them: officers, and the residents of their cells.

    Parameters
    ----------
    in_time, late, not_told, needlessly
        Officers in danger told before it, after it began, or never; and officers told whose cell
        was never in danger.
    acknowledged, escalated
        Of those who were told.
    residents_in_time, residents_late, residents_not, residents_needlessly
        Residents of cells, by whether the first officer of their cell was told.
    """

    in_time: int
    late: int
    not_told: int
    needlessly: int
    acknowledged: int
    escalated: int
    residents_in_time: int
    residents_late: int
    residents_not: int
    residents_needlessly: int


def danger_begins(amounts: xr.Dataset, thresholds: Sequence[Threshold]) -> NDArray[np.datetime64]:
    """Time at which each cell is first in danger.

    Parameters
    ----------
    amounts
        True ``rainfall_amount(time, y, x)`` in mm of equal steps; what fell before counts as none.
    thresholds
        Any of which makes danger.

    Returns
    -------
    (y * x,) ``datetime64[ns]``, NaT where never.

    Raises
    ------
    DataError
        Where the steps are not equal or an amount is missing.
    """
    check(amounts, "rainfall_amount", dims=("time", "y", "x"))
    times = amounts["time"].values
    rain = amounts["rainfall_amount"].values.reshape(len(times), -1)
    if not np.isfinite(rain).all():
        raise DataError("true rain", "has missing values: a truth is known everywhere")
    if len(times) < 2 or len(set(np.diff(times))) > 1:
        raise DataError("true rain", "needs at least two equal steps")
    per_hour = round(np.timedelta64(1, "h") / (times[1] - times[0]))
    total = np.concatenate([np.zeros((1, rain.shape[1])), np.cumsum(rain, axis=0, dtype=float)])
    danger = np.zeros(rain.shape, bool)
    for limit in thresholds:
        start = np.maximum(np.arange(1, len(times) + 1) - limit.window_h * per_hour, 0)
        danger |= total[1:] - total[start] >= limit.amount_mm - 1e-6  # sums of float32
    found = np.where(danger.any(axis=0), times[danger.argmax(axis=0)], NEVER)
    return np.asarray(found, "datetime64[ns]")


def first_warned(
    warnings: Sequence[CellWarning], begins: NDArray[np.datetime64], ahead: timedelta
) -> NDArray[np.datetime64]:
    """When each cell was warned of its danger.

    Of a cell that comes into danger, the first warning that still stands when it begins or comes
    later; a warning sent more than ``ahead`` before counts from ``ahead`` before. Of a cell that
    does not, the first warning at all.

    Parameters
    ----------
    warnings
        In any order.
    begins
        (cell,) from `danger_begins`.
    ahead
        Longest lead that is counted: nobody keeps ready for longer.

    Returns
    -------
    (cell,) ``datetime64[ns]``, NaT where never.
    """
    found = np.full(len(begins), NEVER)
    for warning in _joined(warnings):
        danger = begins[warning.cell]
        sent = to_numpy(warning.sent)
        if not np.isnat(danger):
            if to_numpy(warning.until) <= danger:
                continue  # given up before the danger came: nobody was warned when it mattered
            sent = max(sent, danger - np.timedelta64(ahead))
        if np.isnat(found[warning.cell]):
            found[warning.cell] = sent
    return found


def _joined(warnings: Sequence[CellWarning]) -> list[CellWarning]:
    """Warnings of a cell that follow one another without a gap are one: an update is no start."""
    joined: list[CellWarning] = []
    for warning in sorted(warnings, key=lambda w: (w.cell, w.sent)):
        last = joined[-1] if joined else None
        if last is not None and last.cell == warning.cell and warning.sent <= last.until:
            joined[-1] = replace(last, until=max(last.until, warning.until))
        else:
            joined.append(warning)
    return joined


def score_cells(
    begins: NDArray[np.datetime64], warned: NDArray[np.datetime64], inside: NDArray[np.bool_]
) -> CellScores:
    """Score warnings per cell.

    Parameters
    ----------
    begins, warned
        (cell,) from `danger_begins` and `first_warned`.
    inside
        (cell,) where the office warns at all.
    """
    danger, told = ~np.isnat(begins) & inside, ~np.isnat(warned) & inside
    early = np.zeros(len(begins), bool)
    both = danger & told
    early[both] = warned[both] < begins[both]
    lead = (begins[early] - warned[early]) / np.timedelta64(1, "m")
    return CellScores(
        int(early.sum()),
        int((both & ~early).sum()),
        int((danger & ~told).sum()),
        int((told & ~danger).sum()),
        np.asarray(lead, np.float64),
    )


def score_people(
    begins: NDArray[np.datetime64],
    officers: Sequence[Told],
    people_of_cell: NDArray[np.int64],
) -> PeopleScores:
    """Score who was told.

    Parameters
    ----------
    begins
        (cell,) from `danger_begins`.
    officers
        Every officer once, also those who were not told.
    people_of_cell
        (cell,) residents.
    """
    outcomes = [0, 0, 0, 0]
    for officer in officers:
        when = NEVER if officer.delivered is None else to_numpy(officer.delivered)
        outcome = _outcome(begins[officer.cell], when)
        if outcome is not None:
            outcomes[outcome] += 1
    groups = _groups(begins, _first_told(officers, len(begins)))
    residents = [int(people_of_cell[group].sum()) for group in groups]
    reached = [o for o in officers if o.delivered is not None]
    return PeopleScores(
        in_time=outcomes[0],
        late=outcomes[1],
        not_told=outcomes[2],
        needlessly=outcomes[3],
        acknowledged=sum(o.acknowledged is not None for o in reached),
        escalated=sum(o.escalated for o in reached),
        residents_in_time=residents[0],
        residents_late=residents[1],
        residents_not=residents[2],
        residents_needlessly=residents[3],
    )


def score_places(
    begins: NDArray[np.datetime64],
    officers: Sequence[Told],
    kind: NDArray[np.int64],
    cell: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Count places by what became of the first officer of their cell.

    Parameters
    ----------
    begins, officers
        As for `score_people`.
    kind, cell
        (place,) a number from 0 for what it is, and where it lies.

    Returns
    -------
    (kind, 4): told in time, told late, not told, told needlessly.
    """
    groups = _groups(begins, _first_told(officers, len(begins)))
    n = int(kind.max()) + 1 if len(kind) else 0
    counts = [np.bincount(kind[group[cell]], minlength=n) for group in groups]
    return np.stack(counts, axis=1).astype(np.int64)


def _first_told(officers: Sequence[Told], n_cells: int) -> NDArray[np.datetime64]:
    """(cell,) when the first officer of each cell was told, NaT where none was."""
    first = np.full(n_cells, NEVER)
    for officer in officers:
        if officer.delivered is not None:
            when = to_numpy(officer.delivered)
            if np.isnat(first[officer.cell]) or when < first[officer.cell]:
                first[officer.cell] = when
    return first


def _groups(
    begins: NDArray[np.datetime64], first: NDArray[np.datetime64]
) -> tuple[NDArray[np.bool_], ...]:
    """Cells told in time, told late, not told though in danger, and told needlessly."""
    danger, told = ~np.isnat(begins), ~np.isnat(first)
    early = danger & told
    early[early] = first[early] < begins[early]
    return early, danger & told & ~early, danger & ~told, told & ~danger


def _outcome(begins: np.datetime64, told: np.datetime64) -> int | None:
    """In time 0, late 1, not told 2, needlessly 3; None where there was nothing to tell."""
    if np.isnat(begins):
        return None if np.isnat(told) else 3
    if np.isnat(told):
        return 2
    return 0 if told < begins else 1


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
