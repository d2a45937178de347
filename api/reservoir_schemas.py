"""Answers about reservoirs."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from jinghu.api.schemas import Series


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Reservoir(_Model):
    """A reservoir, now and at its highest; levels are above its datum."""

    id: str
    name_zh: str
    name_en: str
    river: str
    lon: float
    lat: float
    datum: str
    source: str
    normal_level: float | None
    crest_level: float | None
    flood_limit_now: float | None = Field(description="m, by the season")
    level_now: float | None
    inflow_now: float | None = Field(description="m3 s-1")
    outflow_now: float | None = Field(description="m3 s-1, through gates and over the weir")
    free_storage_now: float | None = Field(description="m3 up to the crest of the dam")
    level_highest: float | None
    highest_time: datetime


class ReservoirList(_Model):
    """All reservoirs of a cycle."""

    cycle: str
    time: datetime
    terrain_source: str
    terrain_generated: bool
    reservoirs: list[Reservoir]


class QuantileSeries(_Model):
    """Values at one quantile of the members, at the times of the forecast."""

    quantile: float
    values: list[float | None]


class ReservoirForecast(_Model):
    """One reservoir over time. Flows are means over the step that ends at their time."""

    cycle: str
    time: datetime
    terrain_source: str
    terrain_generated: bool
    reservoir: Reservoir
    inflow: Series
    outflow: Series
    level: Series
    flood_limit: Series
    storage: Series
    free_storage: Series = Field(description="m3 up to the crest of the dam")
    rule: list[str] = Field(description="what set the release in each step")
    rule_names: dict[str, str]
    quantiles: dict[str, list[QuantileSeries]] | None = Field(
        description="of inflow, outflow, level and free_storage, where asked for"
    )
