"""Skill of nowcasts over Zhejiang itself, paired with pysteps' and persistence.

National composites of 2025-06-09, 10:42 to 12:00 UTC (``JINGHU_DATA``), cut to Zhejiang and its
seas on EPSG:4549 at 2 km, Z = 300 R^1.4; three fields in, every issue time that has an
observation 30 or 60 min later. What observes is the composite itself, so that errors of Z-R count
on neither side. All methods are compared over the cells that all of them and the observation know.

With ``--lekima BEFORE AFTER`` (two mosaics of ``jinghu mosaic``) only what that pair can tell.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sequences import DATA

from jinghu.composite_commands import composite_sequence, zhejiang
from jinghu.nowcast import Engine, Members, Method, nowcast
from jinghu.nowcast.ensemble_scores import EnsembleScore, score_ensemble
from jinghu.nowcast.motion import estimate_motion
from jinghu.nowcast.probabilities import ProbabilityParams, probabilities, yes_above
from jinghu.nowcast.probability_scores import crps_of_shares
from jinghu.nowcast.scores import Contingency, Fractions, contingency, fractions
from jinghu.radar.zr import ZRRelation

Rain = NDArray[np.float32]
FIELDS, MEMBERS, CELL_M, STEP_MIN = 3, 20, 2000.0, 6.0
LEADS_MIN = (30, 60)
SCORED = (1.0, 5.0)
THRESHOLDS = tuple(np.unique(np.concatenate([np.geomspace(0.1, 80.0, 16), SCORED])).tolist())
WAYS = {
    "extrapolation": (Method.EXTRAPOLATION, Engine.JINGHU),
    "S-PROG": (Method.SPROG, Engine.JINGHU),
    f"STEPS-{MEMBERS} mean": (Method.STEPS, Engine.JINGHU),
    "pysteps extrapolation": (Method.EXTRAPOLATION, Engine.PYSTEPS),
    "pysteps S-PROG": (Method.SPROG, Engine.PYSTEPS),
    f"pysteps STEPS-{MEMBERS} mean": (Method.STEPS, Engine.PYSTEPS),
}
PROBABLE = ("probabilities", "pysteps probabilities")


@dataclass(slots=True)
class Row:
    """Sums of one method at one lead, and its scores case by case."""

    counts: dict[float, Contingency] = field(default_factory=lambda: defaultdict(Contingency))
    shares: Fractions = field(default_factory=Fractions)
    crps: tuple[int, float] = (0, 0.0)
    by_case: list[tuple[float, float]] = field(default_factory=list)

    def add(self, said: dict[float, Rain], truth: Rain, cells: int, crps_sum: float) -> None:
        """Add a case: rates with which to say yes to each threshold, and the sum of its CRPS."""
        found = {limit: contingency(said[limit], truth, limit) for limit in SCORED}
        for limit in SCORED:
            self.counts[limit] += found[limit]
        self.shares += fractions(said[1.0], truth, 1.0, round(10e3 / CELL_M))
        self.crps = (self.crps[0] + cells, self.crps[1] + crps_sum)
        self.by_case.append((found[1.0].csi, crps_sum / cells))

    def text(self) -> str:
        """Figures of a line of the table."""
        figures = (
            self.counts[1.0].csi, self.counts[5.0].csi, self.shares.fss, self.crps[1] / self.crps[0]
        )  # fmt: skip
        return " | ".join(f"{x:.3f}" for x in figures)


def composites() -> xr.Dataset | None:
    """The sequence over Zhejiang, if it is there."""
    files = sorted((DATA / "cma_cref_mosaic_20250609").glob("*.bin"))
    return composite_sequence(files, zhejiang(CELL_M), ZRRelation())[0] if files else None


def forecasts(past: xr.Dataset, steps: list[int]) -> dict[str, Rain]:
    """Every method: (member, lead, y, x) at the wanted leads."""
    out = {"persistence": np.stack([past["rainfall_rate"].values[-1]] * len(steps))[None]}
    for name, (method, engine) in WAYS.items():
        members = Members(MEMBERS, seed=1, workers=2) if method is Method.STEPS else None
        found = nowcast(past, leads=max(steps), method=method, engine=engine, members=members)
        rates = found["rainfall_rate"].isel(lead_time=steps).values
        out[name] = rates if rates.ndim == 4 else rates[None]
    return out


def shares_of(members: Rain, steps: list[int]) -> Rain:
    """Probabilities (lead, threshold, y, x) from members (member, lead, y, x)."""
    leads = ((n, members[:, k]) for k, n in enumerate(steps))
    wanted = ProbabilityParams(THRESHOLDS)
    return np.stack([p for _, p in probabilities(leads, wanted, CELL_M / 1e3, STEP_MIN)])


def score_case(rows: dict[tuple[str, int], Row], rain: xr.Dataset, issue: int) -> None:
    """Add one issue time to the rows."""
    steps = [round(m / STEP_MIN) for m in LEADS_MIN]
    steps = [n for n in steps if issue + n < rain.sizes["time"]]
    made = forecasts(rain.isel(time=slice(issue - FIELDS + 1, issue + 1)), steps)
    law = {
        PROBABLE[0]: shares_of(made[f"STEPS-{MEMBERS} mean"], steps),
        PROBABLE[1]: shares_of(made[f"pysteps STEPS-{MEMBERS} mean"], steps),
    }
    for k, n in enumerate(steps):
        minutes = round(n * STEP_MIN)
        truth = rain["rainfall_rate"].values[issue + n].copy()
        for members in made.values():
            truth[~np.isfinite(members[:, k]).all(axis=0)] = np.nan
        for name, members in made.items():
            score: EnsembleScore = score_ensemble(members[:, k], truth)
            mean = members[:, k].mean(axis=0)
            said = dict.fromkeys(SCORED, mean)
            rows[name, minutes].add(said, truth, score.cells, score.crps)
        for name, shares in law.items():
            cells, total = crps_of_shares(shares[k], np.array(THRESHOLDS), truth)
            rows[name, minutes].add(_yes(shares[k], truth), truth, cells, total)


def _yes(shares: Rain, truth: Rain) -> dict[float, Rain]:
    """Yes where it is expected best, as rates at the threshold."""
    said = {}
    for limit in SCORED:
        share = shares[THRESHOLDS.index(limit)]
        least = yes_above(share[np.isfinite(truth)])
        said[limit] = np.where(share >= least, np.float32(limit), np.float32(0))
    return said


def show(rows: dict[tuple[str, int], Row]) -> None:
    """Print a table a lead, and ours less pysteps' case by case."""
    for minutes in LEADS_MIN:
        n = len(rows["persistence", minutes].by_case)
        print(f"\n+{minutes} min, {n} issue times")
        print("| method | CSI 1 mm/h | CSI 5 mm/h | FSS 10 km, 1 mm/h | CRPS mm/h |")
        print("|---|---|---|---|---|")
        for (method, lead), row in rows.items():
            if lead == minutes:
                print(f"| {method} | {row.text()} |")
        for ours, theirs in _pairs():
            a, b = np.array(rows[ours, minutes].by_case), np.array(rows[theirs, minutes].by_case)
            csi, crps = (a - b).T
            print(
                f"{ours} less {theirs}: CSI 1 mm/h {csi.mean():+.3f}, better in "
                f"{(csi > 0).sum()} of {n}; CRPS {crps.mean():+.3f}, better in {(crps < 0).sum()}"
            )


