"""The blend of the cycle to six hours, with a model made from the truth: displaced and blurred.

Rain of drills on the grid of Shaoxing, and the BoM sequence of ``JINGHU_DATA`` where it is there,
through `jinghu.model_blend` as a cycle calls it. Hourly amounts over the whole grid, as rivers get
them: RMSE in mm and CSI at 5 mm. Beside the blend stand the nowcast as it is without a model (dry
after three hours), the nowcast extrapolated on, and the model alone. Missing rain counts as none.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.console import Console
from scipy.ndimage import gaussian_filter, shift
from sequences import DATA

from jinghu.configs.settings import CONFIGS, GridSettings, Settings, load
from jinghu.drill_rain import make_rain
from jinghu.drill_script import named_drill
from jinghu.flood import terrain_of
from jinghu.grid.accumulation import block_amounts
from jinghu.grid.fields import attrs
from jinghu.model_blend import Blending, blended_forecast
from jinghu.model_file import Span
from jinghu.model_inputs import ModelRun
from jinghu.nowcast import nowcast
from jinghu.nowcast.model_grid import at_times
from jinghu.stages import StageLog

Rain = NDArray[np.float32]
HOURS = 6
MODELS = {"good": (20.0, 10.0), "fair": (40.0, 20.0), "poor": (80.0, 30.0)}  # km off, km blurred
WAYS = ("nowcast, then dry", "extrapolated", "model", "blend")


@dataclass(frozen=True, slots=True)
class Case:
    """True rates (time, y, x) every step, and the fields at which forecasts start."""

    name: str
    rates: Rain
    settings: Settings
    issues: tuple[int, ...]


def cases(only: str) -> Iterator[Case]:
    base = load(CONFIGS / "demo.yaml")
    for name in ("convective-line", "scattered", "typhoon"):
        if only in name:
            yield drill(name, base)
    files = sorted((DATA / "rain_sequences" / "bom" / "20201031").glob("*.nc"))
    if files and only in "bom/20201031":
        mm = [xr.load_dataset(f)["precipitation"].values[:512, :512] for f in files]
        rates = np.stack(mm).astype(np.float32).reshape(len(mm), 128, 4, 128, 4).mean(axis=(2, 4))
        grid = GridSettings(x0_m=0.0, y0_m=0.0, spacing_m=2000.0, nx=128, ny=128, working_factor=1)
        yield Case("bom/20201031", rates * 6.0, changed(base, grid, 10), (12, 36, 60, 84, 105))


def changed(base: Settings, grid: GridSettings, step_min: int) -> Settings:
    of = {"step_min": step_min, "leads": 180 // step_min, "blend_until_h": float(HOURS)}
    return base.model_copy(update={"grid": grid, "nowcast": base.nowcast.model_copy(update=of)})


def drill(name: str, base: Settings) -> Case:
    """Rain of a drill every 6 min."""
    script = named_drill(name)
    fine = base.grid.working()
    rain = make_rain(script, fine, terrain_of(base)["elevation"].values)
    grid = base.grid.model_copy(update={"working_factor": 1})
    spec, step = grid.product(), timedelta(minutes=6)
    steps = int((timedelta(hours=script.hours + HOURS)) / step)
    rates = np.stack([rain.on_grid(spec, script.start + k * step) for k in range(steps)])
    wet = (rates > 1.0).mean(axis=(1, 2))
    last = steps - HOURS * 10 - 1
    issues = tuple(k for k in range(10, last, 20) if wet[k] > 0.005)
    return Case(name, rates, changed(base, grid, 6), issues)


def displaced(rates: Rain, km: float, blur_km: float, cell_km: float) -> Rain:
    """Truth moved north-east and blurred; what comes from beyond the edge is the edge's."""
    d = km / cell_km / np.sqrt(2.0)
    known = np.nan_to_num(rates)
    moved = [shift(rate, (d, d), order=1, mode="nearest") for rate in known]
    return np.stack([gaussian_filter(m, blur_km / cell_km, mode="nearest") for m in moved])


