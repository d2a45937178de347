"""Skill of ensembles and probabilities on real rain, beside pysteps': ``skill_ensemble.py CACHE``.

Fields averaged to 2 km, four fields in, leads of 30, 60 and 90 min out; all methods and the
observation are compared over the cells that all of them know, and sums over issue times are scored.
What pysteps gives (a minute a case) is kept under CACHE. The record of the calibration is made of
forecasts every 15 min of the same series whose observations had come by the issue time; nothing
later is used. Needs the real data (``JINGHU_DATA``) and pysteps with OpenCV.
"""

import argparse
import contextlib
import io
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sequences import DATA, real_sequences

from jinghu.grid.accumulation import coarsen_mean
from jinghu.nowcast.engines import pysteps_motion
from jinghu.nowcast.ensemble import EnsembleParams, ensemble, sprog
from jinghu.nowcast.ensemble_scores import EnsembleScore, score_ensemble
from jinghu.nowcast.extrapolate import extrapolate
from jinghu.nowcast.motion import dense_motion
from jinghu.nowcast.probabilities import ProbabilityParams, exceedance, probabilities, yes_above
from jinghu.nowcast.probability_scores import (
    ProbabilityTable,
    crps_of_shares,
    no_table,
    tabulate,
)
from jinghu.nowcast.reliability import (
    Record,
    ReliabilityParams,
    calibrated,
    coefficients,
    faded,
    no_record,
    remember,
)
from jinghu.nowcast.scales import to_db
from jinghu.nowcast.scores import Contingency, Fractions, contingency, fractions

Rain = NDArray[np.float32]
CELL_KM, FIELDS, MEMBERS = 2.0, 4, 20
LEADS_MIN = (30.0, 60.0, 90.0)
SCORED = (1.0, 5.0)  # mm/h
FSS_KM = 10.0
# The law of a cell, for its CRPS; both scored thresholds are among these.
THRESHOLDS = tuple(np.unique(np.concatenate([np.geomspace(0.1, 80.0, 16), SCORED])).tolist())
HISTORY_MIN = 15.0


@dataclass(frozen=True, slots=True)
class Series:
    """Rates (time, y, x) in mm/h on 2 km, and the indices of the issue times."""

    name: str
    rates: Rain
    step_min: float
    issues: tuple[int, ...]

    def leads(self, issue: int) -> list[int]:
        """Leads in steps whose observation is there."""
        steps = [round(minutes / self.step_min) for minutes in LEADS_MIN]
        return [n for n in steps if issue + n < len(self.rates)]


def all_series(wanted: list[str]) -> Iterator[Series]:
    """Yield the series that are there."""
    names = {"mch/20150515", "mch/20160711", "fmi/20160928"}
    if not wanted or any(name.replace("_", "/") in names for name in wanted):
        for sequence in real_sequences():
            name = sequence.name.replace("/", "_")
            if not wanted or name in wanted:
                yield Series(name, coarse(sequence.rates, 2), 5.0, (4, 12, 19, 27))
    if not wanted or "bom_20201031" in wanted:
        yield from brisbane()


def brisbane() -> Iterator[Series]:
    """A day of 10-min fields on 500 m: storms, then widespread rain, then little."""
    with contextlib.redirect_stdout(io.StringIO()):
        from pysteps.io.importers import import_bom_rf3
    files = sorted((DATA / "rain_sequences" / "bom" / "20201031").glob("*.nc"))
    if files:
        read = [np.ma.filled(import_bom_rf3(str(f))[0], np.nan) for f in files]
        rates = np.stack([coarse(r[None].astype(np.float32) * 6, 4)[0] for r in read])
        yield Series("bom_20201031", rates, 10.0, (*range(6, 100, 10), 126))


