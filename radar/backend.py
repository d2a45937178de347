"""xarray backend: ``xr.open_datatree(file, engine="cinrad")``, moments read where they are used."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from jinghu.grid.errors import DataError
from jinghu.radar.datatree import groups, sweep_dataset
from jinghu.radar.decode import decode_volume
from jinghu.radar.gates import GateTable
from jinghu.radar.sites import RadarSite, load_sites
from jinghu.radar.standard_layout import MAGIC
from jinghu.radar.volume import Volume

Sites = Mapping[str, RadarSite] | str | os.PathLike[str] | None
Source = str | os.PathLike[str] | bytes | BinaryIO
_NAME = re.compile(r"^Z_RADR_I_Z\w{4}_\d{14}_O_DOR", re.ASCII)
_SWEEP = re.compile(r"^/?sweep_(\d+)$", re.ASCII)


class CinradBackend(BackendEntrypoint):
    """Opens CINRAD volumes in the FM301/CfRadial2 model, as xradar names it.

    Values and states of moments are looked up in the file's codes when they are read, so that
    opening costs a decoding without values. ``sites`` is a table of radar sites, or its file;
    legacy volumes need one, because no coordinates are inside.
    """

    description = "CINRAD radar volumes: standard format, phased array, legacy SA/SB"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "group", "sites")
    supports_groups = True

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: Source,
        *,
        drop_variables: str | Iterable[str] | None = None,
        group: str = "sweep_0",
        sites: Sites = None,
    ) -> xr.Dataset:
        """Open one sweep, or the root group "/".

        Raises
        ------
        DataError
            Names the file and the cause; also where it has no such group.
        """
        volume = _decode(filename_or_obj, sites)
        if group.strip("/") == "":
            return _without(next(groups(volume))[1], drop_variables)
        match = _SWEEP.match(group)
        if match is None or int(match.group(1)) >= len(volume.sweeps):
            cause = f"no group {group!r}: there are sweep_0 to sweep_{len(volume.sweeps) - 1}"
            raise DataError(volume.source, cause)
        return _without(sweep_dataset(volume, int(match.group(1)), _lazy), drop_variables)

    def open_groups_as_dict(  # type: ignore[override]
        self,
        filename_or_obj: Source,
        *,
        drop_variables: str | Iterable[str] | None = None,
        sites: Sites = None,
    ) -> dict[str, xr.Dataset]:
        """Open the root and all sweeps.

        Raises
        ------
        DataError
            Names the file and the cause.
        """
        volume = _decode(filename_or_obj, sites)
        return {name: _without(ds, drop_variables) for name, ds in groups(volume, _lazy)}

    def open_datatree(  # type: ignore[override]
        self,
        filename_or_obj: Source,
        *,
        drop_variables: str | Iterable[str] | None = None,
        sites: Sites = None,
    ) -> xr.DataTree:
        """Open the whole volume.

        Raises
        ------
        DataError
            Names the file and the cause.
        """
        found = self.open_groups_as_dict(
            filename_or_obj, drop_variables=drop_variables, sites=sites
        )
        return xr.DataTree.from_dict(found)

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether the name is one of a CINRAD volume, or the content begins like one."""
        if isinstance(filename_or_obj, str | os.PathLike):
            path = Path(filename_or_obj)
            if _NAME.match(path.name):
                return True
            try:
                with path.open("rb") as file:
                    return file.read(len(MAGIC)) == MAGIC
            except OSError:
                return False
        if isinstance(filename_or_obj, bytes | bytearray):
            return bytes(filename_or_obj[: len(MAGIC)]) == MAGIC
        if not hasattr(filename_or_obj, "seek"):
            return False
        at = filename_or_obj.tell()
        head = filename_or_obj.read(len(MAGIC))
        filename_or_obj.seek(at)
        return bool(head == MAGIC)


class _LazyField(BackendArray):
    """Values or states of a moment, computed for the gates that are asked for."""

    def __init__(self, table: GateTable) -> None:
        self._table = table
        self.shape = (len(table.ray), len(table.gate))
        self.dtype = table.meaning.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._outer
        )

    def _outer(self, key: tuple[Any, ...]) -> NDArray[Any]:
        picked = [np.arange(n)[k] for n, k in zip(self.shape, key, strict=True)]
        out = self._table.load(*(np.atleast_1d(p) for p in picked))
        return out.reshape([len(p) for p in picked if np.ndim(p)])


def _lazy(table: GateTable) -> Any:
    return indexing.LazilyIndexedArray(_LazyField(table))


def _decode(source: Source, sites: Sites) -> Volume:
    table = load_sites(Path(sites)) if isinstance(sites, str | os.PathLike) else sites
    if isinstance(source, bytes):
        return decode_volume(source, "bytes", table)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        try:
            return decode_volume(path.read_bytes(), path.name, table)
        except OSError as error:
            raise DataError(path, error.strerror or str(error)) from None
    name = Path(str(getattr(source, "name", "stream"))).name
    return decode_volume(source.read(), name, table)


def _without(dataset: xr.Dataset, names: str | Iterable[str] | None) -> xr.Dataset:
    if names is None:
        return dataset
    drop = [names] if isinstance(names, str) else list(names)
    return dataset.drop_vars(drop, errors="ignore")
