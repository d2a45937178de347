"""Tracks of storm cells: which cell of a field is which of the one before, and where it goes.

Cells of the earlier field are moved to the later time; those that overlap are the same (as
Han et al. 2009, J. Atmos. Ocean. Technol. 26, 719-732), then those that lie near, both as the
assignment that is best in sum (Dixon & Wiener 1993, J. Atmos. Ocean. Technol. 10, 785-797).
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from jinghu.grid.errors import ConfigError, DataError
from jinghu.nowcast.cells import CellField, StormCell
from jinghu.nowcast.motion import spacing


@dataclass(frozen=True, slots=True)
class TrackParams:
    """How cells are followed.

    Parameters
    ----------
    longest_gap_s
        Fields farther apart share no cells.
    least_overlap
        Share of the smaller of two cells that must overlap for them to be one.
    reach_m, area_ratio
        Without overlap: how far off, and how much larger or smaller, a cell may be.
    held_share
        Share of a cell that must lie in another for a merger or a split.
    kept_s
        Past that a track remembers.
    field_weight
        The motion of the field counts as much as so many steps of a track.
    error_m, error_m_s
        Some 70 % of forecast positions are off by less than ``sqrt(error_m^2 + (error_m_s t)^2)``
        (benchmarks/look_cells.py).
    """

    longest_gap_s: float = 1800.0
    least_overlap: float = 0.25
    reach_m: float = 8_000.0
    area_ratio: float = 4.0
    held_share: float = 0.5
    kept_s: float = 3600.0
    field_weight: float = 3.0
    error_m: float = 3_000.0
    error_m_s: float = 3.0


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """A cell at an earlier time: centroid (m), area, highest rate."""

    time: np.datetime64
    x_m: float
    y_m: float
    area_km2: float
    max_mm_h: float


@dataclass(frozen=True, slots=True)
class Track:
    """A storm cell with its past.

    Parameters
    ----------
    number
        Identity; never given twice.
    cell
        As it is now.
    born
        Time of its first field.
    steady
        Time since when it neither merged nor split; motion and trend are of that past.
    points
        Its last positions, the newest last.
    motion_x_m_s, motion_y_m_s
        Velocity along the grid's axes.
    merged, split_from
        Numbers of the tracks that ended in it, and of the one that it came from (0: none), at
        any time.
    """

    number: int
    cell: StormCell
    born: np.datetime64
    steady: np.datetime64
    points: tuple[TrackPoint, ...]
    motion_x_m_s: float
    motion_y_m_s: float
    merged: tuple[int, ...] = ()
    split_from: int = 0

    @property
    def speed_m_s(self) -> float:
        """Speed."""
        return float(np.hypot(self.motion_x_m_s, self.motion_y_m_s))

    @property
    def direction_deg(self) -> float:
        """Where it goes, clockwise from the grid's north; NaN where it stands."""
        if self.speed_m_s < 0.1:
            return float("nan")
        return float(np.degrees(np.arctan2(self.motion_x_m_s, self.motion_y_m_s)) % 360.0)

    def trend(self) -> tuple[float, float]:
        """Growth of area (km2/h) and of the highest rate (mm/h per h); NaN before three fields."""
        of = [p for p in self.points if p.time >= self.steady]
        if len(of) < 3:
            return float("nan"), float("nan")
        hours = np.array([(p.time - of[-1].time) / np.timedelta64(1, "h") for p in of])
        area, highest = (
            float(np.polyfit(hours, values, 1)[0])
            for values in ([p.area_km2 for p in of], [p.max_mm_h for p in of])
        )
        return area, highest


@dataclass(frozen=True, slots=True)
class CellTracks:
    """Tracks of the cells of one time; what the next field is compared with.

    Parameters
    ----------
    time, labels
        Of the field; (y, x), the track of label k is ``tracks[k - 1]``.
    tracks
        One for each cell.
    next_number
        Of the next new track.
    """

    time: np.datetime64
    labels: NDArray[np.int32]
    tracks: tuple[Track, ...]
    next_number: int


def track_cells(
    previous: CellTracks | None,
    found: CellField,
    motion: xr.Dataset,
    params: TrackParams | None = None,
) -> CellTracks:
    """Continue tracks with the cells of a later field.

    Parameters
    ----------
    previous
        Tracks up to an earlier field, None to begin.
    found
        Cells of the field.
    motion
        ``motion_x``, ``motion_y`` (y, x) in m s-1 on its grid.
    params
        Parameters.

    Raises
    ------
    ConfigError
        Where the field is not later than the tracks, or on another grid.
    """
    params = params or TrackParams()
    known = previous if previous is not None else CellTracks(found.time, found.labels, (), 1)
    if known.labels.shape != found.labels.shape:
        raise ConfigError(f"tracks of {known.labels.shape} cells, a field of {found.labels.shape}")
    seconds = float((found.time - known.time) / np.timedelta64(1, "s"))
    if previous is not None and seconds <= 0:
        raise ConfigError(f"tracks end at {known.time}, the field is of {found.time}")
    gone = known.tracks if seconds <= params.longest_gap_s else ()
    overlap = _overlap(known.labels, found.labels, gone, motion, seconds)
    heirs = _heirs(gone, found.cells, overlap, _cell_km2(motion), seconds, params)
    held = overlap * _cell_km2(motion)
    tracks, number = [], known.next_number
    for c, cell in enumerate(found.cells):
        before = gone[heirs[c]] if c in heirs else None
        from_area = np.array([t.cell.area_km2 for t in gone])
        inside = held[:, c] >= params.held_share * from_area if gone else np.zeros(0, bool)
        others = [p for p in np.flatnonzero(inside) if p not in heirs.values()]
        merged = tuple(gone[p].number for p in others)
        if before is not None:
            parted = any(
                k != c and k not in heirs
                and held[heirs[c], k] >= params.held_share * found.cells[k].area_km2
                for k in range(len(found.cells))
            )  # fmt: skip
            tracks.append(_continued(before, cell, found.time, merged, parted, motion, params))
            continue
        parent = _parent(held[:, c], cell, gone, params)
        tracks.append(_new(number, cell, found.time, merged, parent, motion))
        number += 1
    return CellTracks(found.time, found.labels, tuple(tracks), number)


