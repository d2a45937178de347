"""Charts as SVG: lines, bars, and squares with numbers; no script, no font of their own.

SVG, because it is sharp on any screen and on paper, and the program needs no drawing library.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

# Told apart by the colour-blind too (after Okabe and Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#14212b")
GREY = "#7d8891"
_W, _H = 420, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 40, 50


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; NaN breaks it.

    Parameters
    ----------
    name
        For the legend; empty leaves it out of it.
    x, y
        Points in the units of the axes.
    colour
        As CSS has it.
    dashed, dots
        How it is drawn.
    """

    name: str
    x: NDArray[np.floating]
    y: NDArray[np.floating]
    colour: str
    dashed: bool = False
    dots: bool = True


@dataclass(frozen=True, slots=True)
class Axes:
    """Words and range of a chart; a range that is None follows from what is drawn.

    Parameters
    ----------
    title, x_label, y_label
        Words, Chinese first.
    x_range, y_range
        In the units of the axes.
    log_x
        Whether x is drawn by its logarithm.
    """

    title: str
    x_label: str
    y_label: str
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    log_x: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars at the foot of a chart: how many cases there are, each a share of the largest."""

    x: NDArray[np.floating]
    width: float
    count: NDArray[np.floating]
    colour: str = "#d9e0e6"


def line_chart(lines: Sequence[Line], axes: Axes, bars: Bars | None = None) -> str:
    """Return a chart of lines as SVG."""
    xs = np.concatenate([np.asarray(line.x, np.float64) for line in lines] or [np.zeros(1)])
    ys = np.concatenate([np.asarray(line.y, np.float64) for line in lines] or [np.zeros(1)])
    x_range = axes.x_range or _span(xs)
    y_range = axes.y_range or (0.0, _top(ys))
    place = _Place(x_range, y_range, axes.log_x)
    parts = [_frame(axes, place, xs)]
    if bars is not None and bars.count.max(initial=0) > 0:
        parts += _bars(bars, place)
    parts += [_line(line, place) for line in lines]
    if not np.isfinite(ys).any():
        parts.append(_words(_W / 2, _H / 2, "无数据 no data", "middle", GREY))
    parts.append(_legend([line for line in lines if line.name]))
    return _svg(parts, axes.title)


def bar_chart(groups: Sequence[tuple[str, NDArray[np.floating], str]], axes: Axes) -> str:
    """Return bars side by side: name, heights, colour of each group, at 0, 1, 2 .. along x."""
    n = max(len(heights) for _, heights, _ in groups)
    tallest = max(float(np.nanmax(h, initial=0.0)) for _, h, _ in groups)
    place = _Place((-0.5, n - 0.5), axes.y_range or (0.0, 1.08 * tallest or 1.0), False)
    parts = [_frame(axes, place, np.array([0.0, n - 1.0]))]
    wide = 0.86 / len(groups)
    for g, (_, heights, colour) in enumerate(groups):
        for k, height in enumerate(np.nan_to_num(heights)):
            left, right = place.x(k - 0.43 + g * wide), place.x(k - 0.43 + (g + 1) * wide)
            top = place.y(float(height))
            parts.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
                f'height="{place.y(0) - top:.1f}" fill="{colour}"/>'
            )
    nothing = np.zeros(0)
    parts.append(_legend([Line(name, nothing, nothing, colour) for name, _, colour in groups]))
    return _svg(parts, axes.title)


def tile_map(values: NDArray[np.floating], title: str, best: float, digits: int = 2) -> str:
    """Return squares (y, x), row 0 the southernmost, with their numbers; NaN is left white.

    Darker is nearer to ``best``.
    """
    ny, nx = values.shape
    side = min(60.0, (_W - 20) / nx, 360 / ny)
    parts = [_words(_W / 2, 22, title, "middle", "#14212b", 15, "600")]
    for j, i in np.ndindex(ny, nx):
        x, y = (_W - nx * side) / 2 + i * side, 36 + (ny - 1 - j) * side
        value = float(values[j, i])
        known = np.isfinite(value)
        share = min(max(value / best, 0.0), 1.0) if known else 0.0
        fill = _mixed(share) if known else "#fff"
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}" '
            f'fill="{fill}" stroke="#d9e0e6"/>'
        )
        if known and side >= 24:
            ink = "#fff" if share > 0.55 else "#14212b"
            text = f"{value:.{digits}f}".removeprefix("0")
            size = 12 if side >= 30 else 10
            parts.append(_words(x + side / 2, y + side / 2 + 4, text, "middle", ink, size))
    return _svg(parts, title, height=round(46 + ny * side))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a point of the axes lies in the picture."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    log_x: bool

    def x(self, value: float) -> float:
        low, high = self.x_range
        if self.log_x:
            value, low, high = np.log(value), np.log(low), np.log(high)
        return _LEFT + (value - low) / ((high - low) or 1.0) * (_W - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_range
        share = (value - low) / ((high - low) or 1.0)
        return _H - _BOTTOM - min(max(share, 0.0), 1.0) * (_H - _TOP - _BOTTOM)


def _frame(axes: Axes, place: _Place, xs: NDArray[np.float64]) -> str:
    parts = [_words(_W / 2, 17, axes.title, "middle", "#14212b", 15, "600")]
    for tick in _ticks(*place.y_range):
        y = place.y(tick)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_W - _RIGHT}" stroke="#e6ebef"/>')
        parts.append(_words(_LEFT - 6, y + 4, f"{tick:g}", "end"))
    at = np.unique(xs[np.isfinite(xs)]) if axes.log_x else np.array(_ticks(*place.x_range))
    last = -99.0
    for tick in at:
        x = place.x(float(tick))
        parts.append(f'<path d="M{x:.1f} {_H - _BOTTOM}v4" stroke="{GREY}"/>')
        if x - last >= 34:
            parts.append(_words(x, _H - _BOTTOM + 17, f"{tick:g}", "middle"))
            last = x
    parts.append(
        f'<path d="M{_LEFT} {_TOP}V{_H - _BOTTOM}H{_W - _RIGHT}" fill="none" stroke="{GREY}"/>'
    )
    middle = (_LEFT + _W - _RIGHT) / 2
    parts.append(_words(middle, _H - 14, axes.x_label, "middle"))
    y = (_TOP + _H - _BOTTOM) / 2
    parts.append(
        f'<text x="15" y="{y}" transform="rotate(-90 15 {y})" text-anchor="middle" '
        f'fill="#5b6b78" style="font-size:12px">{escape(axes.y_label)}</text>'
    )
    return "".join(parts)


def _line(line: Line, place: _Place) -> str:
    points = [
        (place.x(float(x)), place.y(float(y))) if np.isfinite(y) and np.isfinite(x) else None
        for x, y in zip(line.x, line.y, strict=True)
    ]
    path, pen = "", "M"
    for point in points:
        path += "" if point is None else f"{pen}{point[0]:.1f} {point[1]:.1f}"
        pen = "M" if point is None else "L"
    dash = ' stroke-dasharray="6 4"' if line.dashed else ""
    found = f'<path d="{path}" fill="none" stroke="{line.colour}" stroke-width="2"{dash}/>'
    if line.dots and len(points) <= 12:
        found += "".join(
            f'<circle cx="{p[0]:.1f}" cy="{p[1]:.1f}" r="3" fill="{line.colour}"/>'
            for p in points
            if p is not None
        )
    return found


def _bars(bars: Bars, place: _Place) -> list[str]:
    tallest = float(bars.count.max())
    foot, room = _H - _BOTTOM, 0.3 * (_H - _TOP - _BOTTOM)
    found = []
    for x, count in zip(bars.x, bars.count, strict=True):
        if not np.isfinite(x) or count <= 0:
            continue
        # By the logarithm: most cells are dry, and the wet ones matter.
        tall = room * np.log1p(float(count)) / np.log1p(tallest)
        left, right = place.x(float(x) - bars.width / 2), place.x(float(x) + bars.width / 2)
        found.append(
            f'<rect x="{left:.1f}" y="{foot - tall:.1f}" width="{right - left:.1f}" '
            f'height="{tall:.1f}" fill="{bars.colour}"/>'
        )
    return found


def _legend(lines: Sequence[Line]) -> str:
    if not lines:
        return ""
    parts, x = [], float(_LEFT)
    for line in lines:
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        parts.append(
            f'<path d="M{x:.0f} 30h18" stroke="{line.colour}" stroke-width="3"{dash}/>'
            + _words(x + 22, 34, line.name, "start")
        )
        x += 34 + 7.0 * sum(2 if ord(c) > 255 else 1 for c in line.name)
    return "".join(parts)


def _words(
    x: float, y: float, text: str, anchor: str, colour: str = "#5b6b78", size: int = 12,
    weight: str = "400",
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
        f'style="font-size:{size}px;font-weight:{weight};fill:{colour}">{escape(text)}</text>'
    )


def _svg(parts: Sequence[str], title: str, height: int = _H) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_W} {height}" role="img" '
        f'aria-label="{escape(title)}" font-family="Noto Sans CJK SC, Microsoft YaHei, '
        f'PingFang SC, sans-serif">{"".join(parts)}</svg>'
    )


def _span(values: NDArray[np.float64]) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def _top(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(1.08 * known.max()) if known.size and known.max() > 0 else 1.0


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two values, four to seven of them; hours for minutes."""
    raw = (high - low) / 5 or 1.0
    power = 10.0 ** np.floor(np.log10(raw))
    steps = (1, 1.5, 3, 6, 10) if high > 20 else (1, 2, 2.5, 5, 10)
    step = next(s * power for s in steps if s * power >= raw * 0.999)
    first = np.ceil(low / step - 1e-9) * step
    return [round(float(v), 10) + 0.0 for v in np.arange(first, high + step * 1e-6, step)]


def _mixed(share: float) -> str:
    """Between a light and a dark blue."""
    light, dark = np.array([234, 243, 250]), np.array([8, 69, 120])
    r, g, b = (light + share * (dark - light)).round().astype(int)
    return f"#{r:02x}{g:02x}{b:02x}"
