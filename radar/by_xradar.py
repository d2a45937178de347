"""NEXRAD level II and CfRadial volumes through xradar, which the extra ``interop`` installs."""

import struct
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import xarray as xr

from jinghu.grid.errors import DataError

# What xradar raises on damaged files; it has no exception of its own.
_FAILURES = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    UnboundLocalError,
    AssertionError,
    struct.error,
)


def open_nexrad(data: bytes, source: str) -> xr.DataTree:
    """Tree of a NEXRAD level II volume.

    Raises
    ------
    DataError
        Without xradar, or where it cannot read the bytes.
    """
    opener = _xradar(source, "NEXRAD level II").open_nexradlevel2_datatree
    return _opened(opener, data, "NEXRAD level II", source)


def open_cfradial(data: bytes, source: str) -> xr.DataTree:
    """Tree of a CfRadial 1 volume, of netCDF 3 or 4.

    Raises
    ------
    DataError
        Without xradar, or where it cannot read the bytes.
    """
    opener = _xradar(source, "CfRadial").open_cfradial1_datatree
    return _opened(opener, data, "CfRadial", source)


def _xradar(source: str, what: str) -> ModuleType:
    try:
        return import_module("xradar.io")
    except ImportError:
        cause = f"{what} is read by xradar, which is not installed: pip install 'jinghu[interop]'"
        raise DataError(source, cause) from None


def _opened(
    opener: Callable[[Path], xr.DataTree], data: bytes, what: str, source: str
) -> xr.DataTree:
    """Open bytes as a file of their own: its readers want a path; loaded, so that none is kept."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "volume"
        file.write_bytes(data)
        try:
            with opener(file) as tree:
                return tree.load()
        except _FAILURES as error:
            cause = str(error).partition("\n")[0] or type(error).__name__
            raise DataError(source, f"xradar cannot read it as {what}: {cause}") from None