def _cell_km2(motion: xr.Dataset) -> float:
    along_x, along_y = spacing(motion)
    return abs(along_x * along_y) / 1e6


def _overlap(
    before: NDArray[np.int32],
    now: NDArray[np.int32],
    tracks: tuple[Track, ...],
    motion: xr.Dataset,
    seconds: float,
) -> NDArray[np.int64]:
    """Common places (track, cell) of the tracks' cells, moved to now, and those of now."""
    out = np.zeros((len(tracks), int(now.max(initial=0))), np.int64)
    if not tracks or not out.shape[1]:
        return out
    along_x, along_y = spacing(motion)
    row, column = np.nonzero(before)
    of = before[row, column] - 1
    shift_x = np.array([t.motion_x_m_s * seconds / along_x for t in tracks])
    shift_y = np.array([t.motion_y_m_s * seconds / along_y for t in tracks])
    row = row + np.rint(shift_y).astype(np.int64)[of]
    column = column + np.rint(shift_x).astype(np.int64)[of]
    inside = (row >= 0) & (row < now.shape[0]) & (column >= 0) & (column < now.shape[1])
    of, label = of[inside], now[row[inside], column[inside]]
    np.add.at(out, (of[label > 0], label[label > 0] - 1), 1)
    return out


def _heirs(
    gone: tuple[Track, ...],
    cells: tuple[StormCell, ...],
    overlap: NDArray[np.int64],
    cell_km2: float,
    seconds: float,
    params: TrackParams,
) -> dict[int, int]:
    """Cell to the track that it continues."""
    if not gone or not cells:
        return {}
    old = np.array([t.cell.area_km2 for t in gone])[:, None]
    new = np.array([c.area_km2 for c in cells])[None]
    common = overlap * cell_km2
    like = np.where(common >= params.least_overlap * np.minimum(old, new), common / (old + new), 0)
    found = _assigned(like)
    x = np.array([t.cell.x_m + t.motion_x_m_s * seconds for t in gone])[:, None]
    y = np.array([t.cell.y_m + t.motion_y_m_s * seconds for t in gone])[:, None]
    away = np.hypot(
        x - np.array([c.x_m for c in cells])[None], y - np.array([c.y_m for c in cells])[None]
    )
    size = np.maximum(old / new, new / old) <= params.area_ratio
    near = np.where(size & (away <= params.reach_m), 1.0 - away / (2 * params.reach_m), 0)
    near[list(found.values())] = 0
    near[:, list(found)] = 0
    return found | _assigned(near)


def _assigned(score: NDArray[np.float64]) -> dict[int, int]:
    """Column to row with the largest sum of scores; zero is none."""
    rows, columns = linear_sum_assignment(-score)
    return {int(c): int(r) for r, c in zip(rows, columns, strict=True) if score[r, c] > 0}


def _parent(
    held: NDArray[np.floating], cell: StormCell, gone: tuple[Track, ...], params: TrackParams
) -> int:
    """Number of the track in whose moved area most of a new cell lies; 0 where there is none."""
    if not gone or held.max() < params.held_share * cell.area_km2:
        return 0
    return gone[int(held.argmax())].number


def _new(
    number: int,
    cell: StormCell,
    time: np.datetime64,
    merged: tuple[int, ...],
    parent: int,
    motion: xr.Dataset,
) -> Track:
    u, v = _field_motion(motion, cell)
    return Track(number, cell, time, time, (_point(cell, time),), u, v, merged, parent)


def _continued(
    before: Track,
    cell: StormCell,
    time: np.datetime64,
    merged: tuple[int, ...],
    parted: bool,
    motion: xr.Dataset,
    params: TrackParams,
) -> Track:
    oldest = time - np.timedelta64(round(params.kept_s), "s")
    points = (*(p for p in before.points if p.time >= oldest), _point(cell, time))
    # Its centre of mass jumped: what was before tells no velocity.
    steady = time if merged or parted else before.steady
    u, v = _field_motion(motion, cell)
    of = [p for p in points if p.time >= steady]
    if len(of) > 1:
        seconds = np.array([(p.time - time) / np.timedelta64(1, "s") for p in of])
        weight = (len(of) - 1) / (len(of) - 1 + params.field_weight)
        u += weight * (float(np.polyfit(seconds, [p.x_m for p in of], 1)[0]) - u)
        v += weight * (float(np.polyfit(seconds, [p.y_m for p in of], 1)[0]) - v)
    return Track(
        before.number, cell, before.born, steady, points, u, v,
        (*before.merged, *merged), before.split_from,
    )  # fmt: skip


def _point(cell: StormCell, time: np.datetime64) -> TrackPoint:
    return TrackPoint(time, cell.x_m, cell.y_m, cell.area_km2, cell.max_mm_h)


def _field_motion(motion: xr.Dataset, cell: StormCell) -> tuple[float, float]:
    """Motion of the field at the cell."""
    at = motion.sel(x=cell.x_m, y=cell.y_m, method="nearest")
    u, v = float(at["motion_x"]), float(at["motion_y"])
    if not np.isfinite([u, v]).all():
        raise DataError("storm cells", "the motion has missing values; fill them first")
    return u, v
