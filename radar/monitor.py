"""Calibration of every radar followed over cycles; what is taken off, and what weighs less."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import xarray as xr

from jinghu.grid.times import from_numpy, to_numpy
from jinghu.radar.calibration import Offset

_COLUMNS = (
    "offset_db", "error_db", "radome_db", "radome_error_db", "comparisons", "samples", "zdr_db",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MonitorParams:
    """How fast calibration is followed, and when it is acted upon.

    Parameters
    ----------
    well_kept_db
        Standard deviation of offsets among radars of which nothing is known.
    drift_db2_day
        Variance that calibration gains in a day.
    alike
        Time over which errors of comparisons are the same errors: the rain and the beams are.
        With errors of 0.7 dB an offset is followed with a time constant of
        0.7 sqrt(``alike`` / ``drift_db2_day``), 5 hours.
    jump
        Standard deviations from which a measurement is first disbelieved, and believed when the
        next cycle's agrees.
    least_error_db
        No offset is known better: what anchors all of them errs.
    wet_mm_h
        Rain over a radar of a band with a lossy radome from which it counts as wet.
    radome_lasts
        Age up to which the loss of a wet radome is believed.
    correct_db, report_db
        Offsets from which one is taken off, and from which a radar is named.
    most_error_db
        Of an offset that is taken off; a radar that may be off by more is trusted less.
    radome_db
        Loss of a radome from which it is taken off.
    doubt
        What the quality of a radar in doubt is multiplied by.
    """

    well_kept_db: float = 1.0
    drift_db2_day: float = 0.5
    alike: timedelta = timedelta(hours=1)
    jump: float = 3.0
    least_error_db: float = 0.3
    wet_mm_h: float = 1.0
    radome_lasts: timedelta = timedelta(minutes=15)
    correct_db: float = 2.0
    report_db: float = 2.0
    most_error_db: float = 1.2
    radome_db: float = 0.7
    doubt: float = 0.5


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of one radar.

    Parameters
    ----------
    radar
        Code of the site.
    offset_db, error_db
        dB that it reads too high when dry, and the standard error.
    radome_db, radome_error_db
        What rain on its radome adds, at most 0, and the standard error; both 0 when dry.
    comparisons, samples
        Radars that it was last compared with, and in how many samples while dry; without any the
        offset is not known.
    zdr_db
        dB that its ZDR reads too high, NaN where unknown: watched alone.
    time
        When it was last compared.
    """

    radar: str
    offset_db: float
    error_db: float
    radome_db: float
    radome_error_db: float
    comparisons: int
    samples: int
    zdr_db: float
    time: datetime


@dataclass(frozen=True, slots=True)
class Correction:
    """What is done about a radar in a cycle.

    Parameters
    ----------
    offset_db, radome_db
        dB that are taken off for its calibration and for its wet radome.
    trust
        What its quality is multiplied by.
    """

    offset_db: float = 0.0
    radome_db: float = 0.0
    trust: float = 1.0

    @property
    def total_db(self) -> float:
        """All that is taken off."""
        return self.offset_db + self.radome_db


def followed(
    before: Calibration | None, found: Offset, time: datetime, wet: bool, params: MonitorParams
) -> Calibration:
    """Calibration after one more measurement.

    Of a dry radar the offset is followed by a scalar Kalman filter (Gelb 1974, Applied Optimal
    Estimation, table 4.2-1) whose measurement error is that of ``alike``, shared among the cycles
    in it. What a wet radar reads beyond its offset is laid to the radome.

    Parameters
    ----------
    before
        None where nothing was known.
    found, time, wet
        Measurement of this cycle; its time; whether rain may dim the radome.
    params
        Parameters.
    """
    zdr = np.nan if before is None else before.zdr_db
    none = Calibration(found.radar, 0.0, params.well_kept_db, 0.0, 0.0, 0, 0, zdr, time)
    known = none if before is None else _aged(before, time, params)
    now = replace(known, comparisons=found.comparisons, time=time)
    if wet:
        extra = min(found.offset_db - known.offset_db, 0.0)
        error = float(np.hypot(found.error_db, known.error_db))
        return replace(now, radome_db=extra, radome_error_db=error)
    dry = replace(now, samples=found.samples, radome_db=0.0, radome_error_db=0.0)
    if before is None or not before.samples:
        error = max(found.error_db, params.least_error_db)
        return replace(dry, offset_db=found.offset_db, error_db=error)
    surprise = found.offset_db - known.offset_db
    if abs(surprise) > params.jump * np.hypot(known.error_db, found.error_db):
        return replace(dry, error_db=abs(surprise))
    share = params.alike / max(time - before.time, timedelta(seconds=1))
    of_cycle = found.error_db**2 * max(share, 1.0)
    gain = known.error_db**2 / (known.error_db**2 + of_cycle)
    error = max(float(np.sqrt(1.0 - gain)) * known.error_db, params.least_error_db)
    return replace(dry, offset_db=known.offset_db + gain * surprise, error_db=error)


