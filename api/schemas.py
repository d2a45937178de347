"""Answers of the service, as its OpenAPI describes them. Times are ISO 8601 UTC."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from jinghu.warnings.below import CallOutcome


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Invalid(_Model):
    """One part of a request that was refused."""

    where: str
    message: str


class ProblemDetails(BaseModel):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Invalid] | None = None


class Live(_Model):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(_Model):
    """The service can do its work, or why not."""

    status: Literal["ready", "not ready"]
    cycle: str | None = Field(description="newest cycle")
    cycle_age_s: float | None = Field(description="time since its analysis time")
    causes: list[str]
    dead_letters: int | None = Field(description="messages given up; null: cannot be told")
    disabled_channels: list[str] = Field(description="channels whose receiver is gone")


class CycleEntry(_Model):
    """One published cycle."""

    cycle: str
    time: datetime
    parts: list[str]


class CycleList(_Model):
    """Cycles, newest first."""

    now: datetime = Field(description="clock of the service")
    cycles: list[CycleEntry]
    next: str | None = Field(description="value of `before` for the next page")


class Manifest(BaseModel):
    """What a part holds and rests on; more entries may come."""

    model_config = ConfigDict(extra="allow")
    cycle: str
    part: str
    products: dict[str, Any]


class LonLat(_Model):
    """A place, WGS-84 degrees."""

    lon: float
    lat: float


class GridGeometry(_Model):
    """An equidistant grid; row 0 is the southernmost, bytes of a frame go row by row."""

    crs: str
    x0_m: float = Field(description="western edge")
    y0_m: float = Field(description="southern edge")
    spacing_m: float
    nx: int
    ny: int
    corners: list[LonLat] = Field(description="SW, SE, NE, NW")


class Frame(_Model):
    """One frame of a layer."""

    time: datetime = Field(description="valid time")
    kind: Literal["observed", "forecast"]
    url: str


class FrameLayer(_Model):
    """One layer and its frames in order of time; a layer with one frame holds at all times."""

    id: str
    name_zh: str
    name_en: str
    unit: str
    scale: str = Field(description="entry of the legend")
    grid: Literal["working", "product"]
    frames: list[Frame]
    observed_fraction: list[float | None] | None = Field(
        None, description="of amounts, a frame each: share of the window for which there is rain"
    )


class FrameIndex(_Model):
    """All frames of one cycle."""

    cycle: str
    part: str
    time: datetime
    grids: dict[str, GridGeometry]
    layers: list[FrameLayer]


class LegendBreak(_Model):
    """One colour; `lower` is in the unit of the scale, or the number of a kind."""

    lower: float
    colour: str
    zh: str
    en: str


class LegendScale(_Model):
    """Meaning of the 256 codes of a byte."""

    unit: str
    breaks: list[LegendBreak]
    values: list[float | None] = Field(description="middle of the class of each code")
    colours: list[str | None]
    marks: list[Literal["missing", "blocked", "stale", "filled"] | None]


class Legend(_Model):
    """Legends of all layers."""

    scales: dict[str, LegendScale]


class County(_Model):
    """A county of the city."""

    code: str
    name_zh: str
    name_en: str


class Series(_Model):
    """Values at times, null where there is none."""

    times: list[datetime]
    values: list[float | None]


class Threshold(_Model):
    """Amount at which a level is reached."""

    level: str
    level_zh: str
    mm: float


class WindowSeries(_Model):
    """Rain over a window that ends at each lead time, observed plus forecast."""

    hours: int
    values: list[float | None] = Field(description="mm, at the times of the forecast")
    observed_fraction: float | None = Field(description="of the window that ends now")
    thresholds: list[Threshold]


class PointAnswer(_Model):
    """What is known of one cell of the product grid."""

    cycle: str
    part: str
    time: datetime
    cell_id: int
    centre: LonLat
    county: County | None
    rate_unit: Literal["mm h-1"] = "mm h-1"
    observed: Series
    forecast: Series
    windows: list[WindowSeries]
    quality: float | None
    age_s: float | None
    state: str | None
    state_zh: str | None
    warning_level: str
    warning_level_zh: str
    warning_onset: datetime | None = Field(description="when the level is first reached")


class WarningPage(_Model):
    """A page of warnings as GeoJSON (RFC 7946)."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[dict[str, Any]]
    next: int | None = Field(description="value of `after` for the next page")


class Feature(BaseModel):
    """One warning as a GeoJSON feature."""

    type: Literal["Feature"]
    id: str
    geometry: dict[str, Any]
    properties: dict[str, Any]


class StormCellFeature(_Model):
    """A cell (Point, with what is known of it) or the path of one (LineString)."""

    type: Literal["Feature"] = "Feature"
    geometry: dict[str, Any]
    properties: dict[str, Any] = Field(
        description="kind `cell`: number, size, rates, motion, trend, forecast places with the"
        " radius that holds about 70 % of cells; kind `path`: number and times"
    )


class StormCells(_Model):
    """Storm cells of a cycle as GeoJSON (RFC 7946)."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    cycle: str
    time: datetime
    features: list[StormCellFeature]


class TaskAnswer(_Model):
    """Status of the task after the answer."""

    status: Literal["ACKNOWLEDGED", "HANDLED", "CANNOT_HANDLE", "CLOSED"]


class CallRecorded(_Model):
    """A telephone call was written down."""

    outcome: CallOutcome


class Outline(_Model):
    """A county or a neighbour in metres of the grid: rings of flat x, y pairs."""

    code: str
    name_zh: str
    name_en: str
    mine: bool = Field(description="of this city")
    label: list[float]
    rings: list[list[float]]


class River(_Model):
    """A river line in metres of the grid: flat x, y pairs."""

    name_zh: str
    name_en: str
    lines: list[list[float]]


class Lattice(_Model):
    """Longitudes and latitudes at equidistant points of the grid, for reading a cursor."""

    n: int = Field(description="points along each side, corners included")
    lon: list[float]
    lat: list[float]


class MapAnswer(_Model):
    """What a viewer draws under the rain, in metres of the product grid."""

    city_zh: str
    city_en: str
    status: Literal["Actual", "Exercise", "Test"]
    grid: GridGeometry
    outlines: list[Outline]
    rivers: list[River]
    lattice: Lattice
