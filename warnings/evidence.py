"""Why a level stands: what was found in the rain, the water of one place, the wind, the heat."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jinghu.warnings.levels import Level
from jinghu.warnings.water_rules import Mark, Quantity


class Stage(StrEnum):
    """What a warning of mountain torrents asks of those who live there."""

    PREPARE = "prepare"
    TRANSFER = "transfer"

    @property
    def zh(self) -> str:
        """Chinese name, that of the national practice."""
        return {"prepare": "准备转移", "transfer": "立即转移"}[self.value]

    @property
    def en(self) -> str:
        """English name."""
        return {"prepare": "prepare to leave", "transfer": "leave at once"}[self.value]


class Measured(StrEnum):
    """What stations measure of wind and heat."""

    MEAN_WIND = "mean_wind"
    GUST = "gust"
    TEMPERATURE = "temperature"


class Basis(StrEnum):
    """What a level rests on."""

    REACHED = "reached"  # the threshold is reached, or will be
    CLOSE = "close"  # an amount close enough to the threshold keeps it
    WANING = "waning"  # the rain is less than that; whether it stays so is waited for
    UNKNOWN = "unknown"  # too little is observed to lower it
    DECIDED = "decided"  # a forecaster wants it so


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a level of rain stands, and the largest amount that speaks for it, if any.

    With a ``probability`` it is that of reaching the amount.
    """

    basis: Basis
    peak_mm: float = 0.0
    window_h: int = 0
    probability: float = 0.0


@dataclass(frozen=True, slots=True)
class WaterEvidence:
    """Why a level of a gauge or reservoir stands.

    Parameters
    ----------
    basis
        What it rests on.
    mark, quantity, value
        What decides the level: the mark's level in m or its discharge in m3/s; None, None and 0
        where nothing of this cycle speaks for it.
    now_m, peak_m, peak_m3_s, peak_time
        Level now; highest level and largest discharge of the forecast. NaN and None where there
        is no forecast.
    datum
        Of the levels.
    """

    basis: Basis
    mark: Mark | None
    quantity: Quantity | None
    value: float
    now_m: float
    peak_m: float
    peak_m3_s: float
    peak_time: datetime | None
    datum: str


@dataclass(frozen=True, slots=True)
class TorrentEvidence:
    """Why a level of mountain torrents stands.

    Parameters
    ----------
    basis
        What it rests on.
    stage
        What the level asks for; None where it is none of the two stages.
    name_zh, name_en
        Of the small catchment, or of the village, that speaks loudest for it; empty where none.
    window_h, share, mark_mm
        Hours over which such a share of the critical rain, or of the village's own mark, falls,
        observed and forecast; 0, 0 and 0 where nothing of this cycle speaks for the level. With a
        critical rain of 0 the share is infinite.
    village
        Whether it is a village's own mark.
    """

    basis: Basis
    stage: Stage | None = None
    name_zh: str = ""
    name_en: str = ""
    window_h: int = 0
    share: float = 0.0
    mark_mm: float = 0.0
    village: bool = False


@dataclass(frozen=True, slots=True)
class WeatherEvidence:
    """Why a level of wind or heat stands.

    Parameters
    ----------
    basis
        What it rests on.
    measured, value
        What speaks loudest for the level, in m/s or degC; None and 0 where nothing does.
    days
        On how many days running it was so.
    """

    basis: Basis
    measured: Measured | None = None
    value: float = 0.0
    days: int = 1


@dataclass(frozen=True, slots=True)
class DecidedEvidence:
    """A forecaster's reason for a level that the rules do not give."""

    basis: Basis
    reason: str


AnyEvidence = Evidence | WaterEvidence | TorrentEvidence | WeatherEvidence | DecidedEvidence


class Finding(Protocol):
    """What one cycle found out about one event."""

    @property
    def rules(self) -> str:
        """Version of the table that decided."""
        ...

    def evidence(self, cells: NDArray[np.int64], level: Level) -> tuple[float, AnyEvidence]:
        """Minutes to the onset, and why the level of some cells stands."""
        ...
