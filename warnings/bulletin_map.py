"""The map of a bulletin: a county's outline, its warned cells in the colours of their levels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import floor, log10

import shapely
from reportlab.lib.colors import Color, HexColor
from reportlab.pdfgen.canvas import Canvas
from shapely import LinearRing, MultiPolygon, Polygon

from jinghu.grid.spec import GridSpec
from jinghu.warnings.bulletin import Bulletin
from jinghu.warnings.bulletin_text import CHINESE
from jinghu.warnings.levels import Level

_FIELD, _LAND, _EDGE = HexColor("#eef2f5"), HexColor("#ffffff"), HexColor("#333333")
_MARGIN = 0.04
_SIMPLER_M = 60.0  # finer than a printer draws


@dataclass(frozen=True, slots=True)
class Box:
    """A place on the page, in points from its lower left corner."""

    x: float
    y: float
    width: float
    height: float


def draw_map(
    canvas: Canvas,
    box: Box,
    of: Bulletin,
    shape: Polygon | MultiPolygon,
    spec: GridSpec,
    colours: Mapping[Level, Color],
) -> None:
    """Draw the county, its cells, the places of a town's people, a scale and a legend."""
    west, south, east, north = shape.bounds
    side = max(east - west, north - south) * (1 + 2 * _MARGIN)
    scale = min(box.width, box.height) / side  # points a metre
    x0 = (west + east) / 2 - box.width / scale / 2
    y0 = (south + north) / 2 - box.height / scale / 2

    def place(x: float, y: float) -> tuple[float, float]:
        return box.x + (x - x0) * scale, box.y + (y - y0) * scale

    canvas.saveState()
    frame = canvas.beginPath()
    frame.rect(box.x, box.y, box.width, box.height)
    canvas.clipPath(frame, stroke=0, fill=0)
    canvas.setFillColor(_FIELD)
    canvas.rect(box.x, box.y, box.width, box.height, stroke=0, fill=1)
    outline = canvas.beginPath()
    for ring in _rings(shape):
        points = [place(x, y) for x, y in shapely.get_coordinates(ring).tolist()]
        outline.moveTo(*points[0])
        for point in points[1:]:
            outline.lineTo(*point)
        outline.close()
    canvas.setFillColor(_LAND)
    canvas.drawPath(outline, stroke=0, fill=1, fillMode=0)
    half, nx = spec.spacing_m / 2, spec.x.size
    canvas.setStrokeColor(HexColor("#ffffff"))
    canvas.setLineWidth(0.3)
    for cell, level in sorted(of.cells.items()):
        row, col = divmod(cell, nx)
        x, y = place(float(spec.x[col]) - half, float(spec.y[row]) - half)
        canvas.setFillColor(colours[level])
        canvas.rect(x, y, spec.spacing_m * scale, spec.spacing_m * scale, stroke=1, fill=1)
    canvas.setStrokeColor(_EDGE)
    canvas.setLineWidth(1.0)
    canvas.drawPath(outline, stroke=1, fill=0)
    canvas.setFillColor(_EDGE)
    for cell in sorted(c for c in of.own if 0 <= c < nx * spec.y.size):
        row, col = divmod(cell, nx)
        canvas.circle(*place(float(spec.x[col]), float(spec.y[row])), 1.6, stroke=0, fill=1)
    canvas.restoreState()
    canvas.setStrokeColor(_EDGE)
    canvas.setLineWidth(0.5)
    canvas.rect(box.x, box.y, box.width, box.height, stroke=1, fill=0)
    _scale_bar(canvas, box, scale)
    _legend(canvas, box, of, colours)


def _rings(shape: Polygon | MultiPolygon) -> Iterator[LinearRing]:
    for part in shapely.get_parts(shape.simplify(_SIMPLER_M)).tolist():
        yield part.exterior
        yield from part.interiors


def _scale_bar(canvas: Canvas, box: Box, scale: float) -> None:
    """A bar of a round length, about a quarter of the map."""
    km = box.width / scale / 4000
    size = 10.0 ** floor(log10(km))
    size *= max(f for f in (1, 2, 5) if f * size <= km)
    x, y, length = box.x + 8, box.y + 8, size * 1000 * scale
    canvas.setFillColor(_EDGE)
    canvas.rect(x, y, length, 2.5, stroke=0, fill=1)
    canvas.setFont(CHINESE, 7)
    canvas.drawString(x, y + 5, f"{size:g} km")


def _legend(canvas: Canvas, box: Box, of: Bulletin, colours: Mapping[Level, Color]) -> None:
    x, y = box.x, box.y - 13
    for level in (Level.BLUE, Level.YELLOW, Level.ORANGE, Level.RED):
        n = sum(found is level for found in of.cells.values())
        canvas.setFillColor(colours[level])
        canvas.rect(x, y - 1, 8, 8, stroke=0, fill=1)
        canvas.setFillColor(_EDGE)
        canvas.setFont(CHINESE, 7.5)
        canvas.drawString(x + 10, y, f"{level.zh} {level.en} {n}")
        x += box.width / 4
    note = "2.5公里网格数  cells of 2.5 km"
    if of.own:
        note += "；●本单位责任人所在网格 where its people stand"
    canvas.setFont(CHINESE, 7)
    canvas.drawString(box.x, y - 11, note)
