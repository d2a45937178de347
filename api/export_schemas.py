"""Exports of flows: what may be asked for, and what comes back."""

from dataclasses import dataclass
from enum import StrEnum


class ExportFormat(StrEnum):
    """Formats of exports."""

    CSV = "csv"
    NETCDF = "netcdf"
    PI_XML = "pi-xml"
    SL323 = "sl323"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is wanted of a published cycle.

    Parameters
    ----------
    format
        Format of the file.
    cycle
        Name of the cycle, None for the newest.
    gauges, reservoirs
        Gauges (number, station code or Chinese name) and reservoirs (id or Chinese name); all of
        both where neither names one.
    members
        Whether the flood model is run for the members of the rain.
    """

    format: ExportFormat
    cycle: str | None = None
    gauges: tuple[str, ...] = ()
    reservoirs: tuple[str, ...] = ()
    members: bool = False


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file: its name, its media type, its bytes."""

    name: str
    media_type: str
    content: bytes
