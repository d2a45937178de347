"""Rules for mountain torrents: which share of its critical rain is which level, and villages."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from jinghu.grid.errors import ConfigError
from jinghu.grid.frames import Frame
from jinghu.warnings.approvals import Approvals, ApprovalTable, approvals_of
from jinghu.warnings.evidence import Stage
from jinghu.warnings.levels import Level
from jinghu.warnings.table_file import read_table

Millimetres = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Hours = Literal[1, 3, 6, 12, 24]
Share = Annotated[float, Field(gt=0, le=1)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TorrentRule(_Data):
    """One row: a level is reached where so large a share of the critical rain falls."""

    id: str
    level: Level
    ratio: Annotated[float, Field(gt=0, le=100)]
    stage: Stage | None = None
    enabled: bool = True

    @field_validator("level", mode="before")
    @classmethod
    def _level_by_name(cls, value: object) -> object:
        level = Level.__members__.get(str(value).upper(), Level.NONE)
        if level is Level.NONE:
            raise ValueError(f"level {value!r} is none of blue..red")
        return level


class Village(_Data):
    """Marks of one village, mm by hours; they go before those of its catchment."""

    unit: str = Field(pattern=r"^\d{12}$", description="code of the village")
    name_zh: str = Field(min_length=1)
    name_en: str = Field(min_length=1)
    lon: float
    lat: float
    frame: Frame
    source: str = Field(min_length=1)
    prepare_mm: dict[Hours, Millimetres] = Field(default_factory=dict)
    transfer_mm: dict[Hours, Millimetres] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _marks_ascend(self) -> "Village":
        if not self.prepare_mm and not self.transfer_mm:
            raise ValueError("a village needs prepare_mm or transfer_mm")
        for hours in self.prepare_mm.keys() & self.transfer_mm.keys():
            if self.prepare_mm[hours] >= self.transfer_mm[hours]:
                raise ValueError(f"prepare_mm of {hours} h is not below transfer_mm")
        return self

    def marks(self, stage: Stage | None) -> dict[Hours, float]:
        """Marks of a stage, mm by hours."""
        if stage is None:
            return {}
        return self.prepare_mm if stage is Stage.PREPARE else self.transfer_mm


class _Table(_Data):
    hazard: Literal["mountain_torrent"]
    version: str
    source: str = Field(min_length=1)
    keep_share: Share
    known_share: Annotated[float, Field(ge=0, le=1)]
    buffer_m: Annotated[float, Field(ge=0, le=20_000)]
    rules: tuple[TorrentRule, ...] = Field(min_length=1)
    villages: tuple[Village, ...] = ()
    second_person: ApprovalTable | None = None

    @model_validator(mode="after")
    def _stages_are_given(self) -> "_Table":
        stages = {rule.stage for rule in self.rules if rule.enabled}
        for village in self.villages:
            if not any(village.marks(stage) for stage in stages):
                raise ValueError(f"village {village.unit}: no enabled rule is of its stages")
        return self


@dataclass(frozen=True, slots=True)
class TorrentRules:
    """One table: its enabled rows, lowest level first.

    Parameters
    ----------
    version, source
        Of the table.
    keep_share
        A standing level is kept down to this share of its row's.
    known_share
        Share of the rain of the last hours that must have been observed for a level to be lowered.
    buffer_m
        Cells within this of the river of a catchment are warned.
    rules, villages
        Rows, and villages with marks of their own.
    approvals
        Steps that wait for a second person.
    """

    version: str
    source: str
    keep_share: float
    known_share: float
    buffer_m: float
    rules: tuple[TorrentRule, ...]
    villages: tuple[Village, ...]
    approvals: Approvals


def load_torrent_rules(path: Path) -> TorrentRules:
    """Read a table of mountain torrents.

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
        ("enabled rules have the same level", [rule.level.en for rule in rules]),
        ("entries are of the same village", [village.unit for village in table.villages]),
    ):
        if len(set(keys)) < len(keys):
            raise ConfigError(f"{path}: two {what}")
    if any(a.ratio >= b.ratio for a, b in pairwise(rules)):
        raise ConfigError(f"{path}: ratios must ascend with the levels")
    return TorrentRules(
        table.version,
        table.source,
        table.keep_share,
        table.known_share,
        table.buffer_m,
        rules,
        table.villages,
        approvals_of(table.second_person),
    )
