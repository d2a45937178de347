"""The day store of analyses: `obs/<YYYYMMDD>.zarr`, preallocated, with an index of valid times."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from jinghu.grid import durable
from jinghu.grid.errors import StoreError
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.store import Store, consolidate, packed, write_zarr
from jinghu.grid.times import isoformat, to_numpy

RATE_SCALE = 0.02  # mm/h: int16 reaches 655 mm/h
_VARIABLES = ("rainfall_rate", "quality", "state")
_NO_VALUE = -32768


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

    Raises
    ------
    StoreError
        Where the time is not a step of the day, or the day was laid out for another grid or step.
    """
    time = time.astimezone(UTC)
    row, rest = divmod(time - _midnight(time), step)
    if rest:
        raise StoreError(f"analysis time {isoformat(time)} is not a multiple of {step}")
    path = store.root / "obs" / f"{time:%Y%m%d}.zarr"
    spec = GridSpec.of(analysis)
    if not path.exists():
        _preallocate(path, spec, time, step)
    _check_layout(path, spec, time, row)
    index = valid_times(store, time)
    if isoformat(time) in index:  # while it is written again it is not valid
        _write_index(path, index - {isoformat(time)})
    group = zarr.open_group(path, mode="r+", zarr_format=3)
    for name in _VARIABLES:
        target = _array(group, name)
        values = analysis[name].values
        if target.dtype == np.int16:
            values = _as_int16(values, float(str(target.attrs["scale_factor"])))
        target[row] = values
    # A field without any value has no chunk, and perhaps no folder of chunks.
    chunks = [path / name / "c" for name in _VARIABLES]
    durable.fsync_tree(*(folder / str(row) for folder in chunks))
    durable.fsync_paths([f for c in chunks for f in (c, c.parent) if f.is_dir()])
    _write_index(path, index | {isoformat(time)})


def valid_times(store: Store, day: datetime) -> set[str]:
    """Return the times of the (UTC) day for which there is an analysis."""
    path = store.root / "obs" / f"{day.astimezone(UTC):%Y%m%d}.json"
    try:
        return set(json.loads(path.read_text(encoding="ascii")))
    except FileNotFoundError:
        return set()
    except (ValueError, TypeError) as error:
        raise StoreError(f"{path}: {error}") from None


def observed_rate(store: Store, time: datetime) -> NDArray[np.float32] | None:
    """Rain rate (y, x) in mm/h of the analysis of a time, None where there is none."""
    time = time.astimezone(UTC)
    if isoformat(time) not in valid_times(store, time):
        return None
    with xr.open_zarr(store.root / "obs" / f"{time:%Y%m%d}.zarr", chunks=None) as day:
        found = day["rainfall_rate"].sel(time=to_numpy(time))
        return np.asarray(found.values, np.float32)


def _write_index(path: Path, times: set[str]) -> None:
    durable.write_atomic(path.with_suffix(".json"), json.dumps(sorted(times)).encode("ascii"))


def _as_int16(values: NDArray[np.float32], scale: float) -> NDArray[np.int16]:
    """Pack; what is too large becomes the largest value, not one of the other sign."""
    limit = np.iinfo(np.int16).max
    scaled = np.clip(np.rint(np.nan_to_num(values, nan=0.0) / scale), -limit, limit)
    return np.where(np.isnan(values), _NO_VALUE, scaled).astype(np.int16)


def _check_layout(path: Path, spec: GridSpec, time: datetime, row: int) -> None:
    """Refuse a day that was laid out for another grid or another step."""
    with xr.open_zarr(path) as day:
        if GridSpec.of(day) != spec:
            raise StoreError(f"{path}: made for another grid; move the old store away")
        if row >= day.sizes["time"] or day["time"].values[row] != to_numpy(time):
            raise StoreError(f"{path}: made for another time step; move the old store away")


def _midnight(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _preallocate(path: Path, spec: GridSpec, time: datetime, step: timedelta) -> None:
    """Lay a day of empty steps; chunks are written when their analysis comes.

    One empty step is written and the arrays are then lengthened, which costs nothing: a whole
    empty day would be encoded chunk by chunk only to be left out.
    """
    n = timedelta(days=1) // step
    times = to_numpy(_midnight(time)) + np.arange(n) * np.timedelta64(step)
    shape = (1, *spec.shape)
    dims = ("time", "y", "x")
    variables = {
        "rainfall_rate": (dims, np.full(shape, np.nan, np.float32), attrs("rainfall_rate")),
        "quality": (dims, np.full(shape, np.nan, np.float32), attrs("quality")),
        "state": (dims, np.full(shape, 255, np.uint8), attrs("state")),
    }
    encoding: dict[str, dict[str, object]] = {
        "rainfall_rate": packed(RATE_SCALE, shape, shape, shards=False),
        "quality": packed(0.001, shape, shape, shards=False),
        "state": {"chunks": shape, "_FillValue": 255, "fill_value": 255},
        "time": {"units": "seconds since 1970-01-01", "dtype": "int64", "chunks": (n,)},
    }
    temporary = durable.temporary_beside(path)
    shutil.rmtree(temporary, ignore_errors=True)
    day = xr.Dataset(variables, coords={"time": times[:1], **spec.coords()})
    write_zarr(temporary, day, encoding)
    group = zarr.open_group(temporary, mode="r+", zarr_format=3, use_consolidated=False)
    for name in (*_VARIABLES, "time"):
        _array(group, name).resize((n, *_array(group, name).shape[1:]))
    _array(group, "time")[:] = times.astype("datetime64[s]").astype(np.int64)
    consolidate(temporary)
    durable.fsync_tree(temporary)
    durable.rename_durable(temporary, path)


def _array(group: zarr.Group, name: str) -> "zarr.Array[Any]":
    found = group[name]
    assert isinstance(found, zarr.Array)
    return found
