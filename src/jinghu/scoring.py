"""What a cycle scores: the forecasts published earlier for the time that is now the analysis.

Their sums go on the scoreboard of the store, and what came of their probabilities into the record
of the self-calibration. Cells count where a radar saw them now: rain that was carried from an old
scan, or filled in, is itself a forecast.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.configs.settings import Settings
from jinghu.grid.errors import JinghuError, StoreError
from jinghu.grid.fields import State
from jinghu.grid.scoreboard import enter
from jinghu.grid.store import Part, Store
from jinghu.grid.times import cycle_name
from jinghu.nowcast.reliability import uncalibrated
from jinghu.nowcast.verification import (
    LeadSums,
    ScoreParams,
    field_sums,
    member_sums,
    probability_sums,
    sums_dataset,
    tiles,
)
from jinghu.self_calibration import Learned, law_of, learn, learned_before, scored_leads
from jinghu.stages import StageLog

_SCALES = (1, 5, 13, 25)  # cells of the product grid
_BINS = 20
_MEMBER_LEADS_MIN = (60,)  # the dearest part
_POINTS = "points.npy"
METHODS = ("nowcast", "persistence")


@dataclass(frozen=True, slots=True)
class _Earlier:
    """What an earlier cycle said of now, on the product grid.

    Parameters
    ----------
    rate, analysis
        (y, x) mm/h at the lead, and what persistence says.
    members
        (member, y, x) mm/h, None where they are not scored.
    shares, raw
        (threshold, y, x) probabilities as published and before calibration, None without a full
        part.
    """

    rate: NDArray[np.float32]
    analysis: NDArray[np.float32]
    members: NDArray[np.float32] | None
    shares: NDArray[np.float32] | None
    raw: NDArray[np.float32] | None


def score_published(
    store: Store, products: xr.Dataset, time: datetime, settings: Settings, log: StageLog
) -> Learned:
    """Score what was forecast for this analysis; returns what the probabilities have taught.

    Parameters
    ----------
    store
        The store.
    products
        ``rainfall_rate(lead_time, y, x)``, lead 0 first, and ``state`` of this cycle.
    time, settings, log
        Of the cycle.
    """
    of, spec = settings.nowcast, settings.grid.product()
    observed = seen_now(products)
    known = learned_before(store, time, of, log)
    params = ScoreParams(of.rate_thresholds_mm_h, _SCALES, bins=_BINS)
    where = tiles(spec.x, spec.y)
    found: dict[str, dict[float, LeadSums]] = {name: {} for name in METHODS}
    for lead, minutes in enumerate(scored_leads(of)):
        said = _earlier(store, time, minutes, settings, log)
        if said is None:
            continue
        by_method = {"nowcast": said.rate, "persistence": said.analysis}
        # Both are counted over the cells that both know, or they would not compare.
        truth = np.where(np.isfinite(said.rate) & np.isfinite(said.analysis), observed, np.nan)
        for name, field in by_method.items():
            found[name][minutes] = field_sums(field, truth, where, params)
        found["nowcast"][minutes] = _with_law(found["nowcast"][minutes], said, observed, params)
        if said.raw is not None:
            km = spec.spacing_m / 1e3
            known = learn(known, lead, said.raw, observed, km, max(of.full_every_min, of.step_min))
    if found["nowcast"]:
        by = [sums_dataset(found[name], where, params, spec.spacing_m) for name in METHODS]
        try:
            enter(store, time, beside(dict(zip(METHODS, by, strict=True))))
        except JinghuError as error:
            log.degrade(f"forecasts of the past are not scored: {error}")
    return known


def seen_now(products: xr.Dataset) -> NDArray[np.float32]:
    """Rates (y, x) of the analysis where a radar saw the cell, NaN elsewhere."""
    rate = products["rainfall_rate"].isel(lead_time=0).values
    seen = np.isin(products["state"].values, (State.DRY, State.WET))
    return np.where(seen, rate, np.float32(np.nan)).astype(np.float32)


def beside(by_method: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Sums of several methods in one Dataset: counts with the dimension ``method``.

    What only the first has, of members and probabilities, stays without it.
    """
    first, *rest = by_method.values()
    common = [n for n in first.data_vars if all(n in other for other in rest) and n != "forecasts"]
    stacked = {
        name: (("method", *first[name].dims), np.stack([one[name] for one in by_method.values()]))
        for name in common
    }
    return first.drop_vars(common).assign(stacked).assign_coords(method=list(by_method))


def _with_law(
    sums: LeadSums, said: _Earlier, observed: NDArray[np.float32], params: ScoreParams
) -> LeadSums:
    """Sums with those of members and probabilities, where there are any."""
    ensemble, ranks, tables = None, None, None
    if said.members is not None:
        ensemble, ranks = member_sums(said.members, observed, params)
    if said.shares is not None:
        shares = dict(zip(params.thresholds_mm_h, said.shares, strict=True))
        tables = probability_sums(shares, observed, params)
    return LeadSums(sums.counts, sums.fractions, ensemble, ranks, tables)


def _earlier(
    store: Store, time: datetime, minutes: int, settings: Settings, log: StageLog
) -> _Earlier | None:
    """What was published so long ago; None where nothing was, or on another grid."""
    cycle = cycle_name(time - timedelta(minutes=minutes))
    part = store.newest_part(cycle)
    if part is None:
        return None
    try:
        return _read(part, minutes, settings)
    except (StoreError, OSError, KeyError, ValueError) as error:
        # One damaged part of the past must not stop the present.
        text = " ".join(str(error).split())[:120]
        log.degrade(f"cycle {cycle}/{part.name} is not scored: {text}")
        return None


def _read(part: Part, minutes: int, settings: Settings) -> _Earlier | None:
    """Read from the point-major copy: all columns of a lead in one pass, where Zarr takes many."""
    manifest = part.manifest()
    if manifest.get("grid") != settings.grid.model_dump():
        return None
    shape = settings.grid.product().shape
    columns = {
        name: k for k, name in enumerate(manifest["products"][_POINTS]["content"]["columns"])
    }
    names = [f"rainfall_rate@{minutes}", "rainfall_rate@0"]
    if names[0] not in columns:
        return None
    limits = settings.nowcast.rate_thresholds_mm_h
    of_law = [f"probability_of_rate[{limit:g}mm/h]@{minutes}" for limit in limits]
    full = all(name in columns for name in of_law)
    at = [columns[name] for name in names + (of_law if full else [])]
    table = part.open_array(_POINTS)
    rate, analysis, *each = np.asarray(table[:, at], np.float32).T.reshape(len(at), *shape)
    if not full:
        return _Earlier(rate, analysis, None, None, None)
    shares = np.stack(each)
    law = law_of(manifest, float(minutes))
    raw = shares if law is None else uncalibrated(shares, law)
    return _Earlier(rate, analysis, _members(part, minutes), shares, raw)


def _members(part: Part, minutes: int) -> NDArray[np.float32] | None:
    """Members (member, y, x) of the leads at which they are scored."""
    path = part.folder / "members.zarr"
    if minutes not in _MEMBER_LEADS_MIN or not path.is_dir():
        return None
    with xr.open_zarr(path, chunks=None, drop_variables=["lat", "lon"]) as held:
        found = held["rainfall_rate"].sel(lead_time=np.timedelta64(minutes, "m"))
        return np.asarray(found.values, np.float32)