def dataset(rates: Rain, times: NDArray[np.datetime64], settings: Settings) -> xr.Dataset:
    return xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), rates, attrs("rainfall_rate"))},
        coords={"time": times, **settings.grid.product().coords()},
    )


def run(case: Case, kind: str, issue: int, before: xr.Dataset | None) -> tuple[dict, xr.Dataset]:
    """Hourly amounts (hour, y, x) of each way and the truth; the model's skill."""
    of = case.settings.nowcast
    step = np.timedelta64(of.step_min, "m").astype("timedelta64[ns]")
    per_hour = 60 // of.step_min
    times = np.datetime64("2026-06-20T00:00", "ns") + step * np.arange(len(case.rates))
    cell_km = case.settings.grid.spacing_m / 1e3
    hourly = slice(issue % per_hour, None, per_hour)
    said = displaced(case.rates[hourly], *MODELS[kind], cell_km)
    model = dataset(said, times[hourly], case.settings)
    rain = dataset(case.rates, times, case.settings)
    rain = rain.isel(time=slice(max(0, issue - per_hour), issue + 1))
    span = Span(times[0], times[0], times[hourly][-1])
    whole = nowcast(rain, leads=HOURS * per_hour, step=step)
    motion = whole[["motion_x", "motion_y"]]
    blending = Blending(ModelRun(kind, span, model, model), rain, motion, before)
    dt = timedelta(minutes=of.step_min)
    rates = whole["rainfall_rate"].values
    mm = block_amounts(rates, dt, 1)
    ends = times[issue] + step * np.arange(1, len(mm) + 1)
    coords = {"time": ends, **case.settings.grid.product().coords()}
    amounts = xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), mm, attrs("rainfall_amount"))}, coords=coords
    )
    near = amounts.isel(time=slice(0, of.leads))
    log = StageLog(Console(quiet=True))
    made = blended_forecast(rates[: of.leads + 1], near, blending, case.settings, log)
    assert made.outlook is not None
    joined = np.concatenate(
        [part["rainfall_amount"].values for part in (made.amounts, made.outlook)]
    )
    dry = mm.copy()
    dry[of.leads :] = 0.0
    of_model = at_times(model, np.concatenate([times[issue : issue + 1], ends]))
    fields = {
        "nowcast, then dry": dry,
        "extrapolated": mm,
        "model": block_amounts(of_model, dt, 1),
        "blend": joined,
        "truth": block_amounts(case.rates[issue : issue + len(mm) + 1], dt, 1),
    }
    sums = {
        name: np.nan_to_num(f).reshape(HOURS, per_hour, *f.shape[1:]).sum(axis=1)
        for name, f in fields.items()
    }
    return sums, made.skill


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="names of cases that hold this")
    arguments = parser.parse_args()
    for case in cases(arguments.only):
        print(f"\n{case.name}: {len(case.issues)} forecasts; RMSE mm / CSI 5 mm of each hour")
        for kind in MODELS:
            totals: dict = defaultdict(lambda: np.zeros(5))
            skill = None
            for issue in case.issues:
                sums, skill = run(case, kind, issue, skill)
                truth = sums.pop("truth")
                for name, found in sums.items():
                    for h in range(HOURS):
                        yes, seen = found[h] >= 5.0, truth[h] >= 5.0
                        square = np.square(found[h] - truth[h], dtype=np.float64).mean()
                        hits = [(yes & seen).sum(), (seen & ~yes).sum(), (yes & ~seen).sum()]
                        totals[name, h] += np.array([square, *hits, 1])
            for h in range(HOURS):
                cells = ""
                for name in WAYS:
                    t = totals[name, h]
                    csi = t[1] / max(t[1:4].sum(), 1)
                    cells += f"  {name} {np.sqrt(t[0] / t[4]):6.3f}/{csi:.3f}"
                print(f"{kind} +{h + 1} h {cells}")


if __name__ == "__main__":
    main()
