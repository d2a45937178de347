"""How often levels change: the life of warnings beside rules alone, over a day of drill rain.

Run ``python benchmarks/skill_flapping.py [drill] [hours]``. Cycles of 6 minutes; each sees the
true rain so far and a forecast of 3 hours that is the truth times an error of 35 % (log-normal,
smooth over 25 km), drawn anew for every cycle. Printed: level changes of a cell that was warned at
all, messages, and exceedances that were observed while the standing level was lower. Of the latter
those are told apart whose rain had passed when the threshold was reached.
"""

import sys
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from jinghu.configs.settings import CONFIGS
from jinghu.drill import rewritten
from jinghu.drill_rain import make_rain, rain_amounts
from jinghu.drill_script import named_drill
from jinghu.grid.accumulation import window_amounts
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import from_numpy
from jinghu.warnings.levels import Action
from jinghu.warnings.lifecycle import Found, LifeParams, Standing, plan_event
from jinghu.warnings.rules import RuleSet, evaluate, load_rules

SPEC = GridSpec("EPSG:4549", 505_000.0, 3_240_000.0, 2500.0, 40, 40)  # 100 km around the city
STEP = timedelta(minutes=6)
LEADS, HISTORY = 30, 240  # steps: 3 h ahead, 24 h back
ERROR, SMOOTH_CELLS = 0.35, 10
WINDOWS_H = (3, 6, 12)


@dataclass
class Life:
    """One way of living, and what it came to."""

    name: str
    params: LifeParams | None
    standing: Standing | None = None
    level: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(SPEC.nx * SPEC.ny, np.uint8))
    warned: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(SPEC.nx * SPEC.ny, bool))
    changes: int = 0
    messages: int = 0
    missed: int = 0
    passed: int = 0

    def cycle(self, found: Found, now: np.datetime64) -> None:
        """Decide one cycle."""
        after = found.level if self.params is None else self._planned(found, now, self.params)
        changed = after != self.level
        if self.params is None:
            self.messages += bool(changed.any())
        self.changes += int(changed.sum())
        self.warned |= after > 0
        self.level = after.copy()

    def _planned(self, found: Found, now: np.datetime64, params: LifeParams) -> NDArray[np.uint8]:
        time = from_numpy(now)
        cells = np.arange(len(self.level))
        plan = plan_event(self.standing, cells, found, time, params)
        after = np.zeros_like(self.level)
        if plan is None:
            return after
        self.messages += plan.action is not None
        expires = self.standing.expires if self.standing else time
        if plan.action is not None:
            expires = time + params.valid_for
        ended = plan.action is Action.CANCEL
        self.standing = None if ended else Standing("e", plan.level, expires, plan.cells)
        for cell, state in plan.cells.items():
            after[cell] = state.level
        return after

    def observe(self, reached: NDArray[np.uint8], over: NDArray[np.bool_]) -> None:
        """Count cells in which more was observed, for the first time, than is warned of."""
        low = self.level < reached
        self.missed += int((low & ~over).sum())
        self.passed += int((low & over).sum())


def main() -> None:
    """Run one drill's rain and print."""
    name = sys.argv[1] if len(sys.argv) > 1 else "scattered"
    hours = float(sys.argv[2]) if len(sys.argv) > 2 else 24.0
    script = rewritten(named_drill(name), hours=hours)
    rules = load_rules(CONFIGS / "rules" / "rainstorm.yaml")
    rain = make_rain(script, SPEC, np.zeros(SPEC.shape))
    amounts = rain_amounts(
        rain, SPEC, script.start + STEP, script.start + timedelta(hours=hours + 3), STEP
    )
    print(f"{name}, {hours:g} h from {script.start:%Y-%m-%d %H:%M}Z, {SPEC.nx * SPEC.ny} cells")
    lives = [
        Life("rules alone", None),
        Life("lowered after 30 min, not within 60 min", LifeParams()),
    ]
    replay(amounts, rules, lives, script.seed)
    print(f"{'':<42}{'cells':>6}{'changes/cell':>14}{'messages':>10}{'unwarned':>10}{'passed':>8}")
    for one in lives:
        per_cell = one.changes / max(int(one.warned.sum()), 1)
        print(
            f"{one.name:<42}{int(one.warned.sum()):>6}{per_cell:>14.1f}{one.messages:>10}"
            f"{one.missed:>10}{one.passed:>8}"
        )


def replay(amounts: xr.Dataset, rules: RuleSet, lives: list[Life], seed: int) -> None:
    """Let all lives see the same cycles."""
    random = np.random.default_rng(seed)
    mm, times = amounts["rainfall_amount"].values, amounts["time"].values
    before = np.zeros((HISTORY, *mm.shape[1:]), np.float32)
    whole = np.concatenate([before, mm])
    step = times[1] - times[0]
    stamps = times[0] + step * np.arange(-HISTORY, len(mm))
    seen = np.zeros(mm[0].size, np.uint8)  # highest level observed so far
    for k in range(HISTORY + 1, len(whole) - LEADS):
        noise = gaussian_filter(random.normal(size=mm.shape[1:]), SMOOTH_CELLS / 2, mode="wrap")
        error = np.exp(ERROR * noise / noise.std())
        coming = (whole[k : k + LEADS] * error).astype(np.float32)
        windows = window_amounts(
            _steps(whole[k - HISTORY : k], stamps[k - HISTORY : k]),
            _steps(coming, stamps[k : k + LEADS]),
            WINDOWS_H,
        )
        rate = np.concatenate([whole[k - 1 : k], coming]) * 10.0
        windows["rainfall_rate"] = (("lead_time", "y", "x"), rate.astype(np.float32))
        windows["rainfall_rate"].attrs["units"] = "mm h-1"
        levels = evaluate(rules, windows)
        known = np.ones(mm[0].size, bool)
        found = Found(
            levels["warning_level"].values.ravel(),
            levels["warning_level_kept"].values.ravel(),
            known,
        )
        reached = _observed(windows, rules)
        anew, seen = np.where(reached > seen, reached, 0), np.maximum(seen, reached)
        over = coming.sum(axis=0).ravel() < rules.continues_mm
        for one in lives:
            one.cycle(found, stamps[k - 1])
            one.observe(anew.astype(np.uint8), over)


def _steps(values: NDArray[np.float32], times: NDArray[np.datetime64]) -> xr.Dataset:
    variable = (("time", "y", "x"), values, {"units": "mm"})
    return xr.Dataset({"rainfall_amount": variable}, coords={"time": times})


def _observed(windows: xr.Dataset, rules: RuleSet) -> NDArray[np.uint8]:
    """Highest level whose amount has fallen already (cell,)."""
    level = np.zeros(SPEC.shape, np.uint8)
    for rule in rules.certain():
        fallen = windows["rainfall_amount"].sel(window=rule.window_h).values[0]
        level[fallen >= rule.threshold_mm] = rule.level
    return level.ravel()


if __name__ == "__main__":
    main()
