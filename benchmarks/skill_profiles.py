"""Motion where there is no echo, against the truth of drills, with and without wind profilers.

Rain of a drill on 2 km cells every six minutes for an hour: seen only in the west of the grid, so
that the truth is known where nothing is seen; or none until the last step, the first echo of a dry
day; or none in the last half hour. Errors are RMS vector differences in m/s from the true motion
of the texture, over cells whose measured quality is under 0.1, in a typhoon those that it reaches.

Prints a table; with --out also a figure.
"""

import argparse
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.drill_profiles import PLACES, Profilers, motion_at, write_profiles
from jinghu.drill_rain import make_rain
from jinghu.drill_script import named_drill
from jinghu.grid.fields import attrs
from jinghu.grid.frames import Frame
from jinghu.grid.profiles import read_profile
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import to_numpy
from jinghu.nowcast.background import filled_motion
from jinghu.nowcast.motion import estimate_motion
from jinghu.nowcast.steering import SteeringParams, steering_motion, steering_wind

SPEC = GridSpec("EPSG:4549", 405e3, 3140e3, 2000.0, 150, 150)
STEP = timedelta(minutes=6)
STEPS = 10
SEEN = 50  # columns: the western 100 km
DRILLS = ("convective-line", "scattered", "typhoon", "dry")
WAYS = ("measured alone", "with previous", "with profiles", "with both")


@dataclass(frozen=True, slots=True)
class Case:
    """A drill's rain, and the profiles that have arrived by the last step."""

    name: str
    profilers: Profilers
    start: datetime
    profiles: Path


def field(case: Case, time: datetime, seen: int) -> xr.Dataset:
    rate = case.profilers.rain.on_grid(SPEC, time)
    rate[:, seen:] = np.nan if seen else 0.0
    return xr.Dataset(
        {"rainfall_rate": (("y", "x"), rate, attrs("rainfall_rate"))},
        coords={"time": to_numpy(time), **SPEC.coords()},
    )


def true_motion(case: Case, time: datetime) -> NDArray[np.float64]:
    x, y = np.meshgrid(SPEC.x, SPEC.y)
    found = motion_at(case.profilers.rain, x.ravel(), y.ravel(), time)
    return found.reshape(2, *SPEC.shape)


def inside(case: Case) -> NDArray[np.bool_]:
    """Cells that the rain of a typhoon reaches; everything in other drills."""
    vortex = case.profilers.rain.vortex
    if vortex.rate_mm_h <= 0:
        return np.ones(SPEC.shape, np.bool_)
    clock = (case.start + STEPS * STEP - case.profilers.rain.start).total_seconds()
    x, y = np.meshgrid(SPEC.x, SPEC.y)
    off = np.hypot(x - vortex.x_m - vortex.u_m_s * clock, y - vortex.y_m - vortex.v_m_s * clock)
    return np.asarray(off < vortex.reach_m)


def run(case: Case, seen: list[int]) -> dict[str, xr.Dataset]:
    """Motions at the last step by each way; ``seen``: columns seen at each step."""
    params = SteeringParams()
    files = [read_profile(file, Frame.WGS84) for file in sorted(case.profiles.iterdir())]
    winds = [wind for one in files if (wind := steering_wind(one, params)) is not None]
    kept: dict[str, xr.Dataset | None] = dict.fromkeys(WAYS)
    measured = field(case, case.start, 0)
    for k in range(2, STEPS + 1):
        time = case.start + k * STEP
        earlier, later = (field(case, time - (2 - j) * STEP, seen[k - 2 + j]) for j in (0, 2))
        measured = estimate_motion(earlier, later)
        steering = steering_motion(winds, SPEC, time, params)
        kept = {
            "measured alone": measured,
            "with previous": filled_motion(measured, kept["with previous"], None),
            "with profiles": filled_motion(measured, None, steering),
            "with both": filled_motion(measured, kept["with both"], steering),
        }
    return {"measured": measured, **{k: v for k, v in kept.items() if v is not None}}


def error(motion: xr.Dataset, true: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hypot(motion["motion_x"].values - true[0], motion["motion_y"].values - true[1])


def figure(found: list[tuple[str, dict[str, xr.Dataset], NDArray[np.float64]]], out: Path) -> None:
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(
        len(found), 3, figsize=(11, 3.2 * len(found)), squeeze=False, layout="constrained"
    )
    box = np.array([SPEC.x[0], SPEC.x[-1], SPEC.y[0], SPEC.y[-1]]) / 1000
    at = np.array([SPEC.to_xy(lon, lat) for _, lon, lat, _ in PLACES]) / 1000
    every = slice(8, None, 16)
    for row, (name, motions, true) in zip(axes, found, strict=True):
        for axis, way in zip(row, ("measured alone", "with previous", "with both"), strict=True):
            off = error(motions[way], true)
            image = axis.imshow(off, origin="lower", extent=box, vmin=0, vmax=15, cmap="magma_r")
            x, y = np.meshgrid(SPEC.x[every] / 1000, SPEC.y[every] / 1000)
            u, v = (motions[way][n].values[every, every] for n in ("motion_x", "motion_y"))
            axis.quiver(x, y, u, v, color="tab:blue", scale=300, width=0.004)
            axis.quiver(
                x, y, true[0][every, every], true[1][every, every],
                color="0.4", scale=300, width=0.002,
            )  # fmt: skip
            if way == "with both":
                axis.plot(*at.T, "k^", ms=6)
            axis.contour(motions["measured"]["quality"].values, [0.1], origin="lower",
                         extent=box, colors="k", linewidths=0.7)  # fmt: skip
            axis.set(title=f"{name}: {way}", xticks=[], yticks=[])
        fig.colorbar(image, ax=row, label="error, m/s")
    fig.savefig(out, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    shown = []
    print(f"{'case':<34}{'cells':>7}" + "".join(f"{way:>17}" for way in WAYS))
    for name in DRILLS:
        script = named_drill(name)
        rain = make_rain(script, SPEC, np.zeros(SPEC.shape))
        with tempfile.TemporaryDirectory() as folder:
            start = script.start
            case = Case(name, Profilers(script.seed, rain, SPEC), start, Path(folder))
            for k in range(STEPS):
                write_profiles(
                    case.profilers, start + k * STEP, start + (k + 1) * STEP, case.profiles
                )
            true = true_motion(case, start + STEPS * STEP)
            for label, seen in (
                ("seen in the west", [SEEN] * (STEPS + 1)),
                ("first echo", [0] * STEPS + [150]),
                ("seen until half an hour ago", [150] * 6 + [0] * (STEPS - 5)),
            ):
                motions = run(case, seen)
                unseen = (motions["measured"]["quality"].values < 0.1) & inside(case)
                rms = [np.sqrt((error(motions[w], true)[unseen] ** 2).mean()) for w in WAYS]
                share = f"{100 * unseen.mean():.0f} %"
                print(f"{name + ', ' + label:<34}{share:>7}" + "".join(f"{r:17.1f}" for r in rms))
                if label == "seen in the west":
                    shown.append((name, motions, true))
    if options.out:
        figure(shown, options.out)


if __name__ == "__main__":
    main()
