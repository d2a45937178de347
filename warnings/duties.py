"""What a responsible person does under a warning, and by when: a versioned table."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from jinghu.warnings.levels import Level, Role
from jinghu.warnings.table_file import read_table


class _Minutes(BaseModel):
    model_config = ConfigDict(extra="forbid")
    blue: int | None = Field(None, gt=0)
    yellow: int | None = Field(None, gt=0)
    orange: int | None = Field(None, gt=0)
    red: int | None = Field(None, gt=0)


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: str = Field(pattern=r"^[a-z_]{1,24}$")
    hazards: tuple[str, ...] = Field(min_length=1)
    roles: tuple[Role, ...] = Field(min_length=1)
    within_min: _Minutes
    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: str
    duties: tuple[_Row, ...]


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing to do, and until when."""

    action: str
    zh: str
    en: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Duties:
    """The table."""

    version: str
    rows: tuple[_Row, ...]

    def of(self, hazard: str, role: Role, level: Level, told_at: datetime) -> list[Duty]:
        """What somebody has to do who was told at a level, the most urgent first."""
        found = [
            (minutes, row)
            for row in self.rows
            if hazard in row.hazards
            and role in row.roles
            and (minutes := getattr(row.within_min, level.en, None)) is not None
        ]
        found.sort(key=lambda pair: pair[0])
        return [
            Duty(row.action, row.zh, row.en, told_at + timedelta(minutes=minutes))
            for minutes, row in found
        ]


def load_duties(path: Path) -> Duties:
    """Read the table.

    Raises
    ------
    ConfigError
        Names the file, the row and the cause.
    """
    table = read_table(path, _Table)
    return Duties(table.version, table.duties)