def _pairs() -> Iterator[tuple[str, str]]:
    yield from ((n, f"pysteps {n}") for n in [*WAYS, *PROBABLE] if not n.startswith("pysteps"))


def lekima(before: Path, after: Path) -> None:
    """What two mosaics half an hour apart can tell: no forecast, for nothing before tells motion.

    The motion is taken between the two themselves, so that it is what the best of motions gives.
    """
    first, last = xr.load_dataset(before), xr.load_dataset(after)
    motion = estimate_motion(first, last)
    truth = last["rainfall_rate"].values
    past = first.expand_dims("time")[["rainfall_rate"]]
    found = {"persistence": first["rainfall_rate"].values}
    step = np.timedelta64(30, "m")
    for name, method in (("extrapolation", Method.EXTRAPOLATION), ("S-PROG", Method.SPROG)):
        out = nowcast(past, leads=1, step=step, method=method, motion=motion)
        found[f"{name}, motion known afterwards"] = out["rainfall_rate"].values[1]
    known = np.isfinite(truth)
    for rates in found.values():
        known &= np.isfinite(rates)
    truth = np.where(known, truth, np.nan)
    print(f"\nLekima, 30 min, {known.mean():.0%} of the grid known to all")
    print("| method | CSI 1 mm/h | CSI 5 mm/h | CSI 10 mm/h | mean absolute error mm/h |")
    print("|---|---|---|---|---|")
    for name, rates in found.items():
        csi = [contingency(rates, truth, limit).csi for limit in (1.0, 5.0, 10.0)]
        print(f"| {name} | {' | '.join(f'{x:.3f}' for x in csi)} | "
              f"{np.abs(rates - truth)[known].mean():.3f} |")  # fmt: skip


def draw(rain: xr.Dataset, issue: int, out: Path) -> None:
    """Observation beside forecasts at the last lead, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.colors import BoundaryNorm

    steps = [round(m / STEP_MIN) for m in LEADS_MIN if issue + round(m / STEP_MIN) < len(rain.time)]
    made = forecasts(rain.isel(time=slice(issue - FIELDS + 1, issue + 1)), steps)
    limits = [0.1, 0.5, 1, 2, 5, 10, 20, 40, 80]
    panels = {"observed": rain["rainfall_rate"].values[issue + steps[-1]]} | {
        name: members[:, -1].mean(axis=0) for name, members in made.items()
    }
    figure, axes = plt.subplots(2, 4, figsize=(18, 9), constrained_layout=True)
    for axis, (name, rates) in zip(axes.flat, panels.items(), strict=True):
        shown = np.ma.masked_where(~(rates >= 0.1), rates)
        axis.set_facecolor("white")
        axis.imshow(np.isnan(rates), origin="lower", cmap="Greys", vmax=3)
        image = axis.imshow(shown, origin="lower", cmap="turbo", norm=BoundaryNorm(limits, 256))
        axis.set_title(name)
    figure.colorbar(image, ax=axes, label="mm/h")
    figure.savefig(out, dpi=60)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lekima", type=Path, nargs=2, help="mosaics of 16:00 and 16:30")
    parser.add_argument("--png", type=Path, help="draw the second issue time to this file")
    options = parser.parse_args()
    if options.lekima:
        lekima(*options.lekima)
        return 0
    rain = composites()
    if rain is None:
        print("skipped: no cma_cref_mosaic_20250609 (set JINGHU_DATA)")
        return 0
    if options.png:
        draw(rain, FIELDS, options.png)
    rows: dict[tuple[str, int], Row] = defaultdict(Row)
    for issue in range(FIELDS - 1, rain.sizes["time"] - round(LEADS_MIN[0] / STEP_MIN)):
        score_case(rows, rain, issue)
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
