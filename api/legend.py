"""Frames are one byte a cell: what each of the 256 codes means, and how it is drawn.

A code carries the value's class and what it rests on, so that dry, missing, blocked, stale and
filled stay different things on every screen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.fields import State

CLASSES = 80  # of values; class 0 is dry
BLOCK = CLASSES + 1  # codes of one kind of value: measured, stale, filled
MISSING = 254
BLOCKED = 255
QUALITY_STEPS = 200


class Mark(StrEnum):
    """What the value of a code rests on, where it is not an observation of its time."""

    MISSING = "missing"
    BLOCKED = "blocked"
    STALE = "stale"
    FILLED = "filled"


@dataclass(frozen=True, slots=True)
class Break:
    """One colour of a legend: from ``lower`` on."""

    lower: float
    colour: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Meaning of the 256 codes; None where a code is not used or has no value or colour."""

    id: str
    unit: str
    breaks: tuple[Break, ...]
    values: tuple[float | None, ...]
    colours: tuple[str | None, ...]
    marks: tuple[Mark | None, ...]


STATE_WORDS = {
    State.DRY: ("无雨", "dry", "#1d2b36"),
    State.WET: ("有雨", "wet", "#2f86c5"),
    State.MISSING: ("缺测", "missing", "#7a7f87"),
    State.BLOCKED: ("遮挡", "blocked", "#8a6f4d"),
    State.STALE: ("过时", "stale", "#b39c3c"),
    State.FILLED: ("填补", "filled", "#7c62b0"),
}
LEVEL_WORDS = (
    ("无", "none", None),
    ("蓝色", "blue", "#2f7bff"),
    ("黄色", "yellow", "#ffd400"),
    ("橙色", "orange", "#ff8a00"),
    ("红色", "red", "#ff2d2d"),
)
# The colours of national rain maps, with the darkest ones lifted for a dark screen.
_RAIN = ("#a6f28e", "#3dba3d", "#61b8ff", "#2c5cff", "#fa00fa", "#b3005f")
_RATE_LOWER = (0.1, 1.6, 7.0, 15.0, 25.0, 40.0, 50.0, 100.0)
_RATE_COLOURS = (*_RAIN[:4], "#8a3dff", "#fa00fa", "#b3005f", "#ffc2d6")
# Lower bounds of the rain grades of a window (GB/T 28592-2012 for 12 h and 24 h).
AMOUNT_LOWER = {
    1: (0.1, 1.6, 7.0, 15.0, 40.0, 50.0),
    3: (0.1, 3.0, 10.0, 20.0, 50.0, 100.0),
    6: (0.1, 4.0, 13.0, 25.0, 50.0, 120.0),
    12: (0.1, 5.0, 15.0, 30.0, 50.0, 140.0),
    24: (0.1, 10.0, 25.0, 50.0, 100.0, 250.0),
}


# Reflectivity colours of the national products, from 10 dBZ as on the public mosaic.
_DBZ_COLOURS = (
    "#01a0f6", "#00ecec", "#00d800", "#019000", "#ffff00", "#e7c000", "#ff9000", "#ff0000",
    "#d60000", "#c00000", "#ff00f0", "#9600b4", "#ad90f0",
)  # fmt: skip
_DBZ = (tuple(10.0 + 5.0 * k for k in range(13)), _DBZ_COLOURS, 90.0)
_TOP = (tuple(2.0 * k for k in range(1, 10)), (*_DBZ_COLOURS[:8], "#ff00f0"), 22.0)
_LIQUID = ((0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0), _TOP[1], 80.0)
_SHARE = ((5.0, *(10.0 * k for k in range(1, 10))), (*_DBZ_COLOURS[1:10], "#ff00f0"), 100.0)
# name -> unit, and lower bounds of the colours, the colours, and the top of the scale
_COLUMN = {
    "reflectivity": ("dBZ", *_DBZ),
    "echo_top": ("km", *_TOP),
    "liquid": ("kg m-2", *_LIQUID),
    "probability": ("%", *_SHARE),
}


def edges(lower: Sequence[float], top: float) -> NDArray[np.float64]:
    """Lower bounds of the value classes: equal ratios between the colours' bounds.

    The colours' own bounds are among them, so that no class has two colours.

    >>> edges((0.1, 1.6, 7.0), 300.0).size
    80
    """
    bounds = np.log(np.append(np.asarray(lower, np.float64), top))
    share = np.diff(bounds) / (bounds[-1] - bounds[0])
    ends = np.rint(np.cumsum(share) * CLASSES).astype(int)
    starts = np.append(0, ends[:-1])
    parts = [
        np.linspace(bounds[k], bounds[k + 1], ends[k] - starts[k], endpoint=False)
        for k in range(len(lower))
    ]
    found = np.asarray(np.exp(np.concatenate(parts)))
    found[starts] = lower  # to the last bit: 100 mm is not below 100 mm
    return found


def rain_scale(
    name: str, unit: str, lower: Sequence[float], colours: Sequence[str], top: float
) -> Scale:
    """Scale of a rain rate or amount: three blocks of classes, then missing and blocked."""
    low = edges(lower, top)
    middle = np.sqrt(low * np.append(low[1:], top))
    value = [0.0, *(float(f"{v:.3g}") for v in middle)]
    index = np.searchsorted(np.asarray(lower), low * (1 + 1e-9), side="right") - 1
    colour = [None, *(colours[k] for k in index)]
    return _coded(name, unit, (lower, colours), value, colour)


