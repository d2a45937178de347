"""`jinghu composite`: national composites of reflectivity to a rain sequence on a grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jinghu.commands import write_netcdf
from jinghu.configs.settings import load
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.radar.cma_mosaic import rain_of_composite, read_composite
from jinghu.radar.zr import ZRRelation

# Zhejiang with its seas: 300 to 800 km east, 2,985 to 3,495 km north.
_CRS, _X0_M, _Y0_M, _WIDTH_M, _HEIGHT_M = "EPSG:4549", 300e3, 2_985e3, 500e3, 510e3


@dataclass(frozen=True, slots=True)
class CompositeRequest:
    """Composites to a sequence: files or folders, the file to write, and the grid.

    Parameters
    ----------
    config
        Its working grid is taken; without it that of `zhejiang`.
    spacing_m
        Cells of the latter.
    """

    sources: Sequence[Path]
    out: Path
    config: Path | None = None
    spacing_m: float = 1000.0


def zhejiang(spacing_m: float) -> GridSpec:
    """Grid over Zhejiang and its seas; ConfigError where cells do not fill it."""
    nx, ny = _WIDTH_M / spacing_m, _HEIGHT_M / spacing_m
    if nx != int(nx) or ny != int(ny):
        raise ConfigError(f"--spacing {spacing_m:g}: cells do not fill 500 km x 510 km")
    return GridSpec(_CRS, _X0_M, _Y0_M, spacing_m, int(nx), int(ny))


def composite_files(request: CompositeRequest) -> dict[str, Any]:
    """Write the rain of composites as NetCDF; returns the summary of ``--json``."""
    if request.config is None:
        spec = zhejiang(request.spacing_m)
    else:
        spec = load(request.config).grid.working()
    rain, refused = composite_sequence(_files(request.sources), spec, ZRRelation())
    write_netcdf(rain, request.out)
    times = rain["time"].values
    return {
        "fields": int(times.size),
        "start": f"{np.datetime_as_string(times[0], 's')}Z",
        "end": f"{np.datetime_as_string(times[-1], 's')}Z",
        "grid": list(spec.shape),
        "spacing_m": spec.spacing_m,
        "refused": [{"file": error.source, "cause": error.cause} for error in refused],
    }


def composite_sequence(
    files: Sequence[Path], spec: GridSpec, relation: ZRRelation
) -> tuple[xr.Dataset, list[DataError]]:
    """Rain ``rainfall_rate(time, y, x)`` of composites, and the files that were refused.

    Of files of one time the last in the order of names counts.

    Raises
    ------
    DataError
        Where no file is left.
    """
    fields, refused = {}, []
    for file in files:
        try:
            composite = read_composite(file.read_bytes(), str(file))
        except DataError as error:
            refused.append(error)
        except OSError as error:
            refused.append(DataError(file, error.strerror or str(error)))
        else:
            fields[composite.time] = rain_of_composite(composite, spec, relation)
    if not fields:
        raise (
            refused[0]
            if len(refused) == 1
            else DataError("composite", f"none of {len(files)} files is usable; {refused[0]}")
        )
    times = sorted(fields)
    rates = np.stack([fields[t] for t in times])
    stamps = np.array([t.replace(tzinfo=None) for t in times], "datetime64[ns]")
    dataset = xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), rates, attrs("rainfall_rate"))},
        coords={"time": stamps, **spec.coords()},
        attrs={
            "source": "CMA composite reflectivity (largest of each column)",
            "zr_relation": f"Z = {relation.a:g} R^{relation.b:g}, cap {relation.cap_dbz:g} dBZ",
        },
    )
    return dataset, refused


def _files(sources: Sequence[Path]) -> list[Path]:
    """Files, and those of folders that are named like composites, by their names."""
    found = []
    for source in sources:
        found += sorted(source.glob("*_CREF_*.bin")) if source.is_dir() else [source]
    if not found:
        raise DataError(sources[0], "holds no file named ..._CREF_<time>.bin")
    return sorted(found, key=lambda file: file.name)
