"""National composites of the CMA: reflectivity mosaics in files ``..._P_DOR_ACHN_CREF_<time>.bin``.

A header of 256 bytes, then a grid of int16 on equal steps of longitude and latitude, bzip2-packed.
The layout was read off the files; every field that is used is checked against another one or
against the size of the data. Rows go from north to south. A value is reflectivity times
``scale``; -128 dBZ stands for scanned without echo, the least int16 for never scanned. Other
values below -128 dBZ mark echo that the producer rejected.
"""

import bz2
import struct
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.spec import GridSpec
from jinghu.radar.zr import ZRRelation

HEADER_BYTES = 256
_NAME = struct.Struct("<4s4sihh8s64s")  # label, version, bytes of the file, two codes, name, text
_PLACE = struct.Struct("<iii6h")  # start, length and clock of the block; year to second
_GRID = struct.Struct("<4i2i2i2i2hii2h")  # edges, middle, counts, steps, height, packing, ...
_NO_ECHO_DBZ = -128.0
_BZIP2 = 1
_MOST_CELLS = 400_000_000
_SOURCE_M = 1000.0  # about one cell of the composite


@dataclass(frozen=True, slots=True)
class Composite:
    """One composite.

    Parameters
    ----------
    time
        Of the observation, UTC.
    dbz
        (row, column) reflectivity, the northernmost row first; ``dry_dbz`` where scanned without
        echo, NaN where not scanned or rejected.
    west_deg, north_deg, step_deg
        Outer corner in the north-west, and size of a cell.
    radars
        Number of radars in it.
    """

    time: datetime
    dbz: NDArray[np.float32]
    west_deg: float
    north_deg: float
    step_deg: float
    radars: int

    def at(
        self, longitude: NDArray[np.floating], latitude: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Reflectivity of the cells in which places lie, NaN outside."""
        column = np.floor((longitude - self.west_deg) / self.step_deg).astype(np.int64)
        row = np.floor((self.north_deg - latitude) / self.step_deg).astype(np.int64)
        ny, nx = self.dbz.shape
        inside = (row >= 0) & (row < ny) & (column >= 0) & (column < nx)
        found = self.dbz[np.clip(row, 0, ny - 1), np.clip(column, 0, nx - 1)]
        return np.where(inside, found, np.float32(np.nan))


def is_composite(data: bytes) -> bool:
    """Whether bytes begin like a composite.

    >>> is_composite(b"MOC" + bytes(5)), is_composite(b"RSTM")
    (True, False)
    """
    return data[:4] == b"MOC\0"


def read_composite(data: bytes, name: str) -> Composite:
    """Read a composite of reflectivity.

    Parameters
    ----------
    data
        Bytes of the file.
    name
        Of the file, for errors.

    Raises
    ------
    DataError
        Where the file is none, holds another quantity, is damaged, or is packed otherwise.
    """
    if not is_composite(data):
        raise DataError(name, "no CMA composite: it does not begin with MOC")
    if len(data) < HEADER_BYTES:
        raise DataError(name, f"truncated: {len(data)} bytes, a header has {HEADER_BYTES}")
    _, _, file_bytes, _, _, quantity, _ = _NAME.unpack_from(data, 0)
    kind = quantity.rstrip(b"\0 ").decode("ascii", "replace")
    if kind != "CREF":
        raise DataError(name, f"holds {kind!r}, wanted composite reflectivity (CREF)")
    start, length, zone, *clock = _PLACE.unpack_from(data, 88)
    year, month, day, hour, minute, second = clock
    if zone != 0:
        raise DataError(name, f"its clock is {zone} s from UTC, which was never seen: wanted UTC")
    if start < HEADER_BYTES or length < 1 or start + length > len(data):
        raise DataError(name, f"truncated: {len(data)} of {file_bytes} bytes")
    try:
        time = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise DataError(name, f"its time {clock} is none") from None
    south, west, north, east, _, _, nx, ny, dx, dy, _, packing, radars, unpacked, scale, _ = (
        _GRID.unpack_from(data, 124)
    )
    if packing != _BZIP2:
        raise DataError(name, f"packing {packing} is not known, wanted {_BZIP2} (bzip2)")
    step = dx * 1e-4
    _check_grid(name, (south, west, north, east), (nx, ny), (dx, dy), unpacked, scale)
    packed = _unpacked(data[start : start + length], unpacked, name)
    values = np.frombuffer(packed, "<i2").reshape(ny, nx)
    dbz = values.astype(np.float32) / np.float32(scale)
    dbz[dbz < _NO_ECHO_DBZ] = np.nan
    return Composite(time, dbz, west * 1e-3, north * 1e-3, step, radars)


def _check_grid(
    name: str,
    edges: tuple[int, int, int, int],
    counts: tuple[int, int],
    steps: tuple[int, int],
    unpacked: int,
    scale: int,
) -> None:
    """Hold edges (thousandths of a degree), counts and steps (ten-thousandths) together."""
    south, west, north, east = edges
    nx, ny = counts
    dx, dy = steps
    if not (0 < nx * ny <= _MOST_CELLS and nx > 0 and dx > 0 and scale > 0):
        raise DataError(name, f"its grid of {ny} x {nx} cells, scale {scale}, is none")
    if dx != dy or (east - west) * 10 != nx * dx or (north - south) * 10 != ny * dy:
        raise DataError(name, f"edges {edges} do not fit {ny} x {nx} cells of {dy} x {dx}")
    if unpacked != 2 * nx * ny:
        raise DataError(name, f"{unpacked} bytes do not fit {ny} x {nx} cells")


def _unpacked(packed: bytes, size: int, name: str) -> bytes:
    """What was packed; never more than the header says, whatever the bytes hold."""
    unpacker = bz2.BZ2Decompressor()
    try:
        out = unpacker.decompress(packed, size)
    except (OSError, EOFError) as error:
        raise DataError(name, f"its grid cannot be unpacked: {error}") from None
    if len(out) != size or (not unpacker.eof and unpacker.decompress(b"", 1)):
        raise DataError(name, f"its grid has not the {size} bytes that its header says")
    return out


def rain_of_composite(
    composite: Composite, spec: GridSpec, relation: ZRRelation
) -> NDArray[np.float32]:
    """Rain rate of a composite on a grid.

    Parameters
    ----------
    composite
        The composite. Its reflectivity is the largest of each column, so that rain is too heavy
        where echo aloft does not reach the ground, and in bright bands.
    spec
        Grid; its cells are means over points about one cell of the composite apart.
    relation
        From reflectivity to rain.

    Returns
    -------
    (y, x) mm/h; 0 where scanned without echo, NaN where half of the points are not known.

    Raises
    ------
    ConfigError
        Where the grid lies outside the composite.
    """
    parts = max(1, round(spec.spacing_m / _SOURCE_M))
    fine = GridSpec(
        spec.crs, spec.x0_m, spec.y0_m, spec.spacing_m / parts, spec.nx * parts, spec.ny * parts
    )
    lon, lat = fine.lonlat()
    south, east = (
        composite.north_deg - composite.dbz.shape[0] * composite.step_deg,
        composite.west_deg + composite.dbz.shape[1] * composite.step_deg,
    )
    if (
        lon.max() < composite.west_deg or lon.min() > east
        or lat.max() < south or lat.min() > composite.north_deg
    ):  # fmt: skip
        raise ConfigError("the grid lies outside the composite")
    rate = relation.rain_rate(composite.at(lon, lat))
    if parts == 1:
        return rate
    known = coarsen_mean(np.isfinite(rate).astype(np.float32), parts)
    mean = coarsen_mean(rate, parts)
    return np.where(known > 0.5, mean, np.float32(np.nan)).astype(np.float32)
