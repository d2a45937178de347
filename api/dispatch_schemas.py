"""What-if dispatch: what is asked and answered. Levels are above each reservoir's datum."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from jinghu.api.schemas import Series

Discharge = Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)]
Level = Annotated[float, Field(ge=-500, le=9000, allow_inf_nan=False)]
ReservoirId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReleaseStep(_Model):
    """From a time on, a release; it holds until the next one."""

    since: AwareDatetime
    m3_s: Discharge


class ReservoirSchedule(_Model):
    """Releases asked of one reservoir; before the first the rules decide."""

    reservoir: ReservoirId
    releases: list[ReleaseStep] = Field(min_length=1, max_length=200)
    rules_hold: bool = Field(
        True, description="whether limits of the rules hold; what gates can pass always does"
    )


class GaugeLimit(_Model):
    """What a reservoir must not push the river at a gauge below it over: a level or a flow."""

    gauge: str = Field(min_length=1, max_length=64, description="Chinese name or number")
    max_level_m: Level | None = Field(None, description="above the datum of the model's levels")
    max_m3_s: Discharge | None = None
    share: float = Field(1.0, gt=0, le=1, description="of the room that the river has")

    @model_validator(mode="after")
    def _one_limit(self) -> "GaugeLimit":
        if (self.max_level_m is None) == (self.max_m3_s is None):
            raise ValueError("give max_level_m or max_m3_s")
        return self


class ReservoirConstraint(_Model):
    """Limits that are put before the reservoir's own rules."""

    reservoir: ReservoirId
    max_release_m3_s: Discharge | None = None
    min_release_m3_s: Discharge | None = None
    aim_level_m: Level | None = Field(None, description="level to be reached, for a pre-release")
    aim_hours: float = Field(6.0, ge=0, le=72)
    gauge_limits: list[GaugeLimit] = Field(default=[], max_length=8)


class Control(_Model):
    """A gauge whose river shall carry little."""

    gauge: str = Field(min_length=1, max_length=64, description="Chinese name or number")
    safe_m3_s: Annotated[float, Field(gt=0, le=1e5)]


class Propose(_Model):
    """Ask for a joint plan of all reservoirs above the control gauges."""

    controls: list[Control] = Field(min_length=1, max_length=8)
    block_h: float = Field(3.0, ge=1, le=12)
    inflow_quantile: float = Field(
        0.5, ge=0, le=1, description="of the members' inflow that the plan rests on"
    )


class DispatchRequest(_Model):
    """A schedule or constraints for named reservoirs, or the wish for a proposal."""

    cycle: str | None = Field(None, pattern=r"^\d{8}T\d{4}Z$", description="the newest else")
    schedules: list[ReservoirSchedule] = Field(default=[], max_length=50)
    constraints: list[ReservoirConstraint] = Field(default=[], max_length=50)
    propose: Propose | None = None
    members: bool = Field(True, description="run the ensemble, where the cycle has one")
    save_as: str | None = Field(
        None,
        min_length=1,
        max_length=60,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="keep wish and outcome under this title; the answer names the scenario",
    )


class Quantiles(_Model):
    """Values over time at quantiles of the members; with one run all are its values."""

    low: list[float | None] = Field(description="quantile 0.1")
    median: list[float | None]
    high: list[float | None] = Field(description="quantile 0.9")


class ReservoirOutcome(_Model):
    """One reservoir under the rules alone (`before`), and as asked (`after`)."""

    id: str
    name_zh: str
    name_en: str
    datum: str
    source: str
    flood_limit_m: float | None
    crest_level_m: float
    inflow_m3_s: list[float | None] = Field(description="of the deterministic forecast, before")
    inflow_after_m3_s: Quantiles
    level_before_m: list[float | None] = Field(description="of the deterministic forecast")
    level_before_spread_m: Quantiles
    outflow_before_m3_s: list[float | None] = Field(description="of the deterministic forecast")
    outflow_before_spread_m3_s: Quantiles
    free_storage_before_m3: list[float | None] = Field(description="up to the crest of the dam")
    level_m: Quantiles
    outflow_m3_s: Quantiles
    free_storage_m3: Quantiles
    rule: list[str] = Field(description="what set the release in each step")
    highest_before_m: float = Field(description="of the median")
    highest_m: float = Field(description="of the median")


class GaugeOutcome(_Model):
    """One river gauge before and after."""

    id: str
    name_zh: str
    name_en: str
    discharge_before_m3_s: list[float | None] = Field(description="of the deterministic forecast")
    discharge_before_spread_m3_s: Quantiles
    discharge_m3_s: Quantiles
    level_before_m: list[float | None] = Field(description="of the deterministic forecast")
    level_before_spread_m: Quantiles
    level_m: Quantiles
    peak_before_m3_s: float = Field(description="of the median")
    peak_m3_s: float = Field(description="of the median")


class Unmet(_Model):
    """A time through which a schedule could not be followed, and what set the release instead."""

    reservoir: str
    since: datetime
    until: datetime
    asked_m3_s: float = Field(description="mean over the time")
    released_m3_s: float = Field(description="mean over the time, of the deterministic forecast")
    rule: str


class ProposedReservoir(_Model):
    """Proposed mean releases block by block, and the rules that bind there, dearest first."""

    reservoir: str
    releases: Series
    binding: list[list[str]]
    over_m3: float = Field(description="volume above the highest level in spite of the plan")


class Proposal(_Model):
    """A joint plan."""

    worst_share: float = Field(description="largest flow over what its control gauge can carry")
    simulated_share: float = Field(description="the same by the river model under the plan")
    share_before: float = Field(description="the same under the rules alone")
    reservoirs: list[ProposedReservoir]


class DispatchAnswer(_Model):
    """Outcome of a what-if."""

    cycle: str
    time: datetime
    times: list[datetime] = Field(description="ends of the steps of all lists")
    members: int = Field(description="0 where only the deterministic forecast was run")
    terrain_source: str
    terrain_generated: bool
    rule_names: dict[str, str]
    reservoirs: list[ReservoirOutcome]
    gauges: list[GaugeOutcome]
    unmet: list[Unmet] = Field(description="where schedules could not be followed")
    proposal: Proposal | None
    degradations: list[str]
    seconds: float
    scenario: str | None = Field(None, description="under which it is kept, where it was wished")


class ScenarioNote(_Model):
    """One kept what-if in a list."""

    scenario: str
    title: str
    cycle: str
    made_at: datetime
    made_by: str
    members: int


class ScenarioList(_Model):
    """Kept what-ifs, newest first."""

    scenarios: list[ScenarioNote]
    unreadable: list[str] = Field(description="files that hold none, by name")


class Scenario(_Model):
    """A kept what-if: what was wished, and what came of it."""

    note: ScenarioNote
    request: DispatchRequest
    answer: DispatchAnswer


Dispatcher = Callable[[DispatchRequest], DispatchAnswer]
