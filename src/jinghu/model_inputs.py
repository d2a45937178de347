"""Runs of a numerical model that a cycle has to work with: found, chosen, read, refused by name."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr

from jinghu.configs.settings import Settings
from jinghu.grid.errors import DataError
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import to_numpy
from jinghu.ingest import Refused
from jinghu.model_file import Span, read_model, spans_of
from jinghu.model_runs import Run, runs_of
from jinghu.nowcast.intake import minute
from jinghu.nowcast.model_grid import WIDEST_GAP, to_grid
from jinghu.stages import StageLog

RECENT = np.timedelta64(1, "h")  # analyses that tell the model's skill
_CLOCK = np.timedelta64(2, "m")  # by which another clock may be ahead
_NAMED = re.compile(r"(?<!\d)(20\d{6})[-_T]?(\d{2})(?:\d{2}){0,2}(?!\d)")
_NAME_MARGIN = timedelta(hours=24)  # names are in local time, or of the first hour of the rain


@dataclass(frozen=True, slots=True)
class ModelRun:
    """Rain of one run, on the grids of a cycle.

    Parameters
    ----------
    file
        Its name, or the first and the last of its files.
    span
        Reference time, first and last time of the run.
    working, product
        ``rainfall_rate(time, y, x)`` in mm/h from an hour before the analysis on; NaN where the
        model does not reach.
    """

    file: str
    span: Span
    working: xr.Dataset
    product: xr.Dataset


@dataclass(slots=True)
class ModelInputs:
    """What there is of a numerical model.

    Parameters
    ----------
    asked
        Whether any is configured.
    run
        The one that is used; None where there is none of use.
    refused
        Files that are no model rain, or of the future.
    """

    asked: bool = False
    run: ModelRun | None = None
    refused: list[Refused] = field(default_factory=list)


def read_model_inputs(
    paths: Sequence[Path], settings: Settings, clocks: tuple[datetime, datetime], log: StageLog
) -> ModelInputs:
    """Read the newest usable run.

    Runs that reach the end of the nowcast go before those that do not; of these the newest
    reference time counts. A file that turns out to be broken is refused and the rest of its run
    read; a run of no use is refused whole, and the next one read.

    Parameters
    ----------
    paths
        Files and folders; one that does not exist is named.
    settings
        Grid, leads, and how old a run may be.
    clocks
        Analysis time, and the cycle's clock.
    log
        Told what the cycle has to do without.
    """
    found = ModelInputs(asked=bool(paths))
    if not paths:
        return found
    for path in paths:
        if not path.exists():
            log.degrade(f"model input {path} does not exist")
    of, time = settings.nowcast, to_numpy(clocks[0])
    oldest = timedelta(hours=of.oldest_model_h)
    runs = runs_of(_spans(model_files(paths, clocks[0], oldest), to_numpy(clocks[1]), found))
    end = time + np.timedelta64(of.leads * of.step_min, "m")
    usable = [
        run
        for run in runs
        if time - np.timedelta64(oldest) <= run.span.reference <= time < run.span.last
    ]
    usable.sort(key=lambda run: (run.span.last >= end, run.span.reference), reverse=True)
    for run in usable:
        found.run = _of_files(run, settings, time, log, found)
        if found.run is None:
            continue
        if found.run.span.last < end:
            log.degrade(
                f"model {found.run.file} ends at {minute(found.run.span.last)}, before the nowcast"
            )
        return found
    log.degrade(f"no usable model run of the last {of.oldest_model_h:g} h: the nowcast alone")
    return found


def model_files(paths: Iterable[Path], time: datetime, oldest: timedelta) -> list[Path]:
    """Files (Zarr: folders) that may hold a usable run, by name.

    What is named by a time long before or after is passed over unopened.
    """
    found: list[Path] = []
    for path in paths:
        found += path.iterdir() if path.is_dir() and not _is_zarr(path) else [path]
    kept = (p for p in found if not p.name.startswith(".") and (p.is_file() or _is_zarr(p)))
    return sorted((p for p in kept if _near(p.name, time, oldest)), key=lambda p: p.name)


def _is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup"))


def _near(name: str, time: datetime, oldest: timedelta) -> bool:
    match = _NAMED.search(name)
    if match is None:
        return True
    try:
        named = datetime.strptime(match[1] + match[2], "%Y%m%d%H").replace(tzinfo=time.tzinfo)
    except ValueError:
        return True
    return time - oldest - _NAME_MARGIN <= named <= time + _NAME_MARGIN


def _spans(
    files: Sequence[Path], now: np.datetime64, found: ModelInputs
) -> list[tuple[Path, Span]]:
    """Times of each file; those that cannot be told, or are yet to come, are refused."""
    spans = []
    for file, span in zip(files, spans_of(files), strict=True):
        if isinstance(span, DataError):
            found.refused.append(Refused(file, span))
        elif span.reference > now + _CLOCK:
            cause = f"it is of {minute(span.reference)}, yet to come: clock wrong"
            found.refused.append(Refused(file, DataError(file.name, cause)))
        else:
            spans.append((file, span))
    return spans


def _of_files(
    run: Run, settings: Settings, time: np.datetime64, log: StageLog, found: ModelInputs
) -> ModelRun | None:
    """Read a run without those of its files that are broken; None where nothing is of use."""
    files = list(run.files)
    while files:
        try:
            return _read(Run(tuple(files), run.span), settings, time, log)
        except DataError as error:
            broken = [file for file in files if str(file) == error.source] or files
            found.refused += [Refused(file, error) for file in broken]
            files = [file for file in files if file not in broken]
    return None


def _read(run: Run, settings: Settings, time: np.datetime64, log: StageLog) -> ModelRun:
    """Rain of a run on both grids, as far as the cycle needs it."""
    of = settings.nowcast
    model = read_model(*run.files)
    end = np.timedelta64(round(max(of.leads * of.step_min, of.blend_until_h * 60)), "m")
    times = model.rain["time"].values
    needed = (times >= time - RECENT - WIDEST_GAP) & (times <= time + end + WIDEST_GAP)
    rain = model.rain.isel(time=np.flatnonzero(needed))
    product = to_grid(rain, _grid(settings.grid.product()), run.name)
    if not np.isfinite(product["rainfall_rate"].values).any():
        raise DataError(run.name, "holds no value on the grid")
    if model.degradation:
        log.degrade(f"{run.name}: {model.degradation}")
    missing = float(np.isnan(product["rainfall_rate"].values).mean())
    if missing > 0.01:
        log.degrade(f"model {run.name} covers {100 * (1 - missing):.0f} % of the grid")
    working = to_grid(rain, _grid(settings.grid.working()), run.name)
    return ModelRun(run.name, Span.of(model), working, product)


def _grid(spec: GridSpec) -> xr.Dataset:
    """A Dataset that declares a grid."""
    nothing = np.broadcast_to(np.float32(np.nan), spec.shape)
    return xr.Dataset({"rainfall_rate": (("y", "x"), nothing)}, coords=spec.coords())
