"""Verification of one forecast field, ensemble or set of probabilities, as sums that add up.

The formulas are those of ``scores``, ``ensemble_scores`` and ``probability_scores``; here they are
counted for all thresholds, scales and places at once, and laid into the Dataset that
``jinghu.grid.score_sums`` turns into scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.grid.score_sums import OUTCOMES, TILES
from jinghu.nowcast.ensemble_scores import EnsembleScore, rank_histogram, score_ensemble
from jinghu.nowcast.probability_scores import BINS, ProbabilityTable, tabulate
from jinghu.nowcast.scores import fractions_by_scale, known_cells

TILE_M = 50_000.0


@dataclass(frozen=True, slots=True)
class ScoreParams:
    """What is scored.

    Parameters
    ----------
    thresholds_mm_h
        Rates whose exceedance is an event, ascending.
    scales_cells
        Widths of the neighbourhoods of the FSS.
    least_mm_h
        Rain below it is none in the rank histogram.
    bins
        Of probabilities.
    """

    thresholds_mm_h: tuple[float, ...] = (0.1, 1.0, 5.0, 10.0, 20.0)
    scales_cells: tuple[int, ...] = (1, 3, 5, 9, 17, 33)
    least_mm_h: float = 0.1
    bins: int = BINS


@dataclass(frozen=True, slots=True)
class Tiles:
    """Squares of `TILE_M` that cells belong to, counted from the south-western corner of the grid.

    Parameters
    ----------
    of_cell
        (y, x) number of the tile, row by row.
    x, y
        Middles of the columns and rows of tiles in m.
    """

    of_cell: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LeadSums:
    """Sums of one lead of one forecast; None is nothing of the kind.

    Parameters
    ----------
    counts
        (threshold, tile, outcome) cells.
    fractions
        (threshold, scale, 2): squared differences, squares.
    ensemble, ranks
        Of members; a single field is an ensemble of one.
    tables
        Of probabilities, one a threshold, None where there is none of it.
    """

    counts: NDArray[np.int64]
    fractions: NDArray[np.float64] | None = None
    ensemble: EnsembleScore | None = None
    ranks: NDArray[np.float64] | None = None
    tables: tuple[ProbabilityTable | None, ...] | None = None


def tiles(x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> Tiles:
    """Tiles of a grid from the middles of its columns and rows, ascending or descending, in m."""
    places = []
    for middles in (x_m, y_m):
        spacing = abs(middles[1] - middles[0]) if middles.size > 1 else TILE_M
        corner = middles.min() - spacing / 2
        at = ((middles - corner) // TILE_M).astype(np.int64)
        places.append((at, corner + (np.arange(at.max() + 1) + 0.5) * TILE_M))
    (column, x), (row, y) = places
    return Tiles(row[:, None] * x.size + column, x, y)


def count_by_tile(
    forecast: NDArray[np.floating],
    observed: NDArray[np.floating],
    thresholds_mm_h: tuple[float, ...],
    where: Tiles,
) -> NDArray[np.int64]:
    """Cells (threshold, tile, outcome) by outcome in the order of ``OUTCOMES``.

    Raises
    ------
    ConfigError
        Where the shapes differ.
    """
    known = known_cells(forecast, observed)
    said, was, tile = forecast[known], observed[known], where.of_cell[known]
    n = where.x.size * where.y.size
    found = np.empty((len(thresholds_mm_h), n, len(OUTCOMES)), np.int64)
    for t, limit in enumerate(thresholds_mm_h):
        yes, event = said >= limit, was >= limit
        outcome = np.where(event, 1, 3) - yes  # in the order of OUTCOMES
        found[t] = np.bincount(4 * tile + outcome, minlength=4 * n).reshape(n, 4)
    return found


def field_sums(
    forecast: NDArray[np.floating],
    observed: NDArray[np.floating],
    where: Tiles,
    params: ScoreParams,
    scales: bool = True,
) -> LeadSums:
    """Score one field (y, x) of rates by threshold, tile and scale; NaN = missing on either side.

    Parameters
    ----------
    forecast, observed
        (y, x) in mm/h.
    where, params
        Places, thresholds and scales.
    scales
        Whether the FSS is wanted, the dearest part.
    """
    counts = count_by_tile(forecast, observed, params.thresholds_mm_h, where)
    if not scales:
        return LeadSums(counts)
    found = [
        [
            (one.squares, one.reference)
            for one in fractions_by_scale(forecast, observed, limit, params.scales_cells)
        ]
        for limit in params.thresholds_mm_h
    ]
    return LeadSums(counts, np.array(found).reshape(len(found), -1, 2))


def member_sums(
    members: NDArray[np.floating], observed: NDArray[np.floating], params: ScoreParams
) -> tuple[EnsembleScore, NDArray[np.float64]]:
    """Score and ranks of an ensemble (member, y, x) in mm/h."""
    return score_ensemble(members, observed), rank_histogram(members, observed, params.least_mm_h)


def probability_sums(
    shares: Mapping[float, NDArray[np.floating]],
    observed: NDArray[np.floating],
    params: ScoreParams,
) -> tuple[ProbabilityTable | None, ...]:
    """Tables of the probabilities (y, x) of at least each threshold, where it is one of those."""
    return tuple(
        tabulate(shares[limit], observed, limit, params.bins) if limit in shares else None
        for limit in params.thresholds_mm_h
    )


def sums_dataset(
    found: Mapping[float, LeadSums], where: Tiles, params: ScoreParams, cell_m: float
) -> xr.Dataset:
    """Lay sums of the leads of one forecast into a Dataset of ``grid.score_sums``.

    Parameters
    ----------
    found
        By lead in minutes.
    where, params
        With which they were made.
    cell_m
        Width of a cell.

    Raises
    ------
    ConfigError
        Where there is nothing.
    """
    if not found:
        raise ConfigError("no lead was scored")
    leads = list(found.values())
    n_y, n_x = where.y.size, where.x.size
    counts = np.stack([one.counts for one in leads]).reshape(
        len(leads), len(params.thresholds_mm_h), n_y, n_x, len(OUTCOMES)
    )
    dims = ("lead_time", "rate_threshold")
    variables: dict[str, tuple[tuple[str, ...], NDArray[np.generic]]] = {
        "forecasts": (("lead_time",), np.ones(len(leads), np.int64)),
        **{name: ((*dims, *TILES), counts[..., k]) for k, name in enumerate(OUTCOMES)},
    }
    variables |= _fractions(leads, params) | _ensembles(leads) | _tables(leads, params)
    minutes = np.array(list(found), np.float64)
    return xr.Dataset(
        variables,
        coords={
            "lead_time": np.round(minutes * 60).astype("timedelta64[s]").astype("timedelta64[ns]"),
            "rate_threshold": (
                "rate_threshold", np.array(params.thresholds_mm_h), {"units": "mm h-1"},
            ),
            "tile_y": ("tile_y", where.y, {"units": "m"}),
            "tile_x": ("tile_x", where.x, {"units": "m"}),
            "scale": ("scale", np.array(params.scales_cells) * cell_m / 1e3, {"units": "km"}),
        },
    )  # fmt: skip


Variables = dict[str, tuple[tuple[str, ...], NDArray[np.generic]]]


def _fractions(leads: list[LeadSums], params: ScoreParams) -> Variables:
    if all(one.fractions is None for one in leads):
        return {}
    none = np.zeros((len(params.thresholds_mm_h), len(params.scales_cells), 2))
    both = np.stack([none if one.fractions is None else one.fractions for one in leads])
    dims = ("lead_time", "rate_threshold", "scale")
    return {
        "fss_difference": (dims, both[..., 0]),
        "fss_reference": (dims, both[..., 1]),
    }


def _ensembles(leads: list[LeadSums]) -> Variables:
    if all(one.ensemble is None for one in leads):
        return {}
    rows = [one.ensemble or EnsembleScore() for one in leads]
    lead = ("lead_time",)
    found: Variables = {
        "ensemble_cells": (lead, np.array([row.cells for row in rows], np.int64)),
        "crps": (lead, np.array([row.crps for row in rows])),
        "squared_error": (lead, np.array([row.squares for row in rows])),
        "error": (lead, np.array([row.error for row in rows])),
    }
    fair = np.array([row.fair_crps for row in rows])
    if np.isfinite(fair).all():  # a single field has no spread
        found["fair_crps"] = (lead, fair)
        found["ensemble_variance"] = (lead, np.array([row.variance for row in rows]))
    ranks = next((one.ranks for one in leads if one.ranks is not None), None)
    if ranks is not None:
        none = np.zeros(ranks.size)
        table = np.stack([none if one.ranks is None else one.ranks for one in leads])
        found["rank_count"] = (("lead_time", "rank"), table)
    return found


def _tables(leads: list[LeadSums], params: ScoreParams) -> Variables:
    if all(one.tables is None for one in leads):
        return {}
    shape = (len(leads), len(params.thresholds_mm_h))
    cells, said, was = (np.zeros((*shape, params.bins)) for _ in range(3))
    squares = np.zeros(shape)
    for k, one in enumerate(leads):
        for t, table in enumerate(one.tables or ()):
            if table is not None:
                cells[k, t], said[k, t], was[k, t] = table.cells, table.said, table.was
                squares[k, t] = table.squares
    dims = ("lead_time", "rate_threshold", "bin")
    return {
        "probability_cells": (dims, cells),
        "probability_sum": (dims, said),
        "event_count": (dims, was),
        "brier_sum": (dims[:2], squares),
    }
