"""Blends with model rain made from the truth: nowcast, model, blend and pysteps' linear blend.

The models: the truth itself (perfect), displaced and blurred (good, poor), and rain of another
day (useless). MSE and CSI at 1 mm/h over the cells that nowcast, model and truth know, summed
over all issues; the last columns say how the blend stands to the better of nowcast and model (to
the nowcast, where the model is useless). Needs the real data (``JINGHU_DATA``) and pysteps.
"""

import argparse
import contextlib
import io
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift
from sequences import DATA, real_sequences

from jinghu.composite_commands import CompositeRequest, composite_files
from jinghu.grid.advection import motion_array
from jinghu.grid.fields import attrs
from jinghu.nowcast import Members, Method, nowcast
from jinghu.nowcast.blending import blend

Rain = NDArray[np.float32]
START = np.datetime64("2025-01-01T00:00", "ns")
FORECASTS = ("nowcast", "model", "blend", "pysteps", "pysteps 30-120")


@dataclass(frozen=True, slots=True)
class Case:
    """Rain (time, y, x) on square cells at a step, and the fields at which forecasts start."""

    name: str
    rates: Rain
    cell_km: float
    step_min: float
    issues: tuple[int, ...]
    leads: int


def cases() -> Iterator[Case]:
    """Sequences on 2 km, to +120 min, and the composites as far as they go."""
    for found in real_sequences():
        yield Case(found.name, halved(found.rates), 2.0, 5.0, (6, 10, 14), 24)
    files = sorted((DATA / "rain_sequences" / "bom" / "20201031").glob("*.nc"))
    if files:
        mm = [xr.load_dataset(f)["precipitation"].values for f in files]
        rates = np.stack(mm).astype(np.float32) * 6.0
        rates = np.stack([halved(halved(rates[k : k + 1]))[0] for k in range(len(rates))])
        yield Case("bom/20201031", rates, 2.0, 10.0, (30, 60, 100), 18)
    folder = DATA / "cma_cref_mosaic_20250609"
    if folder.exists():
        with tempfile.TemporaryDirectory() as made:
            out = Path(made) / "cma.nc"
            composite_files(CompositeRequest([folder], out, None, 2000.0))
            rates = xr.load_dataset(out)["rainfall_rate"].values
        yield Case("cma/20250609", rates, 2.0, 6.0, (3, 4), 9)


def halved(rates: Rain) -> Rain:
    """Means of 2 x 2 cells."""
    ny, nx = (n // 2 * 2 for n in rates.shape[1:])
    return rates[:, :ny, :nx].reshape(len(rates), ny // 2, 2, nx // 2, 2).mean(axis=(2, 4))


def displaced(rates: Rain, km: float, blur_km: float, cell_km: float) -> Rain:
    """Truth moved north-east and blurred; NaN where it came from beyond the edge."""
    out = np.empty_like(rates)
    d = km / cell_km / np.sqrt(2)
    for k, rate in enumerate(rates):
        known = np.isfinite(rate).astype(np.float32)
        moved = shift(np.nan_to_num(rate), (d, d), order=1)
        there = shift(known, (d, d), order=1)
        sigma = blur_km / cell_km
        total = gaussian_filter(there, sigma, mode="constant")
        mean = gaussian_filter(moved, sigma, mode="constant") / np.maximum(total, 1e-6)
        out[k] = np.where(there > 0.99, mean, np.nan)
    return out


def dataset(rates: Rain, case: Case) -> xr.Dataset:
    ny, nx = rates.shape[1:]
    step = np.timedelta64(round(case.step_min * 60), "s")
    metres = {"units": "m"}
    return xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), rates, attrs("rainfall_rate"))},
        coords={
            "time": START + np.arange(len(rates)) * step,
            "y": ("y", np.arange(ny) * case.cell_km * 1e3, metres),
            "x": ("x", np.arange(nx) * case.cell_km * 1e3, metres),
        },
    )


def fitted(other: Rain, like: Rain) -> Rain:
    """Rain of another day on this grid and as many times, repeated where it is too small."""
    n, ny, nx = like.shape
    k = np.minimum(np.arange(n), len(other) - 1)
    grown = np.nan_to_num(other[k][:, np.arange(ny) % other.shape[1]])
    return grown[:, :, np.arange(nx) % other.shape[2]]


def peer(case: Case, frames: Rain, motion: Rain, model: Rain, window: tuple[int, int]) -> Rain:
    """pysteps.blending.linear_blending as it is, along the same motion."""
    with contextlib.redirect_stdout(io.StringIO()):
        from pysteps.blending.linear_blending import forecast
    metadata = {"transform": None, "unit": "mm/h", "threshold": 0.1, "zerovalue": 0.0}
    metadata |= {"accutime": case.step_min}
    return np.asarray(
        forecast(
            frames[-1],
            metadata,
            motion,
            case.leads,
            case.step_min,
            "extrapolation",
            model.astype(np.float64),
            metadata,
            *window,
        )
    )


