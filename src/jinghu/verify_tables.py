"""What a verification comes to: scores by lead, threshold, scale and place; paired differences."""

import csv
import io
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from jinghu.grid.score_sums import OUTCOMES, TILES, diagram, scores, summed
from jinghu.grid.times import from_numpy, isoformat
from jinghu.verify import PERSISTENCE, Verification

_RESAMPLES, _SEED = 1000, 1
_TABLE_LEADS = (30.0, 60.0, 90.0, 120.0, 180.0)
_PAIRED = ("csi", "fss", "mean_crps", "brier")  # what differences are shown of
COLUMNS = ("system", "lead_min", "threshold_mm_h", "scale_km", "score", "value")


@dataclass(frozen=True, slots=True)
class Difference:
    """Score of one system less that of another, over the same cases.

    Parameters
    ----------
    system, other, score, lead_min, threshold_mm_h, scale_km
        What it is of; NaN where the score has no threshold or scale.
    value
        Of sums over all issue times.
    low, high
        5 and 95 % of issue times drawn anew; NaN where there are fewer than three.
    """

    system: str
    other: str
    score: str
    lead_min: float
    threshold_mm_h: float
    scale_km: float
    value: float
    low: float
    high: float


def totals(found: Verification) -> dict[str, xr.Dataset]:
    """Sums over all issue times and places, by system."""
    return {name: summed(sums, ("issue_time", *TILES)) for name, sums in found.sums.items()}


def by_place(found: Verification) -> dict[str, xr.Dataset]:
    """Scores by tile over all issue times, by system."""
    return {n: scores(summed(s[list(OUTCOMES)], ("issue_time",))) for n, s in found.sums.items()}


def rows(found: Verification) -> Iterator[tuple[str, float, float, float, str, float]]:
    """Yield a row a score in the order of `COLUMNS`; NaN where a column does not apply."""
    for name, sums in totals(found).items():
        for score, values in scores(sums).data_vars.items():
            for lead, limit, scale, value in entries(values):
                yield name, lead, limit, scale, str(score), value


def entries(values: xr.DataArray) -> Iterator[tuple[float, float, float, float]]:
    """Yield lead in minutes, threshold, scale and value of what has some of these dimensions."""
    dims = ("lead_time", "rate_threshold", "scale")
    labels = [values[d].values if d in values.dims else [np.nan] for d in dims]
    full = values.transpose(*(d for d in dims if d in values.dims)).values.reshape(-1)
    for (lead, limit, scale), value in zip(itertools.product(*labels), full, strict=True):
        yield float(lead / np.timedelta64(1, "m")), float(limit), float(scale), float(value)


def differences(found: Verification) -> list[Difference]:
    """Paired differences of all systems from persistence, and of the first from each other one."""
    names = [name for name in found.sums if name != PERSISTENCE]
    pairs = [(name, PERSISTENCE) for name in names] + [(names[0], other) for other in names[1:]]
    n = found.sums[PERSISTENCE].sizes["issue_time"]
    drawn = np.random.default_rng(_SEED).multinomial(n, np.full(n, 1.0 / n), _RESAMPLES)
    weights = xr.DataArray(
        np.concatenate([np.ones((1, n)), drawn]).astype(np.float64), dims=("draw", "issue_time")
    )
    drawn_scores = {name: scores(_weighted(sums, weights)) for name, sums in found.sums.items()}
    return [
        one
        for name, other in pairs
        for one in _pair(name, other, drawn_scores[name], drawn_scores[other], n)
    ]


def _weighted(sums: xr.Dataset, weights: xr.DataArray) -> xr.Dataset:
    """Sums over places, and over issue times as often as each was drawn."""
    wanted = [n for n in sums.data_vars if n not in ("rank_count", "forecasts")]
    whole = summed(sums[wanted], TILES).drop_vars("issue_time")
    return whole.map(lambda v: xr.dot(v.astype(np.float64), weights, dim="issue_time"))


def _pair(
    name: str, other: str, mine: xr.Dataset, theirs: xr.Dataset, cases: int
) -> Iterator[Difference]:
    for score in _PAIRED:
        if score not in mine or score not in theirs:
            continue
        apart = mine[score] - theirs[score]
        value = apart.isel(draw=0)
        drawn = apart.isel(draw=slice(1, None))
        low, high = (drawn.quantile(q, "draw", skipna=True) for q in (0.05, 0.95))
        if cases < 3:
            low, high = low * np.nan, high * np.nan
        each = zip(entries(value), entries(low), entries(high), strict=True)
        for (lead, limit, scale, middle), (*_, bottom), (*_, top) in each:
            if np.isfinite(middle):
                yield Difference(name, other, score, lead, limit, scale, middle, bottom, top)


