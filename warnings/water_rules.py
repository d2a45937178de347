"""Rules for rivers and reservoirs: which stage or flow is which level, as versioned tables."""

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from jinghu.grid.errors import ConfigError
from jinghu.warnings.approvals import Approvals, ApprovalTable, approvals_of
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.table_file import read_table

Metres = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Quantity(StrEnum):
    """What is compared with a mark."""

    LEVEL = "level"
    DISCHARGE = "discharge"

    @property
    def zh(self) -> str:
        """Chinese name, added to that of a mark."""
        return {"level": "水位", "discharge": "流量"}[self.value]

    @property
    def unit_zh(self) -> str:
        """Unit in Chinese."""
        return {"level": "米", "discharge": "立方米每秒"}[self.value]

    @property
    def unit_en(self) -> str:
        """Unit in English."""
        return {"level": "m", "discharge": "m3/s"}[self.value]


class Mark(StrEnum):
    """What water is compared with: of rivers the first four, of reservoirs the rest."""

    NEAR_WARNING = "near_warning"
    WARNING = "warning"
    GUARANTEE = "guarantee"
    RECORD = "record"
    FLOOD_LIMIT = "flood_limit"
    NORMAL = "normal"
    DESIGN = "design"
    CREST = "crest"

    @property
    def hazard(self) -> Hazard:
        """Of what it is a mark."""
        rivers = (Mark.NEAR_WARNING, Mark.WARNING, Mark.GUARANTEE, Mark.RECORD)
        return Hazard.RIVER_FLOOD if self in rivers else Hazard.RESERVOIR

    @property
    def zh(self) -> str:
        """Chinese name, to which 水位 or 流量 is added."""
        return {
            "near_warning": "接近警戒的",
            "warning": "警戒",
            "guarantee": "保证",
            "record": "历史最高",
            "flood_limit": "汛限",
            "normal": "正常蓄水",
            "design": "设计洪水",
            "crest": "坝顶",
        }[self.value]

    @property
    def en(self) -> str:
        """English name, to which level or discharge is added."""
        return {
            "near_warning": "near-warning",
            "warning": "warning",
            "guarantee": "guarantee",
            "record": "record",
            "flood_limit": "flood-limit",
            "normal": "normal",
            "design": "design flood",
            "crest": "crest",
        }[self.value]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WaterRule(_Data):
    """One row: a level is reached where water reaches a mark, ``above_m`` over it."""

    id: str
    hazard: Literal[Hazard.RIVER_FLOOD, Hazard.RESERVOIR]
    level: Level
    mark: Mark
    above_m: Metres = 0.0
    enabled: bool = True

    @model_validator(mode="before")
    @classmethod
    def _level_by_name(cls, row: object) -> object:
        if not isinstance(row, dict) or not isinstance(row.get("level"), str):
            return row
        level = Level.__members__.get(row["level"].upper(), Level.NONE)
        if level is Level.NONE:
            raise ValueError(f"level {row['level']!r} is none of blue..red")
        return row | {"level": level}

    @model_validator(mode="after")
    def _mark_fits(self) -> "WaterRule":
        if self.mark.hazard is not self.hazard:
            raise ValueError(f"{self.mark.value} is no mark of {self.hazard.value}")
        if self.above_m and self.hazard is Hazard.RIVER_FLOOD:
            raise ValueError("above_m is for reservoirs; near_m is for rivers")
        return self


class Along(_Data):
    """Whom a place of the network stands for: how far along the river, and how far beside it."""

    upstream_km: Annotated[float, Field(ge=0, le=200)]
    downstream_km: Annotated[float, Field(ge=0, le=200)]
    buffer_m: Annotated[float, Field(ge=0, le=20_000)]


