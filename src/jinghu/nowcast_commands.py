"""`jinghu nowcast`: a rain sequence in, its forecast out, file to file."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import numpy as np
import xarray as xr

from jinghu.blend_commands import blend_with_file
from jinghu.commands import write_netcdf
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.spec import GridSpec
from jinghu.nowcast import Engine, Members, Method
from jinghu.nowcast import nowcast as run_nowcast
from jinghu.nowcast.arrival import first_arrival
from jinghu.nowcast.cell_table import geojson
from jinghu.nowcast.cell_tracks import track_cells
from jinghu.nowcast.cells import identify_cells
from jinghu.nowcast.intake import usable
from jinghu.nowcast.nowcast import motion_of
from jinghu.rain_file import read_rain

_FIELDS = 4  # that tell the motion with which cells are followed


@dataclass(frozen=True, slots=True)
class NowcastRequest:
    """One nowcast from file to file."""

    source: Path
    out: Path
    method: str
    engine: str
    leads: int
    step_min: float | None = None
    members: int | None = None
    seed: int | None = None
    workers: int = 2
    arrival_mm_h: float | None = None
    cells: Path | None = None
    model: Path | None = None
    model_state: Path | None = None

    def ensemble(self, method: Method) -> Members | None:
        """Members that the method makes; asked of another one, they are refused."""
        usual = Members(workers=self.workers)
        count, seed = self.members, self.seed
        if method is not Method.STEPS and count is None and seed is None:
            return None
        return Members(
            usual.count if count is None else count,
            usual.seed if seed is None else seed,
            self.workers,
        )


def nowcast_file(request: NowcastRequest) -> dict[str, Any]:
    """Nowcast a sequence in a NetCDF or Zarr file; returns the summary of ``--json``."""
    try:
        method, engine = Method(request.method), Engine(request.engine)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if request.model_state is not None and request.model is None:
        raise ConfigError("--model-state is asked for without --model")
    start = time.perf_counter()
    found, named = read_rain(request.source)
    step = None
    if request.step_min is not None:
        step = np.timedelta64(round(request.step_min * 60), "s")
    try:
        rain, mended = usable(found)
        began = time.perf_counter()
        motion, about_motion = motion_of(rain, engine)
        moved = time.perf_counter()
        out = run_nowcast(
            rain,
            leads=request.leads,
            step=step,
            method=method,
            engine=engine,
            motion=motion,
            members=request.ensemble(method),
        )
    except DataError as error:
        raise DataError(request.source, str(error)) from None
    told: dict[str, Any] = {}
    about_model: tuple[str, ...] = ()
    if request.model is not None:
        out, told, about_model = blend_with_file(
            out, rain, method, request.model, request.model_state
        )
    if request.arrival_mm_h is not None:
        out = out.merge(first_arrival(out["rainfall_rate"], request.arrival_mm_h))
    done = time.perf_counter()
    if request.cells is not None:
        told["cells"] = _cells_file(rain, request.source, request.cells)
    degradations = _names(named, *mended, about_motion, out, *about_model)
    written = out.assign_attrs(degradation="; ".join(degradations)) if degradations else out
    write_netcdf(written, request.out)
    return {
        "method": method.value,
        "engine": engine.value,
        "members": out.sizes.get("member", 1),
        "leads": request.leads,
        **told,
        "degradations": degradations,
        "seconds": {
            "motion": round(moved - began, 3),
            "nowcast": round(done - moved, 3),
            "total": round(time.perf_counter() - start, 3),
        },
        "peak_mb": round(getrusage(RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def _cells_file(rain: xr.Dataset, source: Path, out: Path) -> int:
    """Follow the storm cells through the sequence and write those of its end; their number."""
    tracks = None
    try:
        crs = GridSpec.of(rain.sortby("y")).crs
        for k in range(rain.sizes["time"]):
            motion, _ = motion_of(rain.isel(time=slice(max(0, k - _FIELDS + 1), k + 1)))
            tracks = track_cells(tracks, identify_cells(rain.isel(time=k)), motion)
    except (ConfigError, DataError) as error:
        raise DataError(source, f"--cells: {error}") from None
    if tracks is None:
        raise DataError(source, "--cells: holds no field")
    text = json.dumps(geojson(tracks, crs), ensure_ascii=False, allow_nan=False)
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        cause = f"cannot be written: {error.strerror or error}"
        raise ConfigError(f"--cells {out} {cause}") from None
    return len(tracks.tracks)


def _names(*parts: str | xr.Dataset) -> list[str]:
    """Degradations, each once, in the order in which they came."""
    texts = [p if isinstance(p, str) else str(p.attrs.get("degradation", "")) for p in parts]
    return list(dict.fromkeys(name for text in texts for name in text.split("; ") if name))
