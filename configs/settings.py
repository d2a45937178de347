"""Settings of an installation: one YAML file, read once, checked, frozen, passed down."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from jinghu.configs.channels import ChannelsSettings, DigestSettings, QuietSettings
from jinghu.configs.variables import expanded
from jinghu.grid.errors import ConfigError
from jinghu.grid.spec import GridSpec
from jinghu.grid.yaml_text import load_yaml

CONFIGS = Path(__file__).resolve().parent


def _resolve(value: object) -> object:
    """Make a path of the file absolute: relative ones start at the working directory.

    ``configs:NAME`` names a file shipped in the configs folder.
    """
    if not isinstance(value, str):
        return value
    if value.startswith("configs:"):
        return CONFIGS / value.removeprefix("configs:")
    return Path(value).expanduser().absolute()


ConfigPath = Annotated[Path, BeforeValidator(_resolve)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CitySettings(_Frozen):
    """The city this installation serves."""

    name_zh: str
    name_en: str
    code: str = Field(pattern=r"^\d{6}$", description="GB/T 2260 code")
    boundaries: ConfigPath = Field(description="GeoJSON, WGS-84, one feature a county")


class GridSettings(_Frozen):
    """Product grid; the working grid has ``working_factor`` squared cells in each of its cells."""

    crs: str = "EPSG:4549"
    x0_m: float = 405_000.0
    y0_m: float = 3_140_000.0
    spacing_m: float = 2500.0
    nx: int = 120
    ny: int = 120
    working_factor: int = Field(5, ge=1, le=25)

    def product(self) -> GridSpec:
        """Return the 2.5 km grid of products and warnings."""
        return GridSpec(self.crs, self.x0_m, self.y0_m, self.spacing_m, self.nx, self.ny)

    def working(self) -> GridSpec:
        """Return the finer grid of analysis and extrapolation."""
        factor = self.working_factor
        return GridSpec(
            self.crs,
            self.x0_m,
            self.y0_m,
            self.spacing_m / factor,
            self.nx * factor,
            self.ny * factor,
        )


class InputSettings(_Frozen):
    """Where inputs arrive: files, or folders of them."""

    radar: ConfigPath
    stations: tuple[ConfigPath, ...] = ()
    station_frame: str = Field("", description="frame of the stations' coordinates")
    profiles: tuple[ConfigPath, ...] = Field((), description="wind profiles (ROBS, HOBS, OOBS)")
    profile_frame: str = Field("", description="frame of the profile stations' coordinates")
    profile_clock: Literal["UTC", "Beijing"] = Field(
        "UTC", description="time in which profiles are written and named"
    )
    rivers: tuple[ConfigPath, ...] = Field((), description="reports of river gauges (CSV)")
    river_frame: str = Field(
        "", description="frame of their coordinates; that of the rain stations where empty"
    )
    weather: tuple[ConfigPath, ...] = Field((), description="reports of wind and temperature")
    model: tuple[ConfigPath, ...] = Field((), description="files or folders of model rain")
    sites: ConfigPath = CONFIGS / "radar_sites.yaml"
    expected_radars: tuple[str, ...] = Field(
        (), description="codes of radars whose silence degrades a cycle by name"
    )


class ZRSettings(_Frozen):
    """``Z = a R^b``, fitted to gauges (benchmarks/fit_zr.py)."""

    a: float = Field(gt=0)
    b: float = Field(gt=0)


class ZRSeasonSettings(_Frozen):
    """Relations of some months, by type of rain."""

    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = Field(min_length=1)
    stratiform: ZRSettings
    convective: ZRSettings


class RadarSettings(_Frozen):
    """Which volumes a cycle takes, and how they become rain."""

    window_before_min: float = Field(15.0, gt=0)
    window_after_min: float = Field(
        0.0, ge=0, description="hindcasts only: volumes that start after the analysis time"
    )
    stale_after_min: float = Field(12.0, gt=0)
    zr_a: float = Field(300.0, gt=0, description="Z = a R^b in months without a season's table")
    zr_b: float = Field(1.4, gt=0)
    zr_seasons: tuple[ZRSeasonSettings, ...] = ()
    hail_cap_dbz: float = 53.0
    max_range_km: float = 230.0
    freezing_level_m: float = Field(
        5_000.0,
        gt=0,
        description="mean height of 0 degrees Celsius, where no radar showed the melting layer",
    )
    calibration: Literal["none", "monitor", "correct"] = Field(
        "correct",
        description="compare the radars with one another; take off what one is found to be off",
    )
    clutter_maps: ConfigPath | None = Field(
        None, description="folder of maps that jinghu clutter learn wrote; none where absent"
    )

    def relation(self, month: int) -> tuple[ZRSettings, ZRSettings]:
        """Relations of stratiform and convective rain in a month."""
        for season in self.zr_seasons:
            if month in season.months:
                return season.stratiform, season.convective
        same = ZRSettings(a=self.zr_a, b=self.zr_b)
        return same, same

    @field_validator("zr_seasons")
    @classmethod
    def _months_differ(cls, found: tuple[ZRSeasonSettings, ...]) -> tuple[ZRSeasonSettings, ...]:
        months = [month for season in found for month in season.months]
        if len(set(months)) < len(months):
            raise ValueError("a month belongs to two seasons")
        return found


class MergeSettings(_Frozen):
    """Which gauge hour adjusts the radar."""

    hour: Literal["ended", "containing"] = Field(
        "ended", description="containing: hindcasts, the hour in which the analysis time lies"
    )


class NowcastSettings(_Frozen):
    """Extrapolation, and the ensemble of the full part."""

    step_min: int = Field(6, ge=1)
    leads: int = Field(30, ge=1)
    engine: Literal["jinghu", "pysteps"] = "jinghu"
    deterministic: Literal["advection", "sprog"] = Field(
        "advection", description="sprog: scales fade as they lose their memory, ranks stay"
    )
    members: int = Field(
        24, ge=0, le=500, description="of the ensemble; with 0 a cycle has its fast part alone"
    )
    full_every_min: int = Field(
        6, ge=1, description="cycles whose minutes of the day this divides have a full part"
    )
    amount_thresholds_mm: tuple[float, ...] = Field((10.0, 20.0, 30.0, 50.0, 100.0), min_length=1)
    rate_thresholds_mm_h: tuple[float, ...] = Field((1.0, 5.0, 10.0, 20.0, 50.0), min_length=1)
    quantiles: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.1, 0.5, 0.9), min_length=1
    )
    neighbourhood_km_h: float = Field(
        8.0, ge=0, description="growth of the neighbourhood over which shares are averaged"
    )
    oldest_model_h: float = Field(36.0, gt=0, description="age of a model run that is still used")
    blend_until_h: float = Field(12.0, gt=0, le=48, description="of model rain for the rivers")

    @field_validator("amount_thresholds_mm", "rate_thresholds_mm_h", "quantiles")
    @classmethod
    def _ascend(cls, found: tuple[float, ...]) -> tuple[float, ...]:
        if any(a >= b for a, b in pairwise(found)):
            raise ValueError("values must ascend")
        return found

    @model_validator(mode="after")
    def _one_way(self) -> "NowcastSettings":
        if self.engine == "pysteps" and self.deterministic == "sprog":
            raise ValueError("engine pysteps extrapolates: deterministic must be advection")
        return self


class HydroSettings(_Frozen):
    """Terrain, network, gauges of the flood model."""

    dem: ConfigPath | None = Field(None, description="GeoTIFF; generated terrain where absent")
    rivers: ConfigPath = CONFIGS / "shaoxing" / "rivers.geojson"
    gauges: ConfigPath = CONFIGS / "shaoxing" / "gauges.csv"
    reservoirs: ConfigPath | None = Field(
        CONFIGS / "shaoxing" / "reservoirs.yaml",
        description="tables and release rules of reservoirs; none where null",
    )
    tidal_gate: ConfigPath | None = Field(
        CONFIGS / "shaoxing" / "tidal_gate.yaml",
        description="gate, pond and tide of the river's mouth; none where null",
    )
    initial_wetness: float = Field(0.8, ge=0, le=1, description="of tension storage at cold start")
    horizon_h: float = Field(24.0, gt=0)
    step_min: int = Field(12, ge=1, description="of the published hydrographs")
    method: Literal["muskingum-cunge", "muskingum", "kinematic"] = "muskingum-cunge"
    design_rain: ConfigPath | None = Field(
        CONFIGS / "shaoxing" / "design_rain.yaml",
        description="rain by duration and return period, from which rare floods and critical rain "
        "follow; neither where null",
    )
    critical_return_period_years: float = Field(
        5.0, ge=2, le=100, description="of the flood whose rain is the critical rain of a catchment"
    )
    critical_rain_every_min: int = Field(
        12,
        ge=1,
        description="it is worked out anew in cycles whose minutes of the day this divides",
    )
    update_members: int = Field(
        32,
        ge=8,
        le=200,
        description="members that tell how river reports correct the water of the flood model",
    )
    terrain_seed: int = 0
    burn_rivers: bool = Field(
        True, description="false where the DEM is finer than the river lines are true"
    )


class AudienceSettings(_Frozen):
    """Who is told: a file, or generated recipients for drills and hindcasts."""

    file: ConfigPath | None = None
    frame: str = Field("", description="frame of the file's coordinates")
    generated: int = Field(0, ge=0, description="number of generated recipients")
    seed: int = 0


class WarningSettings(ChannelsSettings):
    """Rules, database, audience, delivery."""

    rules: ConfigPath = CONFIGS / "rules" / "rainstorm.yaml"
    water_rules: ConfigPath | None = Field(
        CONFIGS / "rules" / "rivers.yaml",
        description="table of river and reservoir levels; nobody is warned of them where null",
    )
    torrent_rules: ConfigPath | None = Field(
        CONFIGS / "rules" / "torrents.yaml",
        description="table of mountain torrents; nobody is warned of them where null",
    )
    weather_rules: ConfigPath | None = CONFIGS / "rules" / "weather.yaml"  # gale and heat
    duties: ConfigPath = CONFIGS / "rules" / "duties.yaml"
    database: str = "sqlite:///warnings.db"
    sender: str = Field("jinghu@localhost", pattern=r"^[^\s,<&]+$", max_length=128)
    agency: str | None = Field(
        None,
        pattern=r"^\d{3}$",
        description="code of the issuing agency (GB/T 4657): alerts get national identifiers",
    )
    status: Literal["Actual", "Exercise", "Test"] = "Actual"
    public_url: str = Field(
        "http://localhost:8080",
        pattern=r"^https?://[^\s/]+",
        description="where recipients reach the service: their answer links begin with it",
    )
    personal_data_days: int | None = Field(None, ge=30, description="then jinghu audience forget")
    answer_key_file: ConfigPath | None = Field(
        None, description="key that signs answer links; beside the database where absent"
    )
    phone_keys_file: ConfigPath | None = Field(
        None, description="keys that encrypt phone numbers; jinghu audience rotate-key makes it"
    )
    phone_keys: SecretStr = Field(
        SecretStr(""), description="the keys themselves, from ${VARIABLE}; instead of the file"
    )
    audit_anchors: ConfigPath | None = Field(
        None, description="folder of the audit's anchors; beside the database where absent"
    )
    audience: AudienceSettings = AudienceSettings()
    contacts: ConfigPath | None = Field(
        None,
        description="CSV of person, phone, email; numbers of the database go first",
    )
    quiet: QuietSettings | None = QuietSettings()
    digest: DigestSettings | None = Field(
        None, description="which messages to the same person become one; none where null"
    )
    approvals: bool | None = Field(
        None,
        description="whether the steps that the tables name wait for a second person; where null,"
        " those of real warnings (status Actual) do, and drills, tests and hindcasts do not",
    )

    @property
    def second_person(self) -> bool:
        """Whether steps wait for a second person."""
        return self.status == "Actual" if self.approvals is None else self.approvals

    @model_validator(mode="after")
    def _keys_stand_in_one_place(self) -> "WarningSettings":
        if self.phone_keys_file is not None and self.phone_keys.get_secret_value():
            raise ValueError("phone_keys and phone_keys_file: set one of them")
        return self


class ApiSettings(_Frozen):
    """Who may read, and how often."""

    require_key: bool = Field(
        False, description="rain, flows and warnings are read with a key alone"
    )
    requests_per_minute: int = Field(600, ge=1, description="of one key")


class Settings(_Frozen):
    """All settings of one installation."""

    name: str
    city: CitySettings
    grid: GridSettings = GridSettings()
    store: ConfigPath
    inputs: InputSettings
    radar: RadarSettings = RadarSettings()
    merge: MergeSettings = MergeSettings()
    nowcast: NowcastSettings = NowcastSettings()
    hydro: HydroSettings = HydroSettings()
    warnings: WarningSettings = WarningSettings()
    api: ApiSettings = ApiSettings()

    def with_store(self, store: Path | None) -> "Settings":
        """Return the same settings with another store, and the database in it."""
        if store is None:
            return self
        root = store.absolute()
        warnings = self.warnings.model_copy(
            update={"database": f"sqlite:///{root / 'warnings.db'}"}
        )
        return self.model_copy(update={"store": root, "warnings": warnings})

    def with_engine(self, engine: str | None) -> "Settings":
        """Return the same settings with another engine of the nowcast.

        Raises
        ------
        ConfigError
            Where there is no such engine.
        """
        if engine is None:
            return self
        try:
            nowcast = NowcastSettings.model_validate(self.nowcast.model_dump() | {"engine": engine})
        except ValidationError:
            raise ConfigError(f"engine {engine!r} is neither jinghu nor pysteps") from None
        return self.model_copy(update={"nowcast": nowcast})


def load(path: Path) -> Settings:
    """Read settings from a YAML file; ``${VARIABLE:-default}`` is of the environment.

    ``${file:PATH}`` is the text of a file: a secret that is neither here nor in the environment.

    Raises
    ------
    ConfigError
        Names the file, the option and the cause.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    try:
        raw = expanded(load_yaml(text), path)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{path}: {'; '.join(problems)}") from None
