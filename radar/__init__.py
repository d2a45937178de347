"""Bytes of a radar volume to quality-controlled rain on the grid."""

from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from jinghu.grid.errors import DataError
from jinghu.radar.datatree import to_datatree
from jinghu.radar.decode import decode_volume
from jinghu.radar.sites import RadarSite

__all__ = ["open_volume"]


def open_volume(
    path_or_bytes: str | Path | bytes, *, sites: Mapping[str, RadarSite] | None = None
) -> xr.DataTree:
    """Open a CINRAD volume in the FM301/CfRadial2 data model, as xradar has it.

    Parameters
    ----------
    path_or_bytes
        File, or its content; legacy volumes need a file, because their name carries the site.
    sites
        Table of known sites; legacy volumes need one, others are placed by their header without.

    Raises
    ------
    DataError
        Names the file and the cause.
    """
    if isinstance(path_or_bytes, bytes):
        return to_datatree(decode_volume(path_or_bytes, "bytes", sites))
    path = Path(path_or_bytes)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(path, error.strerror or str(error)) from None
    return to_datatree(decode_volume(data, path.name, sites))