def run(case: Case, kind: str, model: Rain, method: Method, totals: dict) -> None:
    """Add squared errors, hits, misses, false alarms of all issues of a case to the totals."""
    for issue in case.issues:
        rain = dataset(case.rates, case).isel(time=slice(max(0, issue - 12), issue + 1))
        said = dataset(model, case)
        members = Members(8) if method is Method.STEPS else None
        made = nowcast(rain, leads=case.leads, method=method, members=members)
        mixed = blend(made, rain, said, method).forecast["rainfall_rate"].values
        plain = made["rainfall_rate"].values
        if method is Method.STEPS:
            plain, mixed = plain.mean(axis=0), mixed.mean(axis=0)
        ahead = slice(issue + 1, issue + 1 + case.leads)
        truth, of_model = case.rates[ahead], model[ahead]
        motion = motion_array(made, case.step_min * 60)
        frames = rain["rainfall_rate"].values
        fields = {
            "nowcast": plain[1:],
            "model": of_model,
            "blend": mixed[1:],
            "pysteps": peer(case, frames, motion, of_model, (120, 240)),
            "pysteps 30-120": peer(case, frames, motion, of_model, (30, 120)),
        }
        for k in range(case.leads):
            minutes = (k + 1) * case.step_min
            if minutes % 30 and minutes != case.leads * case.step_min:
                continue
            known = np.isfinite(truth[k]) & np.isfinite(plain[k + 1]) & np.isfinite(of_model[k])
            for name, field in fields.items():
                f, o = np.nan_to_num(field[k][known]), truth[k][known]
                yes, seen = f >= 1.0, o >= 1.0
                totals[kind, minutes, name] += np.array(
                    [
                        np.square(f - o, dtype=np.float64).sum() / known.sum(),
                        np.count_nonzero(yes & seen),
                        np.count_nonzero(seen & ~yes),
                        np.count_nonzero(yes & ~seen),
                        1,
                    ]
                )


def table(title: str, totals: dict) -> None:
    print(f"\n{title}")
    print(f"{'model':9} {'lead':>5}" + "".join(f"{n:>16}" for n in FORECASTS) + "   blend/better")
    for kind, minutes in sorted({key[:2] for key in totals}):
        found = [totals[kind, minutes, name] for name in FORECASTS]
        mse = [t[0] / t[4] for t in found]
        csi = [t[1] / max(t[1:4].sum(), 1) for t in found]
        useless = kind == "useless"
        best_mse = mse[0] if useless else min(mse[:2])
        best_csi = csi[0] if useless else max(csi[:2])
        cells = "".join(f"{m:9.3f} /{c:5.3f}" for m, c in zip(mse, csi, strict=True))
        ratio = (
            f"   MSE {mse[2] / max(best_mse, 1e-9):5.3f}  CSI {csi[2] / max(best_csi, 1e-9):5.3f}"
        )
        print(f"{kind:9} {minutes:5.0f}{cells}{ratio}")


def picture(case: Case, model: Rain, out: Path) -> None:
    """Nowcast, model, blend and truth at +60 and +120 min."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    issue = case.issues[0]
    rain = dataset(case.rates, case).isel(time=slice(max(0, issue - 12), issue + 1))
    made = nowcast(rain, leads=case.leads)
    mixed = blend(made, rain, dataset(model, case), Method.EXTRAPOLATION).forecast
    leads = [round(60 / case.step_min), min(case.leads, round(120 / case.step_min))]
    figure, axes = plt.subplots(len(leads), 4, figsize=(18, 8), layout="constrained")
    colours = mpl.colormaps["turbo"].with_extremes(under="white", bad="lightgrey")
    norm = mpl.colors.LogNorm(0.3, 60)
    for row, lead in zip(axes, leads, strict=True):
        share = float(mixed["model_share"][lead])
        fields = {
            "nowcast": made["rainfall_rate"].values[lead],
            "model": model[issue + lead],
            f"blend, model's share {share:.2f}": mixed["rainfall_rate"].values[lead],
            "truth": case.rates[issue + lead],
        }
        for axis, (name, field) in zip(row, fields.items(), strict=True):
            seen = np.where(field == 0, 1e-3, field)
            image = axis.imshow(seen, origin="lower", norm=norm, cmap=colours)
            axis.set_title(f"{name}, +{lead * case.step_min:.0f} min")
            axis.set_axis_off()
    figure.colorbar(image, ax=axes, label="mm/h", shrink=0.6)
    figure.savefig(out, dpi=70)
    print(f"{case.name} -> {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="extrapolation", choices=[m.value for m in Method])
    parser.add_argument("--only", default="", help="names of cases that hold this")
    parser.add_argument("--issues", type=int, default=3)
    parser.add_argument("--png", type=Path, help="picture of the first case with --model")
    parser.add_argument("--model", default="poor", choices=["good", "poor", "useless"])
    arguments = parser.parse_args()
    every = list(cases())
    method = Method(arguments.method)
    together: dict = defaultdict(lambda: np.zeros(5))
    for k, case in enumerate(every):
        if arguments.only not in case.name:
            continue
        used = replace(case, issues=case.issues[: arguments.issues])
        other = every[k - 1].rates
        models = {
            "perfect": case.rates,
            "good": displaced(case.rates, 8.0, 4.0, case.cell_km),
            "poor": displaced(case.rates, 30.0, 10.0, case.cell_km),
            "useless": fitted(other, case.rates),
        }
        if arguments.png is not None:
            picture(used, models[arguments.model], arguments.png)
            return
        totals: dict = defaultdict(lambda: np.zeros(5))
        for kind, model in models.items():
            run(used, kind, model, method, totals)
        table(f"{case.name}, {method.value}: MSE (mm2 h-2) / CSI(1 mm/h)", totals)
        for key, value in totals.items():
            together[key] += value
    table(f"all, {method.value}: mean MSE / CSI", together)


if __name__ == "__main__":
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    main()
