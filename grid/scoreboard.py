"""The scoreboard of a store: ``scores/<YYYYMMDD>.nc``, what issued forecasts came to, as sums.

One file a day (UTC) of valid times, with sums an hour (``grid.score_sums``); the cycles that were
entered are named in the attribute ``cycles``, so that one that runs again changes nothing. A file
is replaced whole: readers see the old or the new one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jinghu.grid import durable
from jinghu.grid.errors import StoreError
from jinghu.grid.score_sums import OUTCOMES, TILES, added, diagram, scores, summed
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, to_numpy

_FOLDER = "scores"
_DAY = timedelta(days=1)
_HOUR, _MINUTE = np.timedelta64(1, "h"), np.timedelta64(1, "m")
_PROBABILITY = (
    "observed_frequency",
    "brier",
    "brier_skill",
    "reliability",
    "resolution",
    "roc_area",
)
_ENSEMBLE = ("ensemble_cells", "crps", "fair_crps", "ensemble_variance", "squared_error", "error")


def entered(store: Store, time: datetime) -> bool:
    """Whether the cycle of this analysis time is on the scoreboard; damaged days count as empty."""
    path = _path(store, time)
    if not path.exists():
        return False
    try:
        return cycle_name(time) in _cycles(_read(path))
    except StoreError:
        return False


def enter(store: Store, time: datetime, sums: xr.Dataset) -> bool:
    """Add the sums of one cycle to its day.

    Parameters
    ----------
    store
        The store.
    time
        Analysis time of the cycle: the valid time of what was scored.
    sums
        Of ``grid.score_sums``; dimensions of its own may come first.

    Returns
    -------
    Whether they were added: False where the cycle is entered already.

    Raises
    ------
    StoreError
        Where the day's file is damaged or cannot be written.
    """
    path = _path(store, time)
    hour = to_numpy(time).astype("datetime64[h]").astype("datetime64[ns]")
    mine = sums.expand_dims(hour=[hour])
    cycles: list[str] = []
    if path.exists():
        day = _read(path)
        cycles = _cycles(day)
        if cycle_name(time) in cycles:
            return False
        mine = day if _added_in_place(day, mine) else added(day, mine)
    _write(path, mine.assign_attrs(cycles=" ".join(sorted([*cycles, cycle_name(time)]))))
    return True


def _added_in_place(day: xr.Dataset, mine: xr.Dataset) -> bool:
    """Add an hour to a day of the same labels, which is the usual case and takes no aligning."""
    others = set(mine.indexes) - {"hour"}
    same = (
        set(day.data_vars) == set(mine.data_vars)
        and set(day.indexes) == set(mine.indexes)
        and all(day.indexes[name].equals(mine.indexes[name]) for name in others)
        and all(day[name].dims == mine[name].dims for name in mine.data_vars)
        and all(day.sizes[dim] == n for dim, n in mine.sizes.items() if dim != "hour")
    )
    at = np.flatnonzero(day["hour"].values == mine["hour"].values[0])
    if not same or not at.size:
        return False
    for name in mine.data_vars:
        values = mine[name].values  # the hour comes first
        day[name].values[at] += values.astype(day[name].dtype, copy=False)
    return True


def period(store: Store, start: datetime | None, end: datetime | None) -> xr.Dataset | None:
    """Sums of the hours whose valid times lie from ``start`` up to ``end``, end included.

    Returns
    -------
    Sums over these hours with the attributes ``cycles`` (their number), ``start`` and ``end``
    (first and last hour with anything in it); None where there is nothing.

    Raises
    ------
    StoreError
        Where a day's file is damaged.
    """
    low = None if start is None else to_numpy(start).astype("datetime64[h]")
    high = None if end is None else to_numpy(end)
    whole: xr.Dataset | None = None
    hours: list[np.datetime64] = []
    cycles = 0
    for path in sorted((store.root / _FOLDER).glob("[0-9]*.nc")):
        if not _of_period(path, start, end):
            continue
        day = _read(path)
        at = day["hour"].values
        keep = np.ones(at.size, bool) if low is None else at >= low
        keep &= np.ones(at.size, bool) if high is None else at <= high
        if not keep.any():
            continue
        hours += list(at[keep])
        names = [datetime.strptime(name, "%Y%m%dT%H%MZ") for name in _cycles(day)]
        cycles += sum(
            np.datetime64(name, "h") in at[keep].astype("datetime64[h]") for name in names
        )
        part = day.isel(hour=keep).sum("hour", skipna=False)
        whole = part if whole is None else added(whole, part)
    if whole is None:
        return None
    return whole.assign_attrs(
        cycles=cycles, start=f"{min(hours).astype('datetime64[s]')}Z",
        end=f"{(max(hours) + _HOUR).astype('datetime64[s]')}Z",
    )  # fmt: skip


def _of_period(path: Path, start: datetime | None, end: datetime | None) -> bool:
    """Whether a day may hold hours of a period."""
    try:
        day = datetime.strptime(path.stem, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return False
    return (start is None or day + _DAY > start) and (end is None or day <= end)


def _path(store: Store, time: datetime) -> Path:
    return store.root / _FOLDER / f"{time.astimezone(UTC):%Y%m%d}.nc"


def _cycles(day: xr.Dataset) -> list[str]:
    return str(day.attrs.get("cycles", "")).split()


def _read(path: Path) -> xr.Dataset:
    try:
        return xr.load_dataset(path, engine="netcdf4", decode_timedelta=True)
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{path}: {' '.join(str(error).split())[:200]}") from None


def _write(path: Path, day: xr.Dataset) -> None:
    path.parent.mkdir(exist_ok=True)
    durable.remove_leftovers(path.parent)
    temporary = durable.temporary_beside(path)
    encoding = {name: {"zlib": True, "complevel": 1} for name in day.data_vars}
    try:
        day.drop_encoding().to_netcdf(temporary, engine="netcdf4", encoding=encoding)
        durable.fsync_path(temporary)
        temporary.replace(path)
        durable.fsync_path(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from None


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """Scores of one method at one lead and threshold; None where there is nothing to score."""

    method: str
    lead_min: float
    threshold_mm_h: float
    forecasts: int
    hits: int
    misses: int
    false_alarms: int
    correct_negatives: int
    csi: float | None
    pod: float | None
    far: float | None
    frequency_bias: float | None

    def as_dict(self) -> dict[str, Any]:
        """Names and values, for JSON and CSV."""
        return {name: getattr(self, name) for name in self.__slots__}


def tables(sums: xr.Dataset, tile: tuple[float, float] | None = None) -> list[ScoreRow]:
    """Rows by method, lead and threshold, of one tile (middle y, x in m) or of all places."""
    counted = sums[[*OUTCOMES, "forecasts"]]
    whole = summed(counted, TILES) if tile is None else counted.sel(tile_y=tile[0], tile_x=tile[1])
    found = scores(whole)
    rows = []
    for method in whole["method"].values:
        for limit in whole["rate_threshold"].values:
            for lead in whole["lead_time"].values:
                at = {"method": method, "rate_threshold": limit, "lead_time": lead}
                counts, of = whole.sel(at), found.sel(at)
                rows.append(
                    ScoreRow(
                        str(method),
                        float(lead / _MINUTE),
                        float(limit),
                        int(counts["forecasts"]),
                        *(int(counts[name]) for name in OUTCOMES),
                        *(_known(of[n]) for n in ("csi", "pod", "far", "frequency_bias")),
                    )
                )
    return rows


def probability_rows(sums: xr.Dataset) -> list[dict[str, Any]]:
    """Scores and reliability diagram of probabilities by lead and threshold that had any."""
    names = ["probability_cells", "probability_sum", "event_count", "brier_sum"]
    if any(name not in sums for name in names):
        return []
    whole = sums[names]
    found, drawn = scores(whole), diagram(whole)
    rows = []
    for limit in whole["rate_threshold"].values:
        for lead in whole["lead_time"].values:
            at = {"rate_threshold": limit, "lead_time": lead}
            of, bins = found.sel(at), drawn.sel(at)
            if not float(bins["cells"].sum()) > 0:
                continue
            rows.append(
                {
                    "lead_min": float(lead / _MINUTE),
                    "threshold_mm_h": float(limit),
                    **{name: _known(of[name]) for name in _PROBABILITY},
                    "diagram": {
                        name: [_known(value) for value in bins[name]]
                        for name in ("said", "was", "cells")
                    },
                }
            )
    return rows


def ensemble_rows(sums: xr.Dataset) -> list[dict[str, Any]]:
    """CRPS, spread and error of the members, and their ranks, by lead that had any."""
    if "ensemble_cells" not in sums:
        return []
    found = scores(sums[[n for n in sums.data_vars if "lead_time" in sums[n].dims
                         and n in _ENSEMBLE]])  # fmt: skip
    rows = []
    for k, lead in enumerate(sums["lead_time"].values):
        if not int(sums["ensemble_cells"][k]) > 0:
            continue
        of = found.isel(lead_time=k)
        names = ("mean_crps", "mean_error", "rmse", "spread", "spread_error")
        rows.append(
            {
                "lead_min": float(lead / _MINUTE),
                **{name: _known(of[name]) for name in names if name in of},
                "ranks": [round(float(v), 2) for v in sums["rank_count"][k].values],
            }
        )
    return rows


def _known(value: xr.DataArray) -> float | None:
    """Value for JSON, which has no NaN."""
    number = float(value)
    return float(f"{number:.6g}") if np.isfinite(number) else None