def coarse(rates: Rain, factor: int) -> Rain:
    """Means over squares of cells; one with missing parts is missing."""
    ny, nx = (n // factor * factor for n in rates.shape[1:])
    return coarsen_mean(rates[:, :ny, :nx], factor)


def peers(series: Series, issue: int, cache: Path) -> dict[str, Rain]:
    """S-PROG and STEPS of pysteps (member, lead, y, x) in mm/h, from the cache where they are."""
    kept = cache / f"{series.name}_{issue}.npz"
    if not kept.exists():
        leads = series.leads(issue)
        found = run_peers(series, issue, max(leads))
        at = [n - 1 for n in leads]
        np.savez(kept, **{name: rates[:, at] for name, rates in found.items()})
    with np.load(kept) as held:
        return {"pysteps S-PROG": held["sprog"], "pysteps STEPS-20": held["steps"]}


def run_peers(series: Series, issue: int, leads: int) -> dict[str, Rain]:
    """Both methods of pysteps at all leads."""
    frames = series.rates[issue - FIELDS + 1 : issue + 1]
    with contextlib.redirect_stdout(io.StringIO()):
        from pysteps.nowcasts import sprog, steps

        motion = pysteps_motion(frames).astype(np.float64)
        db = np.stack([to_db(f, 0.1) for f in frames[-3:]]).astype(np.float64)
        db[np.isnan(frames[-3:])] = np.nan
        one = sprog.forecast(db, motion, leads, n_cascade_levels=6, precip_thr=-10.0)
        many = steps.forecast(
            db, motion, leads, n_ens_members=MEMBERS, n_cascade_levels=6,
            precip_thr=-10.0, kmperpixel=CELL_KM, timestep=series.step_min, seed=1,
        )  # fmt: skip
    to_rates = {"sprog": one[None], "steps": many}
    return {
        n: np.where(x < -10.0, 0.0, 10.0 ** (x / 10.0)).astype(np.float32)
        for n, x in to_rates.items()
    }


def ours(series: Series, issue: int, members: int) -> tuple[dict[str, Rain], Rain]:
    """Our methods (member, lead, y, x), and probabilities (lead, threshold, y, x)."""
    frames = series.rates[issue - FIELDS + 1 : issue + 1]
    leads = series.leads(issue)
    motion = dense_motion(frames, CELL_KM * 1e3, series.step_min * 60)
    params = EnsembleParams(
        members=members, leads=max(leads), levels=6, cell_km=CELL_KM, step_min=series.step_min
    )
    at = [n - 1 for n in leads]
    one = {lead: rates for lead, rates in sprog(frames, motion, params) if lead in leads}
    many = {lead: rates for lead, rates in ensemble(frames, motion, params, 1, 2) if lead in leads}
    wanted = ProbabilityParams(THRESHOLDS)
    shares = probabilities(many.items(), wanted, CELL_KM, series.step_min)
    return {
        "persistence": np.stack([frames[-1]] * len(leads))[None],
        "extrapolation": extrapolate(frames[-1], motion, max(leads))[at][None],
        "S-PROG": np.stack([one[n] for n in leads])[None],
        f"STEPS-{members}": np.stack([many[n] for n in leads], axis=1),
    }, np.stack([p for _, p in shares])


@dataclass(slots=True)
class Row:
    """Sums of one method at one lead."""

    members: EnsembleScore = field(default_factory=EnsembleScore)
    counts: dict[float, Contingency] = field(default_factory=lambda: defaultdict(Contingency))
    tables: dict[float, ProbabilityTable] = field(default_factory=lambda: defaultdict(no_table))
    shares: Fractions = field(default_factory=Fractions)
    law: tuple[int, float] = (0, 0.0)

    def add_members(self, rates: Rain, truth: Rain) -> None:
        """Members by their mean, their law and their shares."""
        self.members += score_ensemble(rates, truth)
        mean = rates.mean(axis=0)
        self._add_yes_no({limit: np.where(mean >= limit, limit, 0.0) for limit in SCORED}, truth)
        for limit, share in zip(SCORED, exceedance(rates, SCORED), strict=True):
            self.tables[limit] += tabulate(share, truth, limit)

    def add_probabilities(self, shares: Rain, truth: Rain, thresholds: tuple[float, ...]) -> None:
        """Probabilities by themselves and by the yes or no that is expected best of them."""
        known = np.isfinite(truth)
        cells, total = crps_of_shares(shares, np.array(thresholds), truth)
        self.law = (self.law[0] + cells, self.law[1] + total)
        said = {}
        for limit in SCORED:
            share = shares[thresholds.index(limit)]
            said[limit] = np.where(share >= yes_above(share[known]), limit, 0.0)
            self.tables[limit] += tabulate(share, truth, limit)
        self._add_yes_no(said, truth)

    def _add_yes_no(self, said: dict[float, NDArray[np.floating]], truth: Rain) -> None:
        for limit, rates in said.items():
            self.counts[limit] += contingency(rates, truth, limit)
        self.shares += fractions(said[1.0], truth, 1.0, round(FSS_KM / CELL_KM))

    def text(self) -> str:
        """Figures of a line of the table."""
        crps = self.members.mean_crps if self.law[0] == 0 else self.law[1] / self.law[0]
        spread = self.members.spread_error
        return " | ".join(
            f"{x:.3f}"
            for x in (
                self.counts[1.0].csi,
                self.counts[5.0].csi,
                self.shares.fss,
                crps,
                spread if self.members.variance > 0 else float("nan"),
                self.tables[1.0].brier,
                1e2 * self.tables[1.0].reliability,
                self.tables[5.0].brier_skill,
            )
        ).replace("nan", "-")


Rows = dict[tuple[str, float], Row]
HEAD = (
    "method | CSI 1 mm/h | CSI 5 mm/h | FSS 10 km | CRPS | spread/RMSE | Brier 1 mm/h"
    " | unreliability x 100 | Brier skill 5 mm/h"
)


def score_case(
    rows: Rows, series: Series, issue: int, cache: Path, found: tuple[dict[str, Rain], Rain],
    record: Record,
) -> None:  # fmt: skip
    """Add one issue time to the rows of all methods."""
    by_members = {**peers(series, issue, cache), **found[0]}
    laws = coefficients(record, ReliabilityParams())
    for k, lead in enumerate(series.leads(issue)):
        truth = series.rates[issue + lead].copy()
        for rates in by_members.values():
            truth[~np.isfinite(rates[:, k]).all(axis=0)] = np.nan
        minutes = lead * series.step_min
        for name, rates in by_members.items():
            rows[name, minutes].add_members(rates[:, k], truth)
        of_law = {
            "pysteps shares": exceedance(by_members["pysteps STEPS-20"][:, k], THRESHOLDS),
            "probabilities": found[1][k],
            "calibrated": calibrated(found[1][k], laws[k]),
        }
        for name, shares in of_law.items():
            rows[name, minutes].add_probabilities(shares, truth, THRESHOLDS)


def score_series(series: Series, cache: Path, members: int) -> Rows:
    """Go through a series as it came, with the record of what has come true so far."""
    rows: Rows = defaultdict(Row)
    record, waiting = no_record(LEADS_MIN, THRESHOLDS), []
    every = round(HISTORY_MIN / series.step_min) or 1
    for now in range(FIELDS - 1, max(series.issues) + 1):
        record = faded(record, series.step_min, ReliabilityParams())
        for due, lead, shares in waiting:
            if due == now:
                truth = series.rates[now]
                record = remember(record, lead, shares, truth, CELL_KM, ReliabilityParams())
        waiting = [w for w in waiting if w[0] > now]
        raining = (np.nan_to_num(series.rates[now]) >= 0.1).mean() > 0.005
        if now not in series.issues and (now % every or not raining):
            continue
        found = ours(series, now, members)
        if now in series.issues:
            score_case(rows, series, now, cache, found, record)
        waiting += [(now + n, k, found[1][k]) for k, n in enumerate(series.leads(now))]
    return rows


def show(name: str, rows: Rows) -> None:
    """Print a table a lead."""
    for minutes in LEADS_MIN:
        print(f"\n{name} +{minutes:.0f} min\n| {HEAD} |\n|{'---|' * 9}")
        for (method, lead), row in rows.items():
            if lead == minutes:
                print(f"| {method} | {row.text()} |")


def show_reliability(rows: Rows) -> None:
    """Print what was said and what came of it at +60, in ten bins."""
    for method in ("pysteps shares", "probabilities", "calibrated"):
        for limit in SCORED:
            said, was, cells = rows[method, 60.0].tables[limit].diagram(10)
            bins = " ".join(
                f"{100 * s:.0f}:{100 * w:.0f}"
                for s, w, n in zip(said, was, cells, strict=True)
                if n >= 50
            )
            print(f"{method}, {limit:g} mm/h, +60, % said:was  {bins}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path, help="folder in which pysteps' forecasts are kept")
    parser.add_argument("--series", action="append", default=[], help="such as mch_20150515")
    parser.add_argument("--members", type=int, default=MEMBERS)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    found = False
    for series in all_series(options.series):
        found = True
        rows = score_series(series, options.cache, options.members)
        show(series.name, rows)
        show_reliability(rows)
    if not found:
        print("skipped: no rain_sequences (set JINGHU_DATA)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