class GaugeMarks(_Data):
    """What is known of one gauge; levels are metres above ``datum``, flows m3/s.

    A mark given here goes before that of the gauge table.
    """

    name: str = Field(description="Chinese name, as in the gauge table")
    source: str = Field(min_length=1)
    datum: str = ""
    warning_level_m: Metres | None = None
    guarantee_level_m: Metres | None = None
    record_level_m: Metres | None = None
    warning_m3_s: Positive | None = None
    guarantee_m3_s: Positive | None = None
    record_m3_s: Positive | None = None
    near_m: Positive | None = None
    near_share: Share | None = None
    along: Along | None = None

    @model_validator(mode="after")
    def _marks_ascend(self) -> "GaugeMarks":
        levels = (self.warning_level_m, self.guarantee_level_m, self.record_level_m)
        flows = (self.warning_m3_s, self.guarantee_m3_s, self.record_m3_s)
        for kind in (levels, flows):
            known = [v for v in kind if v is not None]
            if any(a >= b for a, b in pairwise(known)):
                raise ValueError("warning, guarantee and record must ascend")
        if any(v is not None for v in levels) and not self.datum:
            raise ValueError("a level needs its datum")
        return self


class ReservoirMarks(_Data):
    """What is known of one reservoir beside its own file; levels above its own datum."""

    id: str
    source: str = Field(min_length=1)
    design_level_m: Metres | None = None
    along: Along | None = None


class ByCatchment(_Data):
    """Discharges of gauges of which nothing is known: C F^p, F the catchment in km2."""

    source: str = Field(min_length=1)
    coefficient: Positive
    power: Positive
    guarantee_factor: Annotated[float, Field(gt=1)]
    record_factor: Annotated[float, Field(gt=1)]


class _Table(_Data):
    version: str
    source: str = Field(min_length=1)
    within_h: Positive = 24.0
    near_m: Positive
    near_share: Share
    keep_m: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    keep_share: Annotated[float, Field(gt=0, le=1)]
    known_share: Annotated[float, Field(ge=0, le=1)]
    river: Along
    reservoir: Along
    rules: tuple[WaterRule, ...] = Field(min_length=1)
    gauges: tuple[GaugeMarks, ...] = ()
    reservoirs: tuple[ReservoirMarks, ...] = ()
    by_catchment: ByCatchment | None = None
    second_person: ApprovalTable | None = None


@dataclass(frozen=True, slots=True)
class WaterRules:
    """One table: its enabled rows, and what they need to know.

    Parameters
    ----------
    version, source
        Of the table.
    within_h
        How far ahead a forecast raises anything, h.
    near_m, near_share
        "Near" the warning level or discharge: so far below it, m or share.
    keep_m, keep_share
        A standing level is kept down to so far below its stage, or at this share of its discharge.
    known_share
        Share of the land above that must have been watched for a level to be lowered.
    river, reservoir
        Whom a gauge and a reservoir stand for.
    rules
        Enabled rows.
    gauges, reservoirs
        What is known of single ones.
    by_catchment
        Discharges of gauges without marks of their own, where the table gives any.
    approvals
        Steps that wait for a second person.
    """

    version: str
    source: str
    within_h: float
    near_m: float
    near_share: float
    keep_m: float
    keep_share: float
    known_share: float
    river: Along
    reservoir: Along
    rules: tuple[WaterRule, ...]
    gauges: tuple[GaugeMarks, ...]
    reservoirs: tuple[ReservoirMarks, ...]
    by_catchment: ByCatchment | None
    approvals: Approvals = field(default_factory=Approvals)

    def gauge(self, name_zh: str) -> GaugeMarks | None:
        """What the table knows of a gauge."""
        return next((g for g in self.gauges if g.name == name_zh), None)

    def reservoir_marks(self, key: str) -> ReservoirMarks | None:
        """What the table knows of a reservoir."""
        return next((r for r in self.reservoirs if r.id == key), None)


def load_water_rules(path: Path) -> WaterRules:
    """Read a table of river and reservoir rules.

    Raises
    ------
    ConfigError
        Names the file, the row and the cause.
    """
    table = read_table(path, _Table)
    enabled = tuple(rule for rule in table.rules if rule.enabled)
    if not enabled:
        raise ConfigError(f"{path}: no rule is enabled")
    for what, keys in (
        ("rules have the same id", [rule.id for rule in table.rules]),
        ("entries are of the same gauge", [g.name for g in table.gauges]),
        ("entries are of the same reservoir", [r.id for r in table.reservoirs]),
    ):
        if len(set(keys)) < len(keys):
            raise ConfigError(f"{path}: two {what}")
    values = {name: getattr(table, name) for name in _Table.model_fields}
    approvals = approvals_of(values.pop("second_person"))
    return WaterRules(**values | {"rules": enabled, "approvals": approvals})