def as_csv(found: Verification) -> str:
    """All scores as CSV, a row a score; cells that do not apply or have no value are empty."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in rows(found):
        table.writerow(_text(cell) for cell in row)
    return out.getvalue()


def _text(cell: str | float) -> str:
    if isinstance(cell, str):
        return cell
    return "" if np.isnan(cell) else f"{cell:.6g}"


def as_json(found: Verification) -> dict[str, Any]:
    """Everything for programs: scores, paired differences, diagrams, places, what was left out."""
    persistence = found.sums[PERSISTENCE]
    return {
        "observations": found.observed,
        "issue_times": [isoformat(from_numpy(t)) for t in persistence["issue_time"].values],
        "cell_km": found.cell_km,
        "known_share": round(found.known_share, 4),
        "thresholds_mm_h": list(found.params.thresholds_mm_h),
        "notes": [english for _, english in found.notes],
        "scores": [
            {n: _value(cell) for n, cell in zip(COLUMNS, row, strict=True)} for row in rows(found)
        ],
        "differences": [
            {name: _value(getattr(one, name)) for name in Difference.__slots__}
            for one in differences(found)
        ],
        "reliability": _diagrams(found),
        "ranks": _ranks(found),
        "places": _places(found),
    }


def _value(cell: Any) -> str | float | None:
    """Value for JSON, which has no NaN."""
    if isinstance(cell, str):
        return cell
    return float(f"{cell:.6g}") if np.isfinite(cell) else None


def _diagrams(found: Verification) -> list[dict[str, Any]]:
    rows = []
    for name, sums in totals(found).items():
        if "probability_cells" not in sums:
            continue
        each = diagram(sums)
        for lead in range(sums.sizes["lead_time"]):
            for t in range(sums.sizes["rate_threshold"]):
                one = each.isel(lead_time=lead, rate_threshold=t)
                minutes = float(one["lead_time"].values / np.timedelta64(1, "m"))
                rows.append(
                    {
                        "system": name,
                        "lead_min": minutes,
                        "threshold_mm_h": float(one["rate_threshold"]),
                        **{n: [_value(float(v)) for v in one[n].values]
                           for n in ("said", "was", "cells")},
                    }
                )  # fmt: skip
    return rows


def _ranks(found: Verification) -> list[dict[str, Any]]:
    return [
        {
            "system": name,
            "lead_min": float(of["lead_time"].values / np.timedelta64(1, "m")),
            "count": [round(float(v), 2) for v in of.values],
        }
        for name, sums in totals(found).items()
        if "rank_count" in sums
        for of in sums["rank_count"]
    ]


def _places(found: Verification) -> list[dict[str, Any]]:
    """Rows by tile, of some leads and the thresholds at which rain was forecast or observed."""
    rows = []
    for name, sums in found.sums.items():
        some = sums[list(OUTCOMES)].sel(lead_time=table_leads(found))
        whole = summed(some, ["issue_time"])
        stacked = whole.stack(row=("lead_time", "rate_threshold", *TILES)).transpose("row", ...)
        counts = np.stack([stacked[n].values for n in whole.data_vars], axis=1)
        for (lead, limit, y, x), row in zip(stacked["row"].values, counts, strict=True):
            if row[:3].any():
                rows.append(
                    {
                        "system": name,
                        "lead_min": float(np.timedelta64(lead) / np.timedelta64(1, "m")),
                        "threshold_mm_h": float(limit),
                        "x_m": float(x),
                        "y_m": float(y),
                        **{str(n): int(v) for n, v in zip(whole.data_vars, row, strict=True)},
                    }
                )
    return rows


def lead_nearest(sums: Mapping[str, xr.Dataset], minutes: float) -> np.timedelta64:
    """The lead that is nearest to so many minutes."""
    leads = sums[PERSISTENCE]["lead_time"].values
    wanted = np.timedelta64(round(minutes * 60), "s")
    nearest: np.timedelta64 = leads[np.abs(leads - wanted).argmin()]
    return nearest


def table_leads(found: Verification) -> list[np.timedelta64]:
    """The leads that tables show: those next to 30, 60, 90, 120 and 180 min."""
    return list(dict.fromkeys(lead_nearest(found.sums, m) for m in _TABLE_LEADS))
