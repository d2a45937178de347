"""Trust in radials: the formats have no checksum, so radials must agree with one another.

What can be checked is the header: it must be plausible, hold the bytes that all headers hold, and
follow from the radial before it in number, azimuth and time. The body has no check but its frame:
bytes that lack, were put in or belong to another radial show in what stands right behind the
length that the header declares. There must stand the successor, by its number, or the end of the
data (`succeeded`); so no radial is made of two, at the price of the one before a gap.

What cannot be known: **a changed byte inside gate data**, and whether the very last radial is made
of two of one size, where the data end with it. Headers are 3 to 5 % of a file; if several of them
are hit at separate places, gate data are hit some twenty times as often in radials that look
sound, and the file is refused as a whole (`refuse_if_scattered`).
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.radar.rows import records

_LOOK_BACK = 512  # radials that may lie, refused, between two that follow one another
_RAY, _JUMP = 2, 3  # a jump costs more than one ray and less than two: see `following`
_TOLERANCE, _TOLERANCE_A_STEP = 0.4, 0.1  # of the ray spacing
_MIN_TOLERANCE_DEG = 0.2
_MIN_NUMBERED = 0.8
_MIN_SUCCEEDED, _FEW = 0.5, 20
_BEGINNINGS, _ENDS = (0, 3, 5), (2, 4, 6)  # states of radials: of cuts, volumes, RHIs
_SCATTERED_RADIALS, _SCATTERED_SHARE = 4, 0.001


@dataclass(frozen=True, slots=True)
class Found:
    """Radials found in the bytes so far, for those who cannot wait for the last.

    Parameters
    ----------
    at, end
        (radial,) where each begins and ends.
    cut, state
        (radial,) number of its cut, and 2 where it ends the cut, 4 where it ends the volume.
    searched
        Where the search goes on when there are more bytes.
    """

    at: NDArray[np.int64]
    end: NDArray[np.int64]
    cut: NDArray[np.int64]
    state: NDArray[np.int64]
    searched: int


def refuse_if_scattered(scarred: int, radials: int, source: str) -> None:
    """Refuse a file whose headers are damaged at many separate places.

    Up to four scarred headers, or one in a thousand, may be single accidents; more show damage
    that is spread over the whole file, gate data included.

    Raises
    ------
    DataError
        Names the file and the count.
    """
    if scarred > max(_SCATTERED_RADIALS, _SCATTERED_SHARE * radials):
        cause = (
            f"damaged throughout: bytes are changed in the headers of {scarred} of about"
            f" {radials} radials, so the gate values, which no checksum guards, cannot be trusted"
        )
        raise DataError(source, cause)


def succeeded(
    buffer: NDArray[np.uint8], headers: NDArray[Any], end: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mark the radials that end where the data end or the header of their successor begins.

    The successor has the next sequence number or, in layouts without one, the next number in the
    same cut, or it begins a cut where this one ends another. A file in which most radials have no
    successor does not number them, and is believed.

    Parameters
    ----------
    buffer
        (byte,) the data.
    headers
        (radial,) records that name cut, number, state and perhaps sequence.
    end
        (radial,) offset behind each by its declared length.
    """
    at_end = np.asarray(end == len(buffer))
    readable = np.flatnonzero(end + headers.dtype.itemsize <= len(buffer))
    own, behind = headers[readable], records(buffer, end[readable], headers.dtype)
    if "sequence" in (headers.dtype.names or ()):
        follows = behind["sequence"] == own["sequence"] + 1
    else:
        same = behind["elevation_number"] == own["elevation_number"]
        closed = np.isin(own["state"], _ENDS) & np.isin(behind["state"], _BEGINNINGS)
        follows = np.where(same, behind["radial_number"] == own["radial_number"] + 1, closed)
    if len(follows) >= _FEW and follows.mean() < _MIN_SUCCEEDED:
        return np.ones(len(headers), bool)
    at_end[readable[follows]] = True
    return np.asarray(at_end, bool)


