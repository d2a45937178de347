"""GRIB2 files decoded in a process of its own: on damaged ones the library may end the process."""

import importlib.util
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jinghu.grid.errors import DataError
from jinghu.model_grib import LACKING, Failure, answers

_PATIENCE_S = 120.0

Times = tuple[np.datetime64, np.datetime64, np.datetime64]


def grib_times(sources: Sequence[Path]) -> list[Times | DataError]:
    """Reference time, first and last time of the rain of each file; no value is decoded.

    Returns
    -------
    One a file: its times, or why it was refused.
    """
    found: list[Times | DataError] = []
    while len(found) < len(sources):
        left = sources[len(found) :]
        said, ended = _said("times", left)
        for source, answer in zip(left, said, strict=False):
            found.append(answer if not isinstance(answer, Failure) else refusal(answer, [source]))
        if ended:  # on the next one; those after it are asked for again
            found.append(DataError(left[len(said)], ended))
    return found


def read_grib(sources: Sequence[Path]) -> xr.Dataset:
    """Rain of the files of one model run.

    Parameters
    ----------
    sources
        In an order in which a later file counts where two hold the same.

    Returns
    -------
    ``rainfall_amount(time, y, x)`` in mm with time bounds, intervals disjoint, or where there are
    rates at instants alone ``rainfall_rate(time, y, x)`` in mm/h; ``crs``,
    ``forecast_reference_time``.

    Raises
    ------
    DataError
        Names the file and why it was refused: ecCodes is missing; damaged or cut short; no rain;
        several runs, members or grids; a grid or a statistic that is not read here.
    """
    said, ended = _said("rain", sources)
    if ended:  # it told which file it was about to read
        raise DataError(sources[said[-1] if said else 0], ended)
    if isinstance(said[-1], Failure):
        raise refusal(said[-1], sources)
    return said[-1]  # type: ignore[no-any-return]


def refusal(failure: Failure, sources: Sequence[Path]) -> DataError:
    """The error that a failure stands for."""
    return DataError(sources[failure.place], failure.cause)


def _said(what: str, sources: Sequence[Path]) -> tuple[list[Any], str]:
    """What a process says of files, one after another; why it ended before, empty where not."""
    if importlib.util.find_spec("eccodes") is None:
        return [], LACKING
    command = [sys.executable, "-P", "-m", "jinghu.grib_process", what, *map(str, sources)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as late:
        return _unpickled(late.stdout or b""), f"damaged: not decoded within {_PATIENCE_S:g} s"
    cause = f"damaged: its decoder ended with code {done.returncode}" if done.returncode else ""
    return _unpickled(done.stdout), cause


def _unpickled(stream: bytes) -> list[Any]:
    """Whole objects of a stream, which was written by this program and may be cut short."""
    said, rest = [], io.BytesIO(stream)
    while True:
        try:
            said.append(pickle.load(rest))
        except (EOFError, pickle.UnpicklingError):
            return said


if __name__ == "__main__":
    for answer in answers(sys.argv[1], [Path(name) for name in sys.argv[2:]]):
        sys.stdout.buffer.write(pickle.dumps(answer))
        sys.stdout.buffer.flush()
    os._exit(0)  # libraries of ecCodes and of pyproj may break down in the clearing up
