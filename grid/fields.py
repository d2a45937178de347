"""The field table: names, units and ranges of every variable that rooms exchange."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import xarray as xr

from jinghu.grid.errors import ConfigError


class State(IntEnum):
    """What a cell's rain value rests on. Dry, missing and stale are different things."""

    DRY = 0  # scanned, no echo
    WET = 1  # scanned, rain
    MISSING = 2  # not scanned: outside range, no file, damaged rays
    BLOCKED = 3  # inside range but hidden (terrain, or the beam is too high)
    STALE = 4  # from a volume older than the configured age
    FILLED = 5  # from gauges, or from the previous analysis


class Method(IntEnum):
    """How a rain rate was made of what the radar measured."""

    NONE = 0  # there is no rate
    Z = 1  # reflectivity
    KDP = 2  # specific differential phase
    ATTENUATION = 3  # specific attenuation
    Z_CAPPED = 4  # reflectivity above the hail cap
    Z_ZDR = 5  # reflectivity and differential reflectivity
    KDP_ZDR = 6  # specific phase and differential reflectivity
    Z_TUNED = 7  # reflectivity, by a relation tuned to the polarimetric rain nearby


class EchoTop(IntEnum):
    """Where the echo top lies among the beams of a column."""

    NONE = 0  # no beam holds echo as strong as that
    BETWEEN = 1  # between two beams
    ABOVE_HIGHEST = 2  # the highest beam still holds it: the top is higher than said
    BELOW_LOWEST = 3  # only weaker echo, already in the lowest beam: a top would lie below it
    MISSING = 4  # nothing was scanned


@dataclass(frozen=True, slots=True)
class Field:
    """One row of the field table."""

    units: str
    long_name: str
    standard_name: str | None = None
    valid_min: float | None = None
    valid_max: float | None = None

    def attrs(self) -> dict[str, str | float]:
        """CF attributes of the variable."""
        named = {
            "units": self.units,
            "long_name": self.long_name,
            "standard_name": self.standard_name,
            "valid_min": self.valid_min,
            "valid_max": self.valid_max,
        }
        return {key: value for key, value in named.items() if value is not None}


FIELDS = {
    "rainfall_rate": Field("mm h-1", "rain rate", "rainfall_rate", 0.0, 500.0),
    "rainfall_amount": Field(
        "mm", "rain over time_bounds", "lwe_thickness_of_precipitation_amount", 0.0, 3000.0
    ),
    "probability_of_exceedance": Field("1", "probability of exceeding threshold", None, 0.0, 1.0),
    "probability_of_rate": Field(
        "1", "probability of a rain rate at or above rate_threshold", None, 0.0, 1.0
    ),
    "rainfall_amount_quantile": Field(
        "mm", "quantile of the members' rain over the window", None, 0.0, 3000.0
    ),
    "quality": Field("1", "quality, 0 useless to 1 best", None, 0.0, 1.0),
    "state": Field("1", "what the value rests on", "status_flag", 0.0, 5.0),
    "method": Field("1", "how the rain rate was made", "status_flag", 0.0, 4.0),
    "source_radar": Field("1", "radar that weighs most, by its place in radars", None, 0.0, 255.0),
    "age": Field("s", "age of the newest observation used", None, 0.0, 86400.0),
    "beam_height": Field("m", "height of the beam used above mean sea level", "altitude"),
    "composite_reflectivity": Field(
        "dBZ",
        "largest reflectivity of the column, -32 where scanned without echo",
        "equivalent_reflectivity_factor",
        -32.0,
        95.0,
    ),
    "cappi_reflectivity": Field(
        "dBZ",
        "reflectivity at a height, -32 where scanned without echo",
        "equivalent_reflectivity_factor",
        -32.0,
        95.0,
    ),
    "echo_top": Field(
        "m", "height of the highest 18 dBZ above mean sea level, 0 where none", None, 0.0, 25000.0
    ),
    "echo_top_flag": Field("1", "where the echo top lies among the beams", "status_flag", 0.0, 4.0),
    "vertically_integrated_liquid": Field(
        "kg m-2", "vertically integrated liquid", None, 0.0, 200.0
    ),
    "beam_distance": Field(
        "m", "distance of the height to the nearest beam and half its width", None, 0.0, 25000.0
    ),
    "column_state": Field("1", "what the values of the column rest on", "status_flag", 0.0, 5.0),
    "radar_count": Field("1", "number of radars that see the cell", None, 0.0, 64.0),
    "motion_x": Field("m s-1", "motion of the rain along x of the grid", None, -150.0, 150.0),
    "motion_y": Field("m s-1", "motion of the rain along y of the grid", None, -150.0, 150.0),
    "air_temperature": Field("K", "air temperature", "air_temperature", 180.0, 340.0),
    "relative_humidity": Field("1", "relative humidity", "relative_humidity", 0.0, 1.2),
    "eastward_wind": Field("m s-1", "eastward wind", "eastward_wind", -120.0, 120.0),
    "northward_wind": Field("m s-1", "northward wind", "northward_wind", -120.0, 120.0),
    "wind_speed": Field("m s-1", "ten-minute mean wind at 10 m", "wind_speed", 0.0, 120.0),
    "wind_speed_of_gust": Field(
        "m s-1", "strongest gust at 10 m since the report before", "wind_speed_of_gust", 0.0, 120.0
    ),
    "air_temperature_maximum": Field(
        "K",
        "highest analysed air temperature of the day (Beijing)",
        "air_temperature",
        180.0,
        340.0,
    ),
    "river_discharge": Field(
        "m3 s-1", "discharge", "water_volume_transport_in_river_channel", 0.0, 1e6
    ),
    "water_level": Field("m", "water level above the 1985 national height datum", None),
    "critical_rainfall": Field(
        "mm", "even rain from now on that makes the reach flood (400: so much or more)", None, 0.0
    ),
    "critical_rainfall_ratio": Field(
        "1", "largest share of its critical rain that falls on the catchment", None, 0.0
    ),
    "flood_return_period": Field(
        "year", "return period of the highest discharge; 0 where less than the least known", None
    ),
    "flood_onset": Field("h", "time until the discharge of the return period is passed", None),
}


def attrs(name: str) -> dict[str, object]:
    """CF attributes for a variable of the table; states, methods and tops carry their flags.

    >>> attrs("rainfall_rate")["units"]
    'mm h-1'
    """
    found: dict[str, object] = dict(FIELDS[name].attrs())
    flags: dict[str, type[IntEnum]] = {
        "state": State,
        "column_state": State,
        "method": Method,
        "echo_top_flag": EchoTop,
    }
    if name in flags:
        found["flag_values"] = np.array([int(s) for s in flags[name]], np.uint8)
        found["flag_meanings"] = " ".join(s.name.lower() for s in flags[name])
    return found


def check(dataset: xr.Dataset, *names: str, dims: tuple[str, ...] | None = None) -> None:
    """Raise ConfigError where a variable is missing or has other units or dimensions.

    Parameters
    ----------
    dataset
        What a room was handed.
    names
        Variables it needs, all of them in the field table.
    dims
        Their dimensions, where they are fixed.
    """
    for name in names:
        if name not in dataset:
            raise ConfigError(f"variable {name} is missing; there are {sorted(map(str, dataset))}")
        found = dataset[name]
        units = found.attrs.get("units")
        if units != FIELDS[name].units:
            raise ConfigError(f"{name} is in {units!r}, wanted {FIELDS[name].units!r}")
        if dims is not None and found.dims != dims:
            raise ConfigError(f"{name} has dimensions {found.dims}, wanted {dims}")
