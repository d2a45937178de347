"""Xin'anjiang: cell-steps a second of one thread, against the same equations in plain numpy.

The peer is written here from the equations (Zhao 1992) as vectorised numpy over cells, one step
after the other, the way public Python implementations work. Both run the same rain (net rain under
5 mm a step, so that neither splits it), and must agree.
"""

import time

import numpy as np

from jinghu.hydro.runoff import STORES, RunoffParams, initial_stores, run

CELLS = 8000
STEPS = 240
STEP_S = 3600.0
ROUNDS = 5


def peer(rain, p, stores, steps_a_day):
    """Runoff (time, cell) in mm."""
    wu, wl, wd, free, qs, qi, qg = (stores[:, k].copy() for k in range(len(STORES)))
    potential = p.k * p.evaporation_mm_day / steps_a_day
    total = 1 - (1 - (p.ki + p.kg)) ** (1 / steps_a_day)
    ki, kg = total * p.ki / (p.ki + p.kg), total * p.kg / (p.ki + p.kg)
    cs = np.exp(-STEP_S / 3600 / p.surface_lag_h)
    ci, cg = p.ci ** (1 / steps_a_day), p.cg ** (1 / steps_a_day)
    wm, wmm, ms = p.wm_mm, p.wm_mm * (1 + p.b), p.sm_mm * (1 + p.ex)
    out = np.empty_like(rain)
    for t, fallen in enumerate(rain):
        eu = np.minimum(potential, wu + fallen)
        demand = potential - eu
        el = np.where(wl >= p.c * p.lm_mm, np.minimum(demand * wl / p.lm_mm, wl),
                      np.minimum(p.c * demand, wl))  # fmt: skip
        ed = np.where(wl >= p.c * p.lm_mm, 0.0, np.minimum(np.maximum(p.c * demand - wl, 0), wd))
        ed = np.where(wl >= p.c * demand, 0.0, ed)
        net = np.maximum(fallen - eu, 0.0)
        wu = wu - np.maximum(eu - fallen, 0.0)
        wl, wd = wl - el, wd - ed
        w = np.minimum(wu + wl + wd, wm)
        a = wmm * (1 - (1 - w / wm) ** (1 / (1 + p.b)))
        stored = (
            wm
            - w
            - np.where(net + a < wmm, wm * np.maximum(1 - (net + a) / wmm, 0) ** (1 + p.b), 0)
        )
        stored = np.clip(stored, 0.0, net)
        upper = np.minimum(stored, p.um_mm - wu)
        lower = np.minimum(stored - upper, p.lm_mm - wl)
        wu, wl, wd = wu + upper, wl + lower, wd + (stored - upper - lower)
        r = net - stored
        fr = np.where(r > 0, r / np.where(net > 0, net, 1), 1.0)
        depth = free / fr
        au = ms * (1 - np.maximum(1 - depth / p.sm_mm, 0) ** (1 / (1 + p.ex)))
        kept = np.where((depth < p.sm_mm) & (net + au < ms),
                        p.sm_mm * (1 - np.maximum(1 - (net + au) / ms, 0) ** (1 + p.ex)),
                        p.sm_mm)  # fmt: skip
        surface = np.where(r > 0, np.clip(free + r - kept * fr, 0, free + r), 0.0)
        free = free + r - surface
        qs += (1 - p.im) * surface + p.im * (fallen - np.minimum(fallen, potential))
        qi += (1 - p.im) * ki * free
        qg += (1 - p.im) * kg * free
        free = free * (1 - ki - kg)
        out[t] = (1 - cs) * qs + (1 - ci) * qi + (1 - cg) * qg
        qs, qi, qg = qs * cs, qi * ci, qg * cg
    return out


def best_seconds(work) -> float:
    """Least CPU seconds of several runs."""
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def main() -> None:
    rng = np.random.default_rng(0)
    rain = np.minimum(rng.gamma(0.3, 3.0, (STEPS, CELLS)) * (rng.random((STEPS, CELLS)) < 0.4), 4.9)
    params = RunoffParams()
    stores = initial_stores(CELLS, 0.7, 0.01, params)
    theirs = peer(rain, params, stores, 24.0)
    ours = run(rain, stores, STEP_S, params).runoff_mm
    difference = np.abs(ours - theirs).max()
    slow = best_seconds(lambda: peer(rain, params, stores, 24.0))
    fast = best_seconds(lambda: run(rain, stores, STEP_S, params))
    work = CELLS * STEPS
    print(f"{CELLS} cells, {STEPS} steps, largest difference {difference:.0e} mm")
    print(f"  numpy {slow:.3f} s, {work / slow:.3g} cell-steps/s")
    print(f"  ours  {fast:.3f} s, {work / fast:.3g} cell-steps/s, x{slow / fast:.1f}")


if __name__ == "__main__":
    main()