def scarred(fixed: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark headers with a byte unlike those of both neighbours, which are alike.

    Parameters
    ----------
    fixed
        (radial, position) bytes that the format reserves or that hold the high ends of small
        numbers. Positions that change on their own in this file count as live and are left out:
        random damage hits all positions alike.

    Returns
    -------
    (radial,) marks; the first and the last radial have no two neighbours.
    """
    marks = np.zeros(len(fixed), bool)
    if len(fixed) < 3:
        return marks
    before, here, after = fixed[:-2], fixed[1:-1], fixed[2:]
    odd = (before == after) & (here != before)
    count = odd.sum(axis=0)
    odd[:, count > 2 + 5 * count.mean()] = False
    marks[1:-1] = odd.any(axis=1)
    return marks


def following(
    cut: NDArray[np.int64],
    number: NDArray[np.int64],
    azimuth_deg: NDArray[np.float32],
    time_s: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Mark the radials of the best chain in which each follows from the one before.

    Cuts and times never go back; inside a cut the numbers rise. A link is a jump where the azimuth
    is not where the numbers and the spacing of the cut put it (0.5 spacings for neighbours), or
    where much more or less time passed than the radials in between explain. Every radial of the
    chain counts 2, every jump -3: a radial with a changed header, which needs a jump to and another
    from it, is left out, while a real gap in a scan costs nothing but its jump. Repeated radials
    cannot follow one another.

    Parameters
    ----------
    cut, number
        (radial,) number of the cut, and of the radial in the cut.
    azimuth_deg, time_s
        (radial,) degrees, seconds.
    """
    if len(cut) == 0:
        return np.zeros(0, bool)
    numbers = _numbers(cut, number)
    spacing, interval = _usual(cut, numbers, azimuth_deg, time_s)
    return np.asarray(
        _best_chain(cut, numbers, azimuth_deg.astype(np.float64), time_s, spacing, interval)
    )


def missing(
    cut: NDArray[np.int64], number: NDArray[np.int64], state: NDArray[np.int64]
) -> tuple[str, ...]:
    """Name what lacks between the first and the last radial: numbers, beginnings, ends of cuts.

    States: 0 begins a cut, 3 the volume, 5 an RHI; 2 ends a cut, 4 the volume, 6 an RHI.
    """
    step = number[1:] - number[:-1]
    same = cut[1:] == cut[:-1]
    numbered = not same.any() or (step == 1)[same].mean() >= _MIN_NUMBERED
    lost = int((step - 1)[same].sum()) if numbered else 0
    begins = np.concatenate([[True], ~same])
    ends = np.concatenate([~same, [False]])  # the end of the volume is another matter
    open_cuts = int((begins & ~np.isin(state, _BEGINNINGS)).sum())
    open_cuts += int((ends & ~np.isin(state, _ENDS)).sum())
    problems: tuple[str, ...] = ()
    if lost:
        problems += (f"{lost} radials are missing inside sweeps",)
    if open_cuts:
        problems += (f"{open_cuts} beginnings or ends of sweeps are missing",)
    return problems


def _numbers(cut: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the radials in their cuts; counted, where the file does not number them."""
    same = cut[1:] == cut[:-1]
    if not same.any() or (number[1:] - number[:-1] == 1)[same].mean() >= _MIN_NUMBERED:
        return number
    counted = np.empty_like(number)
    for one in np.unique(cut):
        rows = cut == one
        counted[rows] = np.arange(rows.sum())
    return counted


def _usual(
    cut: NDArray[np.int64],
    number: NDArray[np.int64],
    azimuth_deg: NDArray[np.float32],
    time_s: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Azimuth (deg, signed) and time (s) from radial to radial, each the median of its cut."""
    spacing, interval = np.full(len(cut), np.nan), np.full(len(cut), np.nan)
    turn = (np.diff(azimuth_deg.astype(np.float64)) + 180.0) % 360.0 - 180.0
    neighbours = (np.diff(cut) == 0) & (np.diff(number) == 1)
    for one in np.unique(cut):
        pairs = neighbours & (cut[1:] == one)
        if pairs.sum() >= 3:
            spacing[cut == one] = np.median(turn[pairs])
            interval[cut == one] = np.median(np.diff(time_s)[pairs])
    return spacing, interval


@numba.njit(cache=True)
def _follows(
    gap: int,
    turn_deg: float,
    seconds: float,
    spacing: float,
    interval: float,
) -> bool:
    """Whether a radial is where the numbers put it, seen from an earlier one of its cut."""
    if not np.isnan(spacing):
        off = abs((turn_deg - spacing * gap + 180.0) % 360.0 - 180.0)
        allowed = abs(spacing) * (_TOLERANCE + _TOLERANCE_A_STEP * gap)
        if off > max(allowed, _MIN_TOLERANCE_DEG):
            return False
    if np.isnan(interval):
        return True
    usual = gap * interval
    return bool(usual / 3.0 - 1.0 <= seconds <= usual * 3.0 + 1.0)


@numba.njit(cache=True)
def _best_chain(
    cut: NDArray[np.int64],
    number: NDArray[np.int64],
    azimuth: NDArray[np.float64],
    time: NDArray[np.float64],
    spacing: NDArray[np.float64],
    interval: NDArray[np.float64],
) -> NDArray[np.bool_]:
    n = len(cut)
    score = np.empty(n, np.int64)
    before = np.full(n, -1, np.int64)
    highest = 0
    for i in range(n):
        score[i] = _RAY
        for j in range(i - 1, max(i - 1 - _LOOK_BACK, -1), -1):
            if score[i] == highest + _RAY:
                break
            if score[j] + _RAY <= score[i] or cut[j] > cut[i] or time[j] > time[i] + 1e-3:
                continue
            gap = number[i] - number[j]
            gain = _RAY
            if cut[j] != cut[i]:
                if gap == 1:  # the next of its cut, with another cut's number
                    continue
            elif gap < 1:
                continue
            elif not _follows(
                gap, azimuth[i] - azimuth[j], time[i] - time[j], spacing[i], interval[i]
            ):
                gain -= _JUMP
            if score[j] + gain > score[i]:
                score[i] = score[j] + gain
                before[i] = j
        highest = max(highest, score[i])
    marks = np.zeros(n, np.bool_)
    at = int(np.argmax(score))
    while at >= 0:
        marks[at] = True
        at = before[at]
    return marks
