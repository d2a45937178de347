"""Sums of scores as a Dataset, and the scores that follow from them.

Sums add up over cases, leads, places and days; scores do not, and are taken of sums last. Nothing
counted is zero, and the score of nothing is NaN. Formulas are those of the forecast room
(Wilks 2011, section 8.2; Roberts & Lean 2008; Murphy 1973; Fortin et al. 2014), on labelled arrays.

| variable | dimensions beside those of the cases | is |
|---|---|---|
| `forecasts` | lead_time | forecasts that were scored |
| `hits`, `misses`, `false_alarms`, `correct_negatives` | .., rate_threshold, tile_y, tile_x | |
| `fss_difference`, `fss_reference` | .., rate_threshold, scale | sums of the FSS |
| `ensemble_cells`, `crps`, `fair_crps`, `ensemble_variance`, `squared_error`, `error` | .. | sums |
| `rank_count` | .., rank | observations by their rank among the members |
| `probability_cells`, `probability_sum`, `event_count` | .., rate_threshold, bin | by probability |
| `brier_sum` | .., rate_threshold | squared differences of probability and event |
"""

from collections.abc import Hashable, Iterable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError

OUTCOMES = ("hits", "misses", "false_alarms", "correct_negatives")
TILES = ("tile_y", "tile_x")
_BINNED = ("probability_cells", "probability_sum", "event_count")


def added(a: xr.Dataset, b: xr.Dataset) -> xr.Dataset:
    """Sums of both sets of cases together; labels that only one has stay, as they are there.

    Raises
    ------
    ConfigError
        Where the bins of probabilities or the ranks differ: they cannot be added.
    """
    for dim in ("bin", "rank"):
        if dim in a.sizes and dim in b.sizes and a.sizes[dim] != b.sizes[dim]:
            raise ConfigError(f"sums of {a.sizes[dim]} and of {b.sizes[dim]} {dim}s do not add up")
    one, other = xr.align(a, b, join="outer", fill_value=0)
    found = {}
    for name in {**one.data_vars, **other.data_vars}:
        parts = [part[name] for part in (one, other) if name in part]
        found[name] = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    return xr.Dataset(found)


def summed(sums: xr.Dataset, dims: Iterable[Hashable]) -> xr.Dataset:
    """Sums over some dimensions; variables without one stay as they are."""
    return sums.sum([dim for dim in dims if dim in sums.dims], skipna=False)


def scores(sums: xr.Dataset) -> xr.Dataset:
    """Scores of sums, NaN where there is nothing to score.

    Returns
    -------
    What the sums allow of: ``csi``, ``pod``, ``far``, ``pofd``, ``frequency_bias``, ``fss`` (1);
    ``mean_crps``, ``mean_fair_crps``, ``rmse``, ``spread``, ``mean_error`` (mm h-1),
    ``spread_error`` (1);
    ``brier``, ``brier_skill``, ``reliability``, ``resolution``, ``roc_area`` (1), and
    ``observed_frequency`` of the event.
    """
    found: dict[str, xr.DataArray] = {}
    if "hits" in sums:
        hits, misses, alarms, quiet = (sums[name] for name in OUTCOMES)
        found["csi"] = _ratio(hits, hits + misses + alarms)
        found["pod"] = _ratio(hits, hits + misses)
        found["far"] = _ratio(alarms, hits + alarms)
        found["pofd"] = _ratio(alarms, alarms + quiet)
        found["frequency_bias"] = _ratio(hits + alarms, hits + misses)
    if "fss_reference" in sums:
        found["fss"] = 1.0 - _ratio(sums["fss_difference"], sums["fss_reference"])
    if "ensemble_cells" in sums:
        found |= _of_ensembles(sums)
    if "probability_cells" in sums:
        found |= _of_probabilities(sums)
    return xr.Dataset(found)


def _of_ensembles(sums: xr.Dataset) -> dict[str, xr.DataArray]:
    cells = sums["ensemble_cells"]
    squares = _ratio(sums["squared_error"], cells)
    found: dict[str, xr.DataArray] = {
        "mean_crps": _ratio(sums["crps"], cells),
        "mean_error": _ratio(sums["error"], cells),
        "rmse": squares**0.5,
    }
    if "ensemble_variance" in sums:  # a single field has none
        variance = _ratio(sums["ensemble_variance"], cells)
        found["mean_fair_crps"] = _ratio(sums["fair_crps"], cells)
        found["spread"] = variance**0.5
        found["spread_error"] = _ratio(variance, squares) ** 0.5
    return found


def _of_probabilities(sums: xr.Dataset) -> dict[str, xr.DataArray]:
    cells, said, was = (sums[name] for name in _BINNED)
    total = cells.sum("bin")
    frequency = _ratio(was.sum("bin"), total)
    brier = _ratio(sums["brier_sum"], total)
    away = (said - was) ** 2 / cells.clip(min=1.0)
    apart = cells * (was / cells.clip(min=1.0) - frequency) ** 2
    area = xr.apply_ufunc(_roc_area, cells, was, input_core_dims=[["bin"], ["bin"]])
    return {
        "observed_frequency": frequency,
        "brier": brier,
        "brier_skill": 1.0 - _ratio(brier, frequency * (1.0 - frequency)),
        "reliability": _ratio(away.sum("bin"), total),
        "resolution": _ratio(apart.sum("bin"), total),
        "roc_area": area,
    }


def roc(sums: xr.Dataset) -> xr.Dataset:
    """Curve ``detected``, ``alarmed`` (.., point) of yes said from ever lower probabilities."""
    cells, was = sums["probability_cells"], sums["event_count"]
    detected, alarmed = xr.apply_ufunc(
        _roc, cells, was, input_core_dims=[["bin"], ["bin"]],
        output_core_dims=[["point"], ["point"]],
    )  # fmt: skip
    return xr.Dataset({"detected": detected, "alarmed": alarmed})


def diagram(sums: xr.Dataset, bins: int = 10) -> xr.Dataset:
    """Reliability diagram of fewer bins, which must divide those of the sums.

    Returns
    -------
    ``said`` and ``was`` (mean probability, frequency of the event; NaN in empty bins) and
    ``cells``, (.., bin).
    """
    n = sums.sizes["bin"]
    if bins < 1 or n % bins:
        raise ConfigError(f"{bins} bins do not divide the {n} of the sums")
    coarse = sums[list(_BINNED)].coarsen(bin=n // bins).sum()
    cells = coarse["probability_cells"]
    said, was = (_ratio(coarse[name], cells) for name in _BINNED[1:])
    return xr.Dataset({"said": said, "was": was, "cells": cells})


def _roc(
    cells: NDArray[np.float64], was: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Detected and falsely alarmed shares (.., bin + 1), NaN where one of both never was."""
    curves = []
    for of in (was, cells - was):
        total = of.sum(axis=-1, keepdims=True)
        share = np.cumsum(of[..., ::-1], axis=-1) / np.where(total > 0, total, np.nan)
        curves.append(np.concatenate([0.0 * share[..., :1], share], axis=-1))
    return curves[0], curves[1]


def _roc_area(cells: NDArray[np.float64], was: NDArray[np.float64]) -> NDArray[np.float64]:
    detected, alarmed = _roc(cells, was)
    return np.asarray(np.trapezoid(detected, alarmed, axis=-1))


def _ratio(part: xr.DataArray, whole: xr.DataArray) -> xr.DataArray:
    """Part of a whole, NaN where the whole is none."""
    return part / whole.where(whole > 0)
