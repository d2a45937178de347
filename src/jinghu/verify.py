"""Verification of forecasts against what was observed: all systems over the same cells and times.

Every system of forecasts is scored where all of them, persistence and the observation know the
cell, at the issue times and leads that all have. Yes or no is said from the rate, or from the mean
of members; probabilities are those that were published, or the shares of the members.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.nowcast.probabilities import exceedance
from jinghu.nowcast.verification import (
    LeadSums,
    ScoreParams,
    Tiles,
    field_sums,
    member_sums,
    probability_sums,
    sums_dataset,
    tiles,
)
from jinghu.verify_inputs import Forecast, Observations, common_grid, issues, overlap

PERSISTENCE = "persistence"
_FIRST = (0.1, 1.0, 5.0, 10.0, 20.0)


@dataclass(frozen=True, slots=True)
class Example:
    """One forecast beside what came: (lead, y, x) mm/h, row 0 the southernmost."""

    system: str
    issued: np.datetime64
    lead_min: tuple[float, ...]
    forecast: NDArray[np.float32]
    observed: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of it.

    Parameters
    ----------
    sums
        By system, persistence last: Dataset of ``grid.score_sums`` with ``issue_time`` first.
    params, cell_km
        What was scored, on which cells.
    observed
        Where the observations came from.
    known_share
        Share of the cells of the grid that all knew.
    notes
        What was left out, Chinese and English.
    example
        The issue time with the most rain.
    """

    sums: Mapping[str, xr.Dataset]
    params: ScoreParams
    cell_km: float
    observed: str
    known_share: float
    notes: tuple[tuple[str, str], ...]
    example: Example


@dataclass(frozen=True, slots=True)
class _Case:
    """Fields of all systems and the truth at one lead of one issue time."""

    rates: Mapping[str, NDArray[np.float32]]
    members: Mapping[str, NDArray[np.float32]]
    shares: Mapping[str, Mapping[float, NDArray[np.float32]]]
    truth: NDArray[np.float32]


def verify(
    systems: Mapping[str, Sequence[Forecast]],
    observed: Observations,
    thresholds_mm_h: tuple[float, ...] | None,
    progress: Callable[[float], None],
) -> Verification:
    """Score systems of forecasts against observations, persistence beside them.

    Parameters
    ----------
    systems
        Forecasts by the name of the system that made them.
    observed
        What came.
    thresholds_mm_h
        Events; those of the published probabilities, or 0.1 to 20 mm/h, by default.
    progress
        Told of the share that is done.

    Raises
    ------
    DataError
        Where grids differ, or no time is common.
    """
    every = [f for forecasts in systems.values() for f in forecasts]
    factor = common_grid(every, observed)
    overlap(every, observed)
    times = list(issues(systems.values()))
    if not times:
        raise DataError(every[-1].source, "no issue time is common to all systems of forecasts")
    grid = every[0].grid
    x, y = grid["x"].values.astype(np.float64), grid["y"].values.astype(np.float64)
    cell_m = abs(float(x[1] - x[0])) if x.size > 1 else float(abs(np.diff(y)[0]))
    params = ScoreParams(
        thresholds_mm_h or _published(every) or _FIRST, _scales(min(x.size, y.size))
    )
    where = tiles(x, y)
    by_issue: dict[str, list[xr.Dataset]] = {name: [] for name in (*systems, PERSISTENCE)}
    scored, known, cells, unseen = [], 0, 0, 0
    for number, time in enumerate(times):
        now = {name: next(f for f in forecasts if f.issued == time)
               for name, forecasts in systems.items()}  # fmt: skip
        found: dict[str, dict[float, LeadSums]] = {name: {} for name in by_issue}
        leads = sorted(set.intersection(*({m for m in f.lead_min if m > 0} for f in now.values())))
        analysis = _analysis(now, observed, time, factor)
        for k, lead in enumerate(leads):
            case = _case(now, observed, analysis, lead, factor, params)
            if case is None:
                unseen += 1
                continue
            known, cells = known + int(np.isfinite(case.truth).sum()), cells + case.truth.size
            for name in found:
                found[name][lead] = _scored(name, case, where, params)
            progress((number + (k + 1) / len(leads)) / len(times))
        if found[PERSISTENCE]:
            scored.append(time)
            for name, of_leads in found.items():
                by_issue[name].append(sums_dataset(of_leads, where, params, cell_m))
    if not scored:
        raise DataError(observed.source, "no lead of an issue time common to all was observed")
    sums = {
        name: xr.concat(parts, xr.DataArray(scored, dims="issue_time", name="issue_time"),
                        join="outer", fill_value=0, data_vars="all")
        for name, parts in by_issue.items()
    }  # fmt: skip
    notes = _notes(systems, times, scored, unseen, factor)
    return Verification(
        sums, params, cell_m / 1e3, observed.source, known / max(cells, 1), notes,
        _example(systems, observed, sums[PERSISTENCE], factor),
    )  # fmt: skip


def _published(forecasts: Sequence[Forecast]) -> tuple[float, ...]:
    """Thresholds of the published probabilities, of all forecasts."""
    found: set[float] = set()
    for forecast in forecasts:
        if forecast.probability is not None:
            found |= {float(t) for t in forecast.probability["rate_threshold"].values}
    return tuple(sorted(found))


