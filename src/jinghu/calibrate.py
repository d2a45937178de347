"""Calibration of the radars in a cycle: what the one before taught, what this one measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import xarray as xr

from jinghu.configs.settings import RadarSettings
from jinghu.grid.spec import GridSpec
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, isoformat
from jinghu.radar.calibration import Anchor, Offset, network_offsets
from jinghu.radar.consistency import (
    ConsistencyParams,
    SelfCheck,
    reflectivity_check,
    zdr_check,
)
from jinghu.radar.geometry import place
from jinghu.radar.monitor import (
    Calibration,
    Correction,
    MonitorParams,
    correction,
    followed,
    from_dataset,
    sentences,
    unseen,
)
from jinghu.radar.overlap import Levels, OverlapParams, comparisons, levels_on_grid
from jinghu.radar.rain import CleanScan
from jinghu.radar.volume import Volume
from jinghu.stages import StageLog

_RADOME_BANDS = ("C", "X")
_UNDER_MELTING_M = 500.0  # beams so far below the melting layer hold rain alone
_SITE_M = 1_500.0  # rain so near to a radar wets it


@dataclass(frozen=True, slots=True)
class Seen:
    """What one volume tells of its radar's calibration, without what was taken off.

    Parameters
    ----------
    levels
        Reflectivity to compare with other radars'.
    reflectivity, zdr
        What its polarimetric moments say of each other; None where they do not.
    """

    levels: Levels
    reflectivity: SelfCheck | None
    zdr: SelfCheck | None


def seen_by(
    volume: Volume, scan: CleanScan, spec: GridSpec, applied_db: float, melting_m: float
) -> Seen:
    """Measure what one volume tells of its radar's calibration.

    Parameters
    ----------
    volume, scan, applied_db
        As decoded; cleaned; dB that were taken off before.
    spec
        The working grid.
    melting_m
        Bottom of the melting layer: rain alone is compared.
    """
    overlap = OverlapParams(rain_top_m=melting_m)
    levels = levels_on_grid(volume, scan, spec, overlap, applied_db)
    antenna_m = volume.site.antenna_height_m
    params = ConsistencyParams(rain_top_m=melting_m - _UNDER_MELTING_M)
    zdr = zdr_check(scan.sweeps, scan.phases, antenna_m, params)
    zdr_db = zdr.offset_db if zdr is not None else 0.0
    found = reflectivity_check(
        scan.sweeps, scan.phases, volume.site.band, antenna_m, params, zdr_db
    )
    if found is not None:
        found = replace(found, offset_db=found.offset_db + applied_db)
    return Seen(levels, found, zdr)


def calibration_before(store: Store, time: datetime, log: StageLog) -> dict[str, Calibration]:
    """What the cycle before knew of every radar."""
    state = load_state(store, cycle_name(time), "calibration", report=log.degrade)
    return from_dataset(state[1]) if state is not None else {}


def corrections(
    known: Mapping[str, Calibration], time: datetime, settings: RadarSettings
) -> dict[str, Correction]:
    """What this cycle does about every radar of which something is known."""
    apply = settings.calibration == "correct"
    return {
        code: correction(one, time, MonitorParams(), apply=apply) for code, one in known.items()
    }


def calibration_after(
    seen: Sequence[Seen],
    mosaic: xr.Dataset,
    motion: xr.Dataset,
    before: Mapping[str, Calibration],
) -> dict[str, Calibration]:
    """Compare the radars and follow the calibration of each; radars not seen keep what is known.

    Parameters
    ----------
    seen
        One a radar.
    mosaic, motion
        Rain at the analysis time, for the radomes; motion of the rain.
    before
        What the cycle before knew; a scan that it has seen teaches nothing more.
    """
    params = MonitorParams()
    wet = {one.levels.site.code: _wet(one.levels, mosaic, params) for one in seen}
    pairs = comparisons([one.levels for one in seen], motion, OverlapParams())
    compared = {code for pair in pairs for code in (pair.first, pair.second)}
    anchors = [anchor for one in seen if (anchor := _anchor(one, wet, compared, params))]
    offsets = {offset.radar: offset for offset in network_offsets(pairs, anchors)}
    after = dict(before)
    for one in seen:
        code = one.levels.site.code
        now = _after_scan(one, offsets.get(code), wet[code], before.get(code), params)
        if now is not None:
            after[code] = now
    return after


def _after_scan(
    one: Seen, found: Offset | None, wet: bool, before: Calibration | None, params: MonitorParams
) -> Calibration | None:
    code, time = one.levels.site.code, one.levels.time
    if before is not None and before.time >= time:
        return before
    if found is None:
        now = unseen(code, before, time, wet, params)
    else:
        now = followed(before, _counted(found, one), time, wet, params)
    if now is None or one.zdr is None:
        return now
    return replace(now, zdr_db=one.zdr.offset_db)


def _anchor(
    one: Seen, wet: Mapping[str, bool], compared: set[str], params: MonitorParams
) -> Anchor | None:
    """What the radar says of itself; else that it is well kept, where no rain dims it."""
    code, told = one.levels.site.code, one.reflectivity
    if told is not None:
        return Anchor(code, told.offset_db, told.error_db)
    if code in compared and not wet[code]:
        return Anchor(code, 0.0, params.well_kept_db)
    return None


def _counted(found: Offset, one: Seen) -> Offset:
    """The offset of a radar that was compared with itself alone, with the samples of that."""
    if found.samples or one.reflectivity is None:
        return found
    return replace(found, samples=one.reflectivity.samples)


def _wet(levels: Levels, mosaic: xr.Dataset, params: MonitorParams) -> bool:
    """Whether it rains on a radome that takes some of the signal."""
    if levels.site.band not in _RADOME_BANDS:
        return False
    spec = GridSpec.of(mosaic)
    at = place(levels.site, spec)
    near = np.hypot(spec.x[None, :] - at.x_m, spec.y[:, None] - at.y_m) <= _SITE_M
    rates = mosaic["rainfall_rate"].values[near]
    known = rates[np.isfinite(rates)]
    return bool(known.size and known.mean() >= params.wet_mm_h)


def name_calibration(
    after: Mapping[str, Calibration],
    seen: Sequence[Seen],
    done: Mapping[str, Correction],
    log: StageLog,
) -> None:
    """Name the radars of this cycle that are off, and what was done about it."""
    for code in sorted(one.levels.site.code for one in seen):
        if code in after:
            for text in sentences(after[code], done.get(code, Correction()), MonitorParams()):
                log.degrade(text)


def calibration_rows(
    after: Mapping[str, Calibration], done: Mapping[str, Correction]
) -> list[dict[str, object]]:
    """Rows of the manifest: one a radar."""
    return [
        {
            "radar": code,
            "offset_db": _rounded(one.offset_db),
            "error_db": _rounded(one.error_db),
            "radome_db": _rounded(one.radome_db),
            "radome_error_db": _rounded(one.radome_error_db),
            "zdr_offset_db": _rounded(one.zdr_db),
            "comparisons": one.comparisons,
            "compared": isoformat(one.time),
            "taken_off_db": _rounded(done.get(code, Correction()).total_db),
            "trust": done.get(code, Correction()).trust,
        }
        for code, one in sorted(after.items())
    ]


def _rounded(value: float) -> float | None:
    """Two decimals; JSON has no infinity."""
    return round(value, 2) if np.isfinite(value) else None