def _aged(before: Calibration, time: datetime, params: MonitorParams) -> Calibration:
    """The calibration at a later time: less sure, but never less than of a radar unknown."""
    days = max((time - before.time) / timedelta(days=1), 0.0)
    grown = float(np.sqrt(before.error_db**2 + params.drift_db2_day * days))
    most = max(before.error_db, params.well_kept_db)
    return replace(before, error_db=min(grown, most))


def unseen(
    radar: str, before: Calibration | None, time: datetime, wet: bool, params: MonitorParams
) -> Calibration | None:
    """Calibration of a radar that was compared with no other; None where nothing is known.

    A wet radome about which nothing is known may take several dB: its error is infinite.
    """
    if not wet:
        return None if before is None else replace(before, radome_db=0.0, radome_error_db=0.0)
    if before is None:
        before = Calibration(radar, 0.0, params.well_kept_db, 0.0, 0.0, 0, 0, float("nan"), time)
    return replace(before, radome_db=0.0, radome_error_db=float("inf"), time=time)


def correction(
    known: Calibration | None, time: datetime, params: MonitorParams, *, apply: bool
) -> Correction:
    """What to do about a radar in the cycle of that time.

    Parameters
    ----------
    known, time
        As left by the cycle before; time of this one.
    params
        Parameters.
    apply
        Whether offsets are taken off; otherwise a radar that needs it is left as it is.
    """
    if known is None or not apply:
        return Correction()
    offset, radome, trust = 0.0, 0.0, 1.0
    if abs(known.offset_db) >= params.correct_db and known.error_db <= params.most_error_db:
        offset = known.offset_db
    elif known.error_db > max(params.most_error_db, params.report_db):
        trust = params.doubt
    if time - known.time <= params.radome_lasts:
        if known.radome_error_db > params.most_error_db:
            trust = params.doubt
        elif known.radome_db <= -params.radome_db:
            radome = known.radome_db
    return Correction(offset, radome, trust)


def sentences(known: Calibration, done: Correction, params: MonitorParams) -> list[str]:
    """What a forecaster must know of a radar's calibration; empty where it is sound.

    Parameters
    ----------
    known, done
        As measured in this cycle; what this cycle did about it.
    params
        Parameters.
    """
    found = []
    otherwise = "weighs less" if done.trust < 1.0 else "not corrected"
    outcome = "corrected" if done.offset_db else otherwise
    if abs(known.offset_db) >= params.report_db:
        reads = _reads(known.offset_db)
        found.append(f"radar {known.radar} reads {reads} against its neighbours: {outcome}")
    elif known.error_db > params.report_db:
        found.append(f"radar {known.radar} has jumped against its neighbours: {outcome}")
    outcome = "corrected" if done.radome_db else otherwise
    if not np.isfinite(known.radome_error_db):
        found.append(f"radar {known.radar} has rain on it and no neighbour to compare: {outcome}")
    elif known.radome_db <= -params.radome_db:
        reads = _reads(known.radome_db)
        found.append(f"radar {known.radar} has rain on it and reads {reads}: {outcome}")
    return found


def _reads(offset_db: float) -> str:
    return f"{abs(offset_db):.1f} dB {'high' if offset_db > 0 else 'low'}"


def to_dataset(known: Mapping[str, Calibration]) -> xr.Dataset:
    """Calibrations as a state: one row a radar, codes in the attribute ``radars``."""
    rows = [known[code] for code in sorted(known)]
    return xr.Dataset(
        {
            **{
                name: ("radar", np.array([getattr(row, name) for row in rows], np.float64))
                for name in _COLUMNS
            },
            "compared": (
                "radar",
                np.array([to_numpy(row.time) for row in rows], "datetime64[ns]"),
            ),
        },
        attrs={"radars": " ".join(row.radar for row in rows)},
    )


def from_dataset(state: xr.Dataset) -> dict[str, Calibration]:
    """Read the calibrations of `to_dataset`."""
    codes = str(state.attrs["radars"]).split()
    columns = {name: state[name].values for name in _COLUMNS}
    return {
        code: Calibration(
            code,
            float(columns["offset_db"][k]),
            float(columns["error_db"][k]),
            float(columns["radome_db"][k]),
            float(columns["radome_error_db"][k]),
            int(columns["comparisons"][k]),
            int(columns["samples"][k]),
            float(columns["zdr_db"][k]),
            from_numpy(state["compared"].values[k]),
        )
        for k, code in enumerate(codes)
    }
