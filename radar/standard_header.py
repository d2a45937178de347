"""The common block of standard-format files: which layout, where, what task, which cuts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import cos, hypot, radians
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.radar.sites import RadarSite
from jinghu.radar.standard_layout import (
    BEAM_BYTES,
    BEAMS_AT,
    CONVENTIONAL,
    CUT_BYTES,
    GENERIC,
    LAYOUTS,
    MAX_BEAMS,
    MAX_CUTS,
    PHASED_ARRAY,
    SITE,
    TASK_AT,
    Layout,
)

_PRODUCT = 2
_MAX_SITE_OFFSET_M = 2000.0


@dataclass(frozen=True, slots=True)
class CommonBlock:
    """What stands before the radials; ``start`` is where these begin."""

    layout: Layout
    site: RadarSite
    task: np.void
    cuts: NDArray[Any]
    start: int


def read_common_block(
    data: bytes | bytearray, source: str, sites: Mapping[str, RadarSite] | None
) -> CommonBlock:
    """Read and check the common block.

    Raises
    ------
    DataError
        Products, unknown types and sites, numbers that cannot be, and blocks that are cut short.
    """
    start = common_bytes(data)
    if len(data) < BEAMS_AT:
        raise DataError(source, f"cut inside the header: {len(data)} of {BEAMS_AT} bytes")
    layout = _layout(int(np.frombuffer(data, GENERIC, 1)[0]["generic_type"]), source)
    task = np.frombuffer(data, layout.task, 1, offset=TASK_AT)[0]
    n_cuts, n_beams = int(task["cut_number"]), _beams(task)
    if not 1 <= n_cuts <= MAX_CUTS:
        raise DataError(source, f"header names {n_cuts} cuts; 1 to {MAX_CUTS} can be")
    if n_beams is not None and not 1 <= n_beams <= MAX_BEAMS:
        raise DataError(source, f"header names {n_beams} beams; 1 to {MAX_BEAMS} can be")
    if len(data) < start:
        raise DataError(source, "cut inside the table of cuts")
    cuts = np.frombuffer(data, layout.cut, n_cuts, offset=start - CUT_BYTES * n_cuts)
    header = np.frombuffer(data, SITE, 1, offset=32)[0]
    wide = header["beam_width_h"] if n_beams is None else np.median(cuts["beam_width_h"])
    site = _site(header, beam_width(float(wide)), source, sites)
    return CommonBlock(layout, site, task, cuts, start)


def common_bytes(data: bytes | bytearray) -> int:
    """Size of the common block by what it says of itself; some number where that cannot be."""
    if len(data) < BEAMS_AT:
        return BEAMS_AT
    kind = int(np.frombuffer(data, GENERIC, 1)[0]["generic_type"])
    layout = PHASED_ARRAY if kind == PHASED_ARRAY.generic_type else CONVENTIONAL
    task = np.frombuffer(data, layout.task, 1, offset=TASK_AT)[0]
    n_cuts = min(max(int(task["cut_number"]), 0), MAX_CUTS)
    n_beams = min(max(_beams(task) or 0, 0), MAX_BEAMS)
    return BEAMS_AT + BEAM_BYTES * n_beams + CUT_BYTES * n_cuts


def beam_width(degrees: float) -> float:
    """A beam width that can be, else 0."""
    return degrees if 0.1 <= degrees <= 5 else 0.0


def _layout(generic_type: int, source: str) -> Layout:
    if generic_type == _PRODUCT:
        raise DataError(source, "a radar product, not base data")
    for layout in LAYOUTS:
        if layout.generic_type == generic_type:
            return layout
    raise DataError(source, f"unknown generic type {generic_type}")


def _beams(task: np.void) -> int | None:
    """Number of transmit beams in the common block of phased arrays; others have none."""
    return int(task["beam_number"]) if "beam_number" in (task.dtype.names or ()) else None


def _site(
    header: np.void, beam_width_deg: float, source: str, sites: Mapping[str, RadarSite] | None
) -> RadarSite:
    """Site from the table where there is one; the header must agree to 2 km."""
    code = text(header["code"])
    latitude, longitude = float(header["latitude"]), float(header["longitude"])
    if sites is None:
        if not (abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude or longitude)):
            raise DataError(
                source, f"site {code}: {latitude}, {longitude} in the header is no place"
            )
        frequency = float(header["frequency_mhz"])
        band = "S" if frequency < 4000 else "C" if frequency < 8000 else "X"
        name = text(header["name"])
        height = float(header["antenna_height"])
        if not -500 <= height <= 9000:
            raise DataError(source, f"site {code}: an antenna at {height:.0f} m cannot be")
        beam = beam_width_deg or 1.0
        return RadarSite(code, name, name, latitude, longitude, height, band, beam)
    if code not in sites:
        raise DataError(source, f"unknown site {code!r}: it is not in the table of radar sites")
    known = sites[code]
    off = 111_200 * hypot(
        latitude - known.latitude,
        (longitude - known.longitude) * cos(radians(known.latitude)),
    )
    if not off <= _MAX_SITE_OFFSET_M:
        cause = f"site {code}: header says {latitude:.4f}, {longitude:.4f}, {off / 1000:.0f} km off"
        raise DataError(source, f"{cause} the site table")
    return replace(known)


def text(raw: bytes) -> str:
    """Text of a fixed-length field."""
    return raw.split(b"\0")[0].decode("gbk", errors="ignore").strip()