def _coded(
    name: str,
    unit: str,
    legend: tuple[Sequence[float], Sequence[str]],
    value: Sequence[float],
    colour: Sequence[str | None],
) -> Scale:
    """Scale of classes measured, stale and filled, then missing and blocked."""
    values: list[float | None] = [*[*value] * 3, *[None] * (256 - 3 * BLOCK)]
    drawn: list[str | None] = [*[*colour] * 3, *[None] * (256 - 3 * BLOCK)]
    marks: list[Mark | None] = [None] * 256
    marks[BLOCK : 2 * BLOCK] = [Mark.STALE] * BLOCK
    marks[2 * BLOCK : 3 * BLOCK] = [Mark.FILLED] * BLOCK
    marks[MISSING], marks[BLOCKED] = Mark.MISSING, Mark.BLOCKED
    breaks = tuple(Break(v, c, f"{v:g}", f"{v:g}") for v, c in zip(*legend, strict=True))
    return Scale(name, unit, breaks, tuple(values), tuple(drawn), tuple(marks))


def column_scale(
    name: str, unit: str, lower: Sequence[float], colours: Sequence[str], top: float
) -> Scale:
    """Scale of what a column holds, or of percentages: equal steps from the first bound on."""
    low = np.linspace(lower[0], top, CLASSES, endpoint=False)
    middle = low + (top - lower[0]) / CLASSES / 2
    value = [0.0, *(float(f"{v:.3g}") for v in middle)]
    index = np.searchsorted(np.asarray(lower), low + 1e-9, side="right") - 1
    colour = [None, *(colours[k] for k in index)]
    return _coded(name, unit, (lower, colours), value, colour)


def quality_scale() -> Scale:
    """Quality in 200 steps, dark where it is poor."""
    colours = ("#3b1f2b", "#6a2c3f", "#a8483f", "#d8823e", "#d8c24a", "#7fc15f", "#3fae8a")
    step = 1.0 / len(colours)
    breaks = tuple(
        Break(round(k * step, 2), c, f"{k * step:.2f}", f"{k * step:.2f}")
        for k, c in enumerate(colours)
    )
    quality = [k / QUALITY_STEPS for k in range(QUALITY_STEPS + 1)]
    drawn = [colours[min(int(q / step), len(colours) - 1)] for q in quality]
    rest = 256 - len(quality)
    marks: list[Mark | None] = [None] * 256
    marks[MISSING] = Mark.MISSING
    return Scale(
        "quality",
        "1",
        breaks,
        (*quality, *[None] * rest),
        (*drawn, *[None] * rest),
        tuple(marks),
    )


def word_scale(name: str, words: Sequence[tuple[str, str, str | None]]) -> Scale:
    """Scale of numbered kinds: the code is the number."""
    rest = 256 - len(words)
    breaks = tuple(Break(float(k), c or "", zh, en) for k, (zh, en, c) in enumerate(words))
    return Scale(
        name,
        "1",
        breaks,
        (*map(float, range(len(words))), *[None] * rest),
        (*(c for _, _, c in words), *[None] * rest),
        (None,) * 256,
    )


def _all_scales() -> dict[str, Scale]:
    scales = [
        rain_scale("rate", "mm h-1", _RATE_LOWER, _RATE_COLOURS, 300.0),
        *(
            rain_scale(f"amount_{hours}h", "mm", lower, _RAIN, 1000.0)
            for hours, lower in AMOUNT_LOWER.items()
        ),
        *(
            column_scale(name, unit, lower, colours, top)
            for name, (unit, lower, colours, top) in _COLUMN.items()
            if name != "liquid"
        ),
        rain_scale("liquid", *_COLUMN["liquid"]),
        quality_scale(),
        word_scale("state", [STATE_WORDS[state] for state in State]),
        word_scale("warning", LEVEL_WORDS),
    ]
    return {scale.id: scale for scale in scales}


SCALES = _all_scales()


def rain_codes(
    values: NDArray[np.float32], state: NDArray[np.uint8], low: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Codes of rain.

    Parameters
    ----------
    values
        (y, x) in the unit of the scale, NaN = no value.
    state
        (y, x) `State` of the cells.
    low
        Lower bounds of the classes, of `edges`.
    """
    codes = np.searchsorted(low.astype(np.float32), values, side="right").astype(np.int64)
    codes += BLOCK * (state == State.STALE) + 2 * BLOCK * (state == State.FILLED)
    nothing = np.where(state == State.BLOCKED, BLOCKED, MISSING)
    return np.where(np.isnan(values), nothing, codes).astype(np.uint8)


def quality_codes(quality: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Codes of quality (y, x) in 0..1, NaN = none."""
    steps = np.rint(np.clip(np.nan_to_num(quality), 0.0, 1.0) * QUALITY_STEPS)
    return np.where(np.isnan(quality), MISSING, steps).astype(np.uint8)


def scale_edges(name: str) -> NDArray[np.float64]:
    """Lower bounds of the classes of a scale of rain or of columns."""
    if name == "rate":
        return edges(_RATE_LOWER, 300.0)
    if name == "liquid":
        return edges(_LIQUID[0], _LIQUID[2])
    if name in _COLUMN:
        _, lower, _, top = _COLUMN[name]
        return np.linspace(lower[0], top, CLASSES, endpoint=False)
    hours = int(name.removeprefix("amount_").removesuffix("h"))
    return edges(AMOUNT_LOWER[hours], 1000.0)
