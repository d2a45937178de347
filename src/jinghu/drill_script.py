"""The script of a drill: what rains, for how long, and what goes wrong with those who watch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from jinghu.configs.settings import CONFIGS
from jinghu.grid.errors import ConfigError
from jinghu.grid.yaml_text import load_yaml

DRILLS = CONFIGS / "drills"
Metres = Annotated[float, Field(gt=0, le=1_000_000)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Place(_Frozen):
    lon: float = Field(ge=-180, le=180)
    lat: float = Field(ge=-85, le=85)


class LineEvent(_Place):
    """A slow convective line whose cells train along it."""

    kind: Literal["line"]
    lon: float = Field(120.86, ge=-180, le=180, description="middle of the line")
    lat: float = Field(29.50, ge=-85, le=85)
    angle_deg: float = Field(38.0, ge=-180, le=180, description="counter-clockwise from east")
    length_m: Metres = 90_000.0
    width_m: Metres = 9_000.0
    drift_m_s: tuple[float, float] = Field((0.4, 0.6), description="of the line: east, north")
    cell_speed_m_s: float = Field(9.0, ge=0, le=40, description="of the cells, along the line")
    rate_mm_h: float = Field(34.0, gt=0, le=150, description="mean on the line's axis")


class TyphoonEvent(_Place):
    """A typhoon whose core passes: eyewall, core and two rotating spiral bands."""

    kind: Literal["typhoon"]
    lon: float = Field(120.75, ge=-180, le=180, description="of the centre in the middle of it")
    lat: float = Field(29.75, ge=-85, le=85)
    speed_m_s: tuple[float, float] = Field((-2.5, 5.0), description="of the centre: east, north")
    core_radius_m: Metres = 38_000.0
    reach_m: Metres = 170_000.0
    rate_mm_h: float = Field(30.0, gt=0, le=150, description="mean in the eyewall")
    turn_h: float = Field(7.0, gt=0.5, description="hours of one turn of the bands")


class ScatteredEvent(_Place):
    """Afternoon storms anywhere, and one that stays where it is: a flash flood."""

    kind: Literal["scattered"]
    lon: float = Field(120.33, ge=-180, le=180, description="of the storm that stays")
    lat: float = Field(29.55, ge=-85, le=85)
    drift_m_s: tuple[float, float] = (3.0, 2.0)
    rate_mm_h: float = Field(0.9, gt=0, le=20, description="mean over the whole grid")
    flash_mm_h: float = Field(105.0, gt=0, le=200, description="mean in the storm that stays")
    flash_radius_m: Metres = 7_000.0


class DryEvent(_Frozen):
    """A day on which nothing may be warned: a trace of drizzle."""

    kind: Literal["dry"]
    rate_mm_h: float = Field(0.04, ge=0, le=0.2)
    drift_m_s: tuple[float, float] = (4.0, 1.0)


Event = Annotated[LineEvent | TyphoonEvent | ScatteredEvent | DryEvent, Field(discriminator="kind")]


class _During(_Frozen):
    from_min: float = Field(0.0, ge=0, description="minutes after the start of the drill")
    to_min: float | None = Field(None, description="exclusive; to the end where absent")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to_min is not None and self.to_min <= self.from_min:
            raise ValueError(f"ends at minute {self.to_min:g}, not after {self.from_min:g}")
        return self

    def holds(self, minute: float) -> bool:
        """Whether the fault holds at a minute of the drill."""
        return self.from_min <= minute and (self.to_min is None or minute < self.to_min)


class RadarDelay(_During):
    """Volumes arrive late."""

    kind: Literal["late"]
    radar: str
    delay_s: float = Field(gt=0, le=86_400)


class RadarLoss(_During):
    """Volumes that are missing, cut short, damaged, or delivered twice."""

    kind: Literal["missing", "truncated", "corrupt", "duplicate"]
    radar: str
    share: float = Field(1.0, gt=0, le=1, description="of the volumes, drawn by the seed")


class RadarClock(_During):
    """The radar's clock is wrong."""

    kind: Literal["wrong_clock"]
    radar: str
    offset_s: float = Field(description="positive where the clock is ahead")


class RadarBias(_During):
    """Reflectivity is off."""

    kind: Literal["miscalibrated"]
    radar: str
    offset_db: float = Field(ge=-20, le=20)


RadarFault = Annotated[RadarDelay | RadarLoss | RadarClock | RadarBias, Field(discriminator="kind")]


class _OfStations(_During):
    stations: int = Field(gt=0, description="number of stations it strikes, drawn by the seed")


class StationStopped(_OfStations):
    """Stations that repeat their last value, or whose funnel is clogged."""

    kind: Literal["stuck", "clogged"]


class StationDrift(_OfStations):
    """Stations that report more and more, or less and less."""

    kind: Literal["drifting"]
    percent_per_h: float = Field(ge=-100, le=200)


class StationClock(_OfStations):
    """Stations whose clock is wrong."""

    kind: Literal["clock"]
    offset_s: float


StationFault = Annotated[StationStopped | StationDrift | StationClock, Field(discriminator="kind")]


class DrillScript(_Frozen):
    """One drill."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    title_zh: str = Field(min_length=1)
    title_en: str = Field(min_length=1)
    seed: int = Field(ge=0)
    start: AwareDatetime = Field(description="of the drill, with its offset")
    hours: float = Field(gt=0, le=24)
    event: Event
    radars: tuple[str, ...] = ("ZSIM1", "ZSIM2", "ZSIM3", "ZSIM4", "ZSIM5")
    stations: int = Field(600, ge=0, le=20_000, description="rain gauges")
    radar_faults: tuple[RadarFault, ...] = ()
    station_faults: tuple[StationFault, ...] = ()

    @model_validator(mode="after")
    def _faults_strike(self) -> Self:
        """Refuse faults that nobody would notice: a drill that trains nothing misleads."""
        for number, fault in enumerate(self.radar_faults):
            if fault.radar not in self.radars:
                raise ValueError(f"radar_faults.{number}: {fault.radar} does not take part")
        for number, struck in enumerate(self.station_faults):
            if struck.stations > self.stations:
                raise ValueError(
                    f"station_faults.{number}: {struck.stations} of {self.stations} stations"
                )
        for name, faults in (("radar", self.radar_faults), ("station", self.station_faults)):
            for number, found in enumerate(faults):
                if found.from_min >= self.hours * 60:
                    raise ValueError(f"{name}_faults.{number}: begins after the drill has ended")
        return self


def radar_faults_at(script: DrillScript, radar: str, minute: float) -> Sequence[RadarFault]:
    """Faults of one radar that hold at a minute of the drill, in the order of the script."""
    return tuple(f for f in script.radar_faults if f.radar == radar and f.holds(minute))


def load_drill(path: Path) -> DrillScript:
    """Read the script of a drill from YAML.

    Raises
    ------
    ConfigError
        Names the file, every option that is wrong, and why.
    """
    try:
        raw = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    try:
        return DrillScript.model_validate(raw)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{path}: {'; '.join(problems)}") from None


def shipped_drills() -> tuple[DrillScript, ...]:
    """Read all drills that are shipped, by name."""
    return tuple(load_drill(path) for path in sorted(DRILLS.glob("*.yaml")))


def named_drill(name: str) -> DrillScript:
    """Read a drill that is shipped, by its name.

    Raises
    ------
    ConfigError
        Where there is none of that name; says which there are.
    """
    known = sorted(path.stem for path in DRILLS.glob("*.yaml"))
    if name not in known:
        raise ConfigError(f"drill {name!r} is none of {', '.join(known)}")
    return load_drill(DRILLS / f"{name}.yaml")