def _scales(cells: int) -> tuple[int, ...]:
    """Widths of neighbourhoods, from one cell to half of the grid."""
    return tuple(n for n in (1, 3, 5, 9, 17, 33, 65) if n == 1 or n <= cells // 2)


def _analysis(
    now: Mapping[str, Forecast], observed: Observations, time: np.datetime64, factor: int
) -> NDArray[np.float32]:
    """What persistence says: lead 0 of a forecast, or what was observed when it was issued."""
    for forecast in now.values():
        if forecast.lead_min[0] == 0:
            at = forecast.grid.isel(lead_time=0)
            values = at.isel(member=0).values if "member" in at.dims else at.values
            return np.asarray(values, np.float32)
    found = observed.field(time, factor)
    if found is None:
        source = next(iter(now.values())).source
        raise DataError(
            source, "holds no lead time 0 and its analysis time was not observed: no persistence"
        )
    return found


def _case(
    now: Mapping[str, Forecast],
    observed: Observations,
    analysis: NDArray[np.float32],
    lead_min: float,
    factor: int,
    params: ScoreParams,
) -> _Case | None:
    """Fields of a lead; None where its time was not observed. What one does not know is none's."""
    truth = observed.field(next(iter(now.values())).valid(lead_min), factor)
    if truth is None:
        return None
    rates, members, shares = {PERSISTENCE: analysis}, {}, {}
    for name, forecast in now.items():
        k = forecast.lead_min.index(lead_min)
        if forecast.members is not None:
            of = forecast.members
            at = int(
                np.flatnonzero(of["lead_time"].values == forecast.grid["lead_time"].values[k])[0]
            )
            members[name] = np.asarray(of.isel(lead_time=at).values, np.float32)
        if forecast.rate is not None:
            rates[name] = np.asarray(forecast.rate.isel(lead_time=k).values, np.float32)
        else:
            rates[name] = members[name].mean(axis=0)
        shares[name] = _shares(forecast, k, members.get(name), params)
    known = np.isfinite(truth)
    for field in rates.values():
        known &= np.isfinite(field)
    for many in members.values():
        known &= np.isfinite(many).all(axis=0)
    for table in shares.values():
        for share in table.values():
            known &= np.isfinite(share)
    return _Case(rates, members, shares, np.where(known, truth, np.float32(np.nan)))


def _shares(
    forecast: Forecast, k: int, members: NDArray[np.float32] | None, params: ScoreParams
) -> dict[float, NDArray[np.float32]]:
    """Probabilities by threshold: the published ones, or shares of the members."""
    if forecast.probability is not None:
        of = forecast.probability.isel(lead_time=k)
        limits = [float(t) for t in of["rate_threshold"].values]
        wanted = [t for t in limits if t in params.thresholds_mm_h]
        return {t: np.asarray(of.isel(rate_threshold=limits.index(t)).values, np.float32)
                for t in wanted}  # fmt: skip
    if members is None:
        return {}
    found = exceedance(members, params.thresholds_mm_h)
    return dict(zip(params.thresholds_mm_h, found, strict=True))


def _scored(name: str, case: _Case, where: Tiles, params: ScoreParams) -> LeadSums:
    sums = field_sums(case.rates[name], case.truth, where, params)
    members = case.members.get(name, case.rates[name][None])
    ensemble, ranks = member_sums(members, case.truth, params)
    shares = case.shares.get(name)
    return LeadSums(
        sums.counts,
        sums.fractions,
        ensemble,
        ranks if len(members) > 1 else None,
        probability_sums(shares, case.truth, params) if shares else None,
    )


def _notes(
    systems: Mapping[str, Sequence[Forecast]],
    times: Sequence[np.datetime64],
    scored: Sequence[np.datetime64],
    unseen: int,
    factor: int,
) -> tuple[tuple[str, str], ...]:
    """What was left out, in words."""
    found = []
    for name, forecasts in systems.items():
        if len(forecasts) > len(times):
            n = len(forecasts) - len(times)
            found.append(
                (
                    f"{name}：{n} 个起报时次他者没有，未评",
                    f"{name}: issue times that another system lacks, left out: {n}",
                )
            )
    if len(scored) < len(times):
        n = len(times) - len(scored)
        found.append(
            (
                f"{n} 个起报时次无任何可对照的实况，未评",
                f"issue times without any observation, left out: {n}",
            )
        )
    if unseen:
        found.append(
            (f"{unseen} 个时效无实况，未评", f"leads that were not observed, left out: {unseen}")
        )
    if factor > 1:
        found.append(
            (
                f"实况按 {factor} × {factor} 格平均到预报网格",
                f"observations are means of {factor} x {factor} cells",
            )
        )
    return tuple(found)


def _example(
    systems: Mapping[str, Sequence[Forecast]],
    observed: Observations,
    sums: xr.Dataset,
    factor: int,
) -> Example:
    """The first system's forecast of the issue time with the most rain, at observed leads."""
    wet = (sums["hits"] + sums["misses"]).isel(rate_threshold=0)
    wettest = wet.sum([d for d in wet.dims if d != "issue_time"])
    time = sums["issue_time"].values[int(wettest.values.argmax())]
    name, forecasts = next(iter(systems.items()))
    forecast = next(f for f in forecasts if f.issued == time)
    leads = [m for m in forecast.lead_min if observed.field(forecast.valid(m), factor) is not None]
    at = [forecast.lead_min.index(m) for m in leads]
    fields = forecast.grid.isel(lead_time=at)
    # A mean of members has no peaks; one of them looks like rain.
    values = fields.isel(member=0).values if "member" in fields.dims else fields.values
    truth = np.stack([_truth(observed, forecast, m, factor) for m in leads])
    if forecast.grid["y"].size > 1 and forecast.grid["y"].values[0] > forecast.grid["y"].values[-1]:
        values, truth = values[:, ::-1], truth[:, ::-1]
    return Example(name, time, tuple(leads), np.asarray(values, np.float32), truth)


def _truth(
    observed: Observations, forecast: Forecast, lead_min: float, factor: int
) -> NDArray[np.float32]:
    found = observed.field(forecast.valid(lead_min), factor)
    assert found is not None
    return found
