"""What the water of one gauge or reservoir is compared with, in metres or in m3/s."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.warnings.water_rules import (
    ByCatchment,
    GaugeMarks,
    Mark,
    Quantity,
    ReservoirMarks,
    WaterRule,
    WaterRules,
)

_RIVER = (Mark.WARNING, Mark.GUARANTEE, Mark.RECORD)


@dataclass(frozen=True, slots=True)
class Threshold:
    """One rule at one place: ``value`` is (time,), for flood limits change with the season."""

    rule: WaterRule
    quantity: Quantity
    value: NDArray[np.float64]


def gauge_thresholds(
    rules: WaterRules, flows: xr.Dataset, k: int
) -> tuple[list[Threshold], str | None]:
    """Thresholds of a gauge, and a line where its levels cannot be compared.

    Levels go before discharges where they can be compared: a height above the 1985 datum says
    nothing about a terrain that was generated. Discharges by catchment are for gauges of which
    nothing else can be used.
    """
    name = str(flows["gauge_name_zh"].values[k])
    own = rules.gauge(name)
    levels = _levels(own, flows, k)
    datum = (
        own.datum if own is not None and own.datum else str(flows["gauge_level_datum"].values[k])
    )
    said = None
    if levels and not _comparable(flows, datum):
        what = "heights of a generated terrain"
        said = f"gauge {name}: its levels ({datum}) are not compared with {what}"
        levels = {}
    discharges = _discharges(own)
    if not levels and not discharges and rules.by_catchment is not None:
        reach = int(flows["gauge_reach"].values[k])
        km2 = float(flows["reach_upstream_area"].values[reach])
        discharges = _by_catchment(rules.by_catchment, km2)
    near_m = own.near_m if own is not None and own.near_m is not None else rules.near_m
    near_share = rules.near_share if own is None or own.near_share is None else own.near_share
    if Mark.WARNING in levels:
        levels[Mark.NEAR_WARNING] = levels[Mark.WARNING] - near_m
    if Mark.WARNING in discharges:
        discharges[Mark.NEAR_WARNING] = discharges[Mark.WARNING] * (1.0 - near_share)
    found = []
    for rule in rules.rules:
        for quantity, marks in ((Quantity.LEVEL, levels), (Quantity.DISCHARGE, discharges)):
            if rule.mark in marks:
                value = np.full(flows.sizes["time"], marks[rule.mark])
                found.append(Threshold(rule, quantity, value))
                break
    return found, said


def reservoir_thresholds(rules: WaterRules, flows: xr.Dataset, k: int) -> list[Threshold]:
    """Thresholds of a reservoir; all of them levels above its own datum."""
    own = rules.reservoir_marks(str(flows["reservoir_id"].values[k]))
    n = flows.sizes["time"]
    marks = {
        Mark.FLOOD_LIMIT: np.asarray(flows["reservoir_flood_limit"].values[:, k], np.float64),
        Mark.NORMAL: np.full(n, float(flows["reservoir_normal_level"].values[k])),
        Mark.CREST: np.full(n, float(flows["reservoir_crest_level"].values[k])),
    }
    design = own.design_level_m if isinstance(own, ReservoirMarks) else None
    if design is not None:
        marks[Mark.DESIGN] = np.full(n, design)
    return [
        Threshold(rule, Quantity.LEVEL, marks[rule.mark] + rule.above_m)
        for rule in rules.rules
        if rule.mark in marks and np.isfinite(marks[rule.mark]).all()
    ]


def _levels(own: GaugeMarks | None, flows: xr.Dataset, k: int) -> dict[Mark, float]:
    """Levels of the table, and of the gauge table where that has none."""
    listed = {
        Mark.WARNING: float(flows["gauge_warning_level"].values[k]),
        Mark.GUARANTEE: float(flows["gauge_guarantee_level"].values[k]),
    }
    found = {mark: value for mark, value in listed.items() if np.isfinite(value)}
    for mark in _RIVER if own is not None else ():
        value = cast("float | None", getattr(own, f"{mark.value}_level_m"))
        if value is not None:
            found[mark] = value
    return found


def _discharges(own: GaugeMarks | None) -> dict[Mark, float]:
    if own is None:
        return {}
    values = {Mark.WARNING: own.warning_m3_s, Mark.GUARANTEE: own.guarantee_m3_s,
              Mark.RECORD: own.record_m3_s}  # fmt: skip
    return {mark: value for mark, value in values.items() if value is not None}


def _by_catchment(of: ByCatchment, km2: float) -> dict[Mark, float]:
    warning = of.coefficient * km2**of.power
    return {
        Mark.WARNING: warning,
        Mark.GUARANTEE: warning * of.guarantee_factor,
        Mark.RECORD: warning * of.record_factor,
    }


def _comparable(flows: xr.Dataset, datum: str) -> bool:
    """Whether levels above a datum and those of the flows are heights above the same thing."""
    if "generated" not in str(flows.attrs.get("terrain_source", "generated")).lower():
        return True
    return datum == str(flows["water_level"].attrs.get("vertical_datum"))
