"""Rules for gale and high temperature: which wind or temperature is which level, as one table."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from jinghu.grid.errors import ConfigError
from jinghu.warnings.approvals import Approvals, ApprovalTable, approvals_of
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.table_file import read_table

Speed = Annotated[float, Field(gt=0, le=120, allow_inf_nan=False)]
DAYS = 3
"""Days whose highest temperatures are kept, today's among them."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WeatherRule(_Data):
    """One row: a level is reached where any of its thresholds is.

    ``mean_m_s`` and ``gust_m_s`` are of a gale; ``temperature_c`` of heat, which with ``days`` must
    also have been reached on so many days running, today among them.
    """

    id: str = Field(min_length=1)
    hazard: Literal[Hazard.GALE, Hazard.HIGH_TEMPERATURE]
    level: Level
    mean_m_s: Speed | None = None
    gust_m_s: Speed | None = None
    temperature_c: Annotated[float, Field(ge=20, le=55, allow_inf_nan=False)] | None = None
    days: Annotated[int, Field(ge=1, le=DAYS)] = 1
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
    def _thresholds_fit(self) -> "WeatherRule":
        wind = self.mean_m_s is not None or self.gust_m_s is not None
        warm = self.temperature_c is not None
        if self.hazard is Hazard.GALE and (warm or self.days > 1 or not wind):
            raise ValueError("a gale needs mean_m_s or gust_m_s, and nothing else")
        if self.hazard is Hazard.HIGH_TEMPERATURE and (wind or not warm):
            raise ValueError("high temperature needs temperature_c, and no wind")
        return self


class _Table(_Data):
    weather: Literal["stations"]
    version: str
    source: str = Field(min_length=1)
    keep_share: Annotated[float, Field(gt=0, le=1)]
    keep_k: Annotated[float, Field(ge=0, le=10)]
    rules: tuple[WeatherRule, ...] = Field(min_length=1)
    second_person: ApprovalTable | None = None


@dataclass(frozen=True, slots=True)
class WeatherRules:
    """One table: its enabled rows, lowest level first.

    Parameters
    ----------
    version, source
        Of the table.
    keep_share
        A standing gale is kept down to this share of its thresholds.
    keep_k
        Standing heat is kept so far below its threshold.
    rules
        Rows.
    approvals
        Steps that wait for a second person.
    """

    version: str
    source: str
    keep_share: float
    keep_k: float
    rules: tuple[WeatherRule, ...]
    approvals: Approvals = field(default_factory=Approvals)

    def of(self, hazard: Hazard) -> tuple[WeatherRule, ...]:
        """Rows of one hazard, lowest level first."""
        return tuple(rule for rule in self.rules if rule.hazard is hazard)


def load_weather_rules(path: Path) -> WeatherRules:
    """Read a table of gale and high temperature.

    Raises
    ------
    ConfigError
        Names the file, the row and the cause.
    """
    table = read_table(path, _Table)
    rules = tuple(sorted((r for r in table.rules if r.enabled), key=lambda r: r.level))
    if not rules:
        raise ConfigError(f"{path}: no rule is enabled")
    for what, keys in (
        ("rules have the same id", [rule.id for rule in table.rules]),
        ("enabled rules are of the same level", [(rule.hazard, rule.level) for rule in rules]),
    ):
        if len(set(keys)) < len(keys):
            raise ConfigError(f"{path}: two {what}")
    return WeatherRules(
        table.version,
        table.source,
        table.keep_share,
        table.keep_k,
        rules,
        approvals_of(table.second_person),
    )
