"""Answers about rivers, as the OpenAPI describes them: gauges, reaches, small catchments."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from jinghu.api.schemas import Series


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Gauge(_Model):
    """A river gauge, its flow now and at its peak."""

    id: str
    name_zh: str
    name_en: str
    river: str
    lon: float | None
    lat: float | None
    x_m: float | None
    y_m: float | None
    reach: int | None
    discharge_now: float | None = Field(description="m3 s-1 at the analysis time")
    discharge_peak: float | None
    peak_time: datetime | None
    level_now: float | None = Field(description="m, 1985 national height datum")
    level_observed: float | None = Field(
        description="m above the station's own datum, newest of its reports"
    )
    discharge_observed: float | None = Field(description="m3 s-1, newest of its reports")
    observed_at: datetime | None = Field(description="time of the newest report")
    warning_level: float | None = Field(description="m, where one is on record")
    guarantee_level: float | None = Field(description="m, where one is on record")


class GaugeList(_Model):
    """All gauges of a cycle; what the flows rest on is said with them."""

    cycle: str
    time: datetime
    terrain_source: str
    terrain_generated: bool
    gauges: list[Gauge]


class Hydrograph(_Model):
    """Flow of one gauge."""

    cycle: str
    time: datetime
    terrain_source: str
    terrain_generated: bool
    gauge: Gauge
    discharge: Series
    level: Series | None
    discharge_lower: Series | None = Field(description="5 % of what may come lie below it")
    discharge_upper: Series | None = Field(description="5 % of what may come lie above it")
    level_lower: Series | None
    level_upper: Series | None
    observed_discharge: Series | None = Field(description="reports of the last day")
    observed_water_level: Series | None = Field(
        description="reports of the last day, above the station's own datum"
    )


class Reach(_Model):
    """Flow of one reach of the river network."""

    cycle: str
    time: datetime
    terrain_source: str
    terrain_generated: bool
    id: int
    name_zh: str | None
    discharge: Series


class FlashFlood(_Model):
    """Rain of a small catchment against what makes its river flood, and how rare the flood is."""

    reach: int
    downstream: int | None = Field(description="next reach; null at a mouth")
    name_zh: str | None
    name_en: str | None
    upstream_area_km2: float | None
    line: list[tuple[float, float]] = Field(description="longitude, latitude: start and end")
    critical_mm: list[float | None] = Field(description="critical rain now, by duration; 400: more")
    ratio: list[float | None] = Field(
        description="largest share of it that falls in so many hours, observed and forecast; null"
        " where any rain floods it"
    )
    beyond: bool = Field(description="whether a share is 1 or more")
    return_period_years: float | None = Field(description="of the highest flow; 0: less than 2")
    onset_h: float | None = Field(description="hours until the critical flow is passed")


class FlashFloodList(_Model):
    """Small catchments of a cycle by how far rain goes beyond their critical rain, worst first."""

    cycle: str
    time: datetime
    terrain_source: str
    terrain_generated: bool
    design_rain_source: str
    critical_return_period_years: float
    durations_h: list[int]
    known: int = Field(description="catchments whose critical rain is known")
    beyond: int = Field(description="of these, beyond it")
    catchments: list[FlashFlood]
