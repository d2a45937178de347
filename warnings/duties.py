"""What a responsible person does under a warning, and by when: a versioned table."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jinghu.grid.errors import ConfigError
from jinghu.warnings.levels import Level, Role


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
    try:
        table = _Table.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise ConfigError(f"{path}: {place}: {first['msg']}") from None
    return Duties(table.version, table.duties)
