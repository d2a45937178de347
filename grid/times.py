"""UTC times: parsing, cycle names, and numpy conversions. Local time exists only on screens."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError

BEIJING = timezone(timedelta(hours=8), "UTC+8")
_CYCLE = "%Y%m%dT%H%MZ"


def parse_time(text: str) -> datetime:
    """Parse an ISO 8601 time that names its offset; returns it in UTC.

    >>> parse_time("2019-08-09T16:30Z").isoformat()
    '2019-08-09T16:30:00+00:00'
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"time {text!r} is not ISO 8601, e.g. 2019-08-09T16:30Z") from None
    if parsed.tzinfo is None:
        raise ConfigError(f"time {text!r} has no offset: write {text}Z for UTC")
    return parsed.astimezone(UTC)


def cycle_name(time: datetime) -> str:
    """Name of the cycle with this analysis time.

    >>> cycle_name(parse_time("2019-08-09T16:30Z"))
    '20190809T1630Z'
    """
    return time.astimezone(UTC).strftime(_CYCLE)


def parse_cycle_name(name: str) -> datetime:
    """Inverse of `cycle_name`."""
    if is_cycle_name(name):
        return datetime.strptime(name, _CYCLE).replace(tzinfo=UTC)
    raise ConfigError(f"cycle {name!r} is not of the form 20190809T1630Z")


def is_cycle_name(name: str) -> bool:
    """Whether `cycle_name` writes this name; `strptime` alone takes shorter ones as well."""
    try:
        return datetime.strptime(name, _CYCLE).strftime(_CYCLE) == name
    except ValueError:
        return False


def to_numpy(time: datetime) -> np.datetime64:
    """UTC time as ``datetime64[ns]`` (numpy and xarray carry no zone)."""
    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "ns")


def from_numpy(time: np.datetime64 | NDArray[np.datetime64]) -> datetime:
    """Inverse of `to_numpy`, to the microsecond; takes a scalar coordinate's values as well."""
    moment: datetime = np.asarray(time).astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)


def isoformat(time: datetime) -> str:
    """``2019-08-09T16:30:00Z``: how times are written into files and answers."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def floor_time(time: datetime, step: timedelta) -> datetime:
    """Latest multiple of ``step`` since midnight UTC that is not after ``time``."""
    midnight = time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (time - midnight) // step * step
