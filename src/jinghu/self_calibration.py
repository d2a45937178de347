"""The rolling self-calibration of a cycle: what came true of earlier probabilities, carried along.

The record (`jinghu.nowcast.reliability`) lives in the state ``reliability``. It is fed with the
probabilities of rates that earlier full parts published, taken back to what they were before their
own calibration by the coefficients that their manifests name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.configs.settings import NowcastSettings
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, parse_cycle_name
from jinghu.nowcast.reliability import (
    Record,
    ReliabilityParams,
    calibrated,
    coefficients,
    faded,
    no_record,
    remember,
)
from jinghu.stages import StageLog

LEADS_MIN = (12, 30, 60, 90, 120, 180)
_APART_MIN = 15.0  # forecasts issued closer together count for less: the record was tuned so
_STATE = "reliability"


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of the probabilities.

    Parameters
    ----------
    record
        What was said and what came of it, fading.
    forecasts
        (lead,) forecasts that the record holds, fading as it does.
    """

    record: Record
    forecasts: NDArray[np.float64]


def scored_leads(settings: NowcastSettings) -> tuple[int, ...]:
    """Leads in minutes at which published forecasts are scored: those that there are."""
    last = settings.leads * settings.step_min
    return tuple(m for m in LEADS_MIN if m % settings.step_min == 0 and m <= last)


def nothing_learned(settings: NowcastSettings) -> Learned:
    """What is known before the first forecast came true."""
    leads = tuple(float(m) for m in scored_leads(settings))
    return Learned(no_record(leads, settings.rate_thresholds_mm_h), np.zeros(len(leads)))


def learned_before(
    store: Store, time: datetime, settings: NowcastSettings, log: StageLog
) -> Learned:
    """What the cycle before knew, faded since; nothing where thresholds or leads are new."""
    empty = nothing_learned(settings)
    state = load_state(store, cycle_name(time), _STATE, report=log.degrade)
    if state is None:
        return empty
    cycle, held = state
    try:
        known = from_dataset(held)
    except (KeyError, ValueError) as error:
        log.degrade(f"state reliability of cycle {cycle} is of another version ({error}): left")
        return empty
    asked = empty.record
    if (known.record.lead_min, known.record.threshold_mm_h) != (
        asked.lead_min,
        asked.threshold_mm_h,
    ):
        log.degrade("thresholds or leads are new: probabilities are calibrated anew from nothing")
        return empty
    minutes = (time - parse_cycle_name(cycle)) / timedelta(minutes=1)
    params = ReliabilityParams()
    left = 0.5 ** (minutes / params.half_life_min)
    return Learned(faded(known.record, minutes, params), left * known.forecasts)


def learn(
    known: Learned,
    lead: int,
    raw: NDArray[np.float32],
    observed_mm_h: NDArray[np.float32],
    cell_km: float,
    every_min: float,
) -> Learned:
    """Add a forecast whose time has come.

    Parameters
    ----------
    known, lead
        What was known; which of the leads of the record.
    raw, observed_mm_h
        Probabilities (threshold, y, x) before calibration, and (y, x) what came; NaN = missing.
    cell_km, every_min
        Side of a cell; minutes between full parts.
    """
    share = min(1.0, every_min / _APART_MIN)
    params = ReliabilityParams()
    record = remember(known.record, lead, raw, observed_mm_h, cell_km, params, share)
    forecasts = known.forecasts.copy()
    forecasts[lead] += 1.0
    return replace(known, record=record, forecasts=forecasts)


def laws(known: Learned, lead_min: Sequence[float]) -> NDArray[np.float64]:
    """Offsets and slopes (lead, threshold, 2): straight between the leads of the record.

    At lead 0 nothing is uncertain and nothing changes; beyond the last lead its law holds.
    """
    found = coefficients(known.record, ReliabilityParams())
    at = np.array([0.0, *known.record.lead_min])
    identity = np.broadcast_to(np.array([0.0, 1.0]), (1, *found.shape[1:]))
    table = np.concatenate([identity, found])
    out = np.empty((len(lead_min), *found.shape[1:]))
    for t, k in np.ndindex(*found.shape[1:]):
        out[:, t, k] = np.interp(lead_min, at, table[:, t, k])
    return out


def calibrated_leads(
    shares: NDArray[np.float32], of_leads: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Probabilities (threshold, lead, y, x) by the laws (lead, threshold, 2) of their leads."""
    return np.stack([calibrated(shares[:, k], law) for k, law in enumerate(of_leads)], axis=1)


def manifest_entry(known: Learned, lead_min: Sequence[float]) -> dict[str, object]:
    """What a manifest says of the calibration: the raw probabilities follow from it."""
    found = laws(known, lead_min)
    return {
        "formula": "logit p = offset + slope * logit raw (nowcast/reliability.py)",
        "lead_min": [float(m) for m in lead_min],
        "rate_threshold": list(known.record.threshold_mm_h),
        "offset": found[..., 0].tolist(),
        "slope": found[..., 1].tolist(),
        "cases": cases(known),
    }


def cases(known: Learned) -> list[dict[str, float]]:
    """How much the calibration rests on, by lead: forecasts and independent patches, faded."""
    patches = known.record.cells.sum(axis=2)
    return [
        {"lead_min": lead, "forecasts": round(float(n), 2),
         **{f"patches_{limit:g}mm": round(float(p), 2)
            for limit, p in zip(known.record.threshold_mm_h, row, strict=True)}}
        for lead, n, row in zip(known.record.lead_min, known.forecasts, patches, strict=True)
    ]  # fmt: skip


def law_of(manifest: Mapping[str, Any], lead_min: float) -> NDArray[np.float64] | None:
    """Law (threshold, 2) by which a published part calibrated a lead; None where it did not."""
    entry = manifest.get("probability_calibration")
    if not entry or lead_min not in entry["lead_min"]:
        return None
    k = entry["lead_min"].index(lead_min)
    return np.stack([np.array(entry[name][k], np.float64) for name in ("offset", "slope")], axis=-1)


def to_dataset(known: Learned) -> xr.Dataset:
    """What is known as a state."""
    record, dims = known.record, ("lead", "rate_threshold", "bin")
    return xr.Dataset(
        {name: (dims, getattr(record, name)) for name in ("cells", "said", "was")}
        | {"forecasts": ("lead", known.forecasts)},
        coords={
            "lead": ("lead", np.array(record.lead_min), {"long_name": "lead time in minutes"}),
            "rate_threshold": (
                "rate_threshold",
                np.array(record.threshold_mm_h),
                {"units": "mm h-1"},
            ),
        },
    )


def from_dataset(state: xr.Dataset) -> Learned:
    """Read what `to_dataset` made."""
    cells, said, was = (state[name].values.astype(np.float64) for name in ("cells", "said", "was"))
    leads, limits = (
        tuple(float(v) for v in state[name].values) for name in ("lead", "rate_threshold")
    )
    record = Record(leads, limits, cells, said, was)
    return Learned(record, state["forecasts"].values.astype(np.float64))
