"""Answers about scores of forecasts, as the OpenAPI describes them."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from jinghu.grid.scoreboard import ScoreRow


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ScoreTile(_Model):
    """Middle of a square of 50 km, in m of the CRS."""

    tile_x: float
    tile_y: float


class ReliabilityDiagram(_Model):
    """By bins of probability: mean probability, frequency of the event, cells."""

    said: list[float | None]
    was: list[float | None]
    cells: list[float | None]


class ProbabilityEntry(_Model):
    """Scores of probabilities at one lead and threshold."""

    lead_min: float
    threshold_mm_h: float
    observed_frequency: float | None
    brier: float | None
    brier_skill: float | None
    reliability: float | None = Field(description="0 where probabilities mean what they say")
    resolution: float | None
    roc_area: float | None
    diagram: ReliabilityDiagram


class EnsembleEntry(_Model):
    """Scores of the members at one lead, mm/h, and observations by their rank among them."""

    lead_min: float
    mean_crps: float | None
    mean_error: float | None
    rmse: float | None
    spread: float | None = None
    spread_error: float | None = None
    ranks: list[float]


class ScoreTables(_Model):
    """What issued forecasts came to over a period of valid times."""

    start: datetime
    end: datetime
    cycles: int = Field(description="analyses against which forecasts were scored")
    crs: str
    tiles: list[ScoreTile]
    scores: list[ScoreRow]
    probabilities: list[ProbabilityEntry]
    ensemble: list[EnsembleEntry]
