"""The day store of analyses: `obs/<YYYYMMDD>.zarr`, preallocated, with an index of valid times."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr
import zarr

from jinghu.grid import durable
from jinghu.grid.errors import StoreError
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.store import Store, packed, write_zarr
from jinghu.grid.times import isoformat, to_numpy

RATE_SCALE = 0.02  # mm/h: int16 reaches 655 mm/h
_VARIABLES = ("rainfall_rate", "quality", "state")


def record_analysis(store: Store, analysis: xr.Dataset, time: datetime, step: timedelta) -> None:
    """Write one analysis into its day; the index names it only once it is on the disk.

    Parameters
    ----------
    store
        The store.
    analysis
        ``rainfall_rate``, ``quality``, ``state`` on (y, x).
    time, step
        Analysis time, a multiple of ``step`` since midnight UTC.
    """
    since_midnight = time - time.replace(hour=0, minute=0, second=0, microsecond=0)
    row, rest = divmod(since_midnight, step)
    if rest:
        raise StoreError(f"analysis time {isoformat(time)} is not a multiple of {step}")
    path = store.root / "obs" / f"{time:%Y%m%d}.zarr"
    if not path.exists():
        _preallocate(path, GridSpec.of(analysis), time, step)
    group = zarr.open_group(path, mode="r+", zarr_format=3)
    for name in _VARIABLES:
        target = group[name]
        if not isinstance(target, zarr.Array) or target.shape[1:] != analysis[name].shape:
            raise StoreError(f"{path}/{name}: made for another grid; move the old store away")
        values = analysis[name].values
        if target.dtype == np.int16:
            scale = float(str(target.attrs["scale_factor"]))
            scaled = np.rint(np.nan_to_num(values, nan=0.0) / scale)
            values = np.where(np.isnan(values), -32768, scaled).astype(np.int16)
        target[row] = values
        durable.fsync_tree(path / name / "c" / str(row))
    index = valid_times(store, time) | {isoformat(time)}
    text = json.dumps(sorted(index)).encode("ascii")
    durable.write_atomic(path.with_suffix(".json"), text)


def valid_times(store: Store, day: datetime) -> set[str]:
    """Return the times of the day for which there is an analysis."""
    path = store.root / "obs" / f"{day:%Y%m%d}.json"
    try:
        return set(json.loads(path.read_text(encoding="ascii")))
    except FileNotFoundError:
        return set()
    except ValueError as error:
        raise StoreError(f"{path}: {error}") from None


def _preallocate(path: Path, spec: GridSpec, time: datetime, step: timedelta) -> None:
    """Lay a day of empty steps; chunks are written when their analysis comes."""
    midnight = to_numpy(time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    n = timedelta(days=1) // step
    times = midnight + np.arange(n) * np.timedelta64(step)
    shape = (n, *spec.shape)
    dims = ("time", "y", "x")
    variables = {
        "rainfall_rate": (dims, _empty(shape, np.nan, np.float32), attrs("rainfall_rate")),
        "quality": (dims, _empty(shape, np.nan, np.float32), attrs("quality")),
        "state": (dims, _empty(shape, 255, np.uint8), attrs("state")),
    }
    chunks = (1, *spec.shape)
    encoding = {
        "rainfall_rate": packed(RATE_SCALE, shape, chunks, shards=False),
        "quality": packed(0.001, shape, chunks, shards=False),
        "state": {"chunks": chunks, "_FillValue": 255},
    }
    temporary = durable.temporary_beside(path)
    shutil.rmtree(temporary, ignore_errors=True)
    write_zarr(temporary, xr.Dataset(variables, coords={"time": times, **spec.coords()}), encoding)
    durable.fsync_tree(temporary)
    durable.rename_durable(temporary, path)


def _empty(shape: tuple[int, ...], value: float, dtype: type) -> np.ndarray:
    """Constant array that takes no memory."""
    return np.broadcast_to(np.array(value, dtype), shape)
