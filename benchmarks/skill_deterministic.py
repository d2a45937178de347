"""The deterministic forecast: extrapolation beside S-PROG, on the same cases, issue by issue.

Real sequences of ``JINGHU_DATA`` on 2 km and two drills on the grid of Shaoxing. MAE and RMSE of
rates in mm/h, CSI and POD at 10 and 20 mm/h over the cells that both forecasts and the truth know,
over all issues of a series; the last column counts the issues at which S-PROG has the smaller RMSE.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from skill_blending import Case, cases, dataset

from jinghu.configs.settings import CONFIGS, load
from jinghu.drill_rain import make_rain
from jinghu.drill_script import named_drill
from jinghu.flood import terrain_of
from jinghu.nowcast import Method, nowcast

METHODS = (Method.EXTRAPOLATION, Method.SPROG)
LIMITS = (1.0, 10.0, 20.0)
LEADS_MIN = (30, 60, 120)


def drills() -> Iterator[Case]:
    """Rain of two drills every 6 min on 2.5 km."""
    settings = load(CONFIGS / "demo.yaml")
    elevation = terrain_of(settings)["elevation"].values
    for name in ("convective-line", "typhoon"):
        script = named_drill(name)
        rain = make_rain(script, settings.grid.working(), elevation)
        times = [script.start + k * timedelta(minutes=6) for k in range(60)]
        rates = np.stack([rain.on_grid(settings.grid.product(), t) for t in times])
        yield Case(name, rates, 2.5, 6.0, (10, 20, 30), 20)


def scores(case: Case) -> tuple[dict, dict]:
    """Sums by lead and method, and the squared errors of each issue."""
    totals: dict = defaultdict(lambda: np.zeros(3 + 3 * len(LIMITS)))
    squares: dict = {}
    for issue in case.issues:
        rain = dataset(case.rates, case).isel(time=slice(max(0, issue - 12), issue + 1))
        made = {
            m: nowcast(rain, leads=case.leads, method=m)["rainfall_rate"].values for m in METHODS
        }
        for minutes in LEADS_MIN:
            k = round(minutes / case.step_min)
            if k > case.leads or issue + k >= len(case.rates):
                continue
            truth = case.rates[issue + k]
            known = np.isfinite(truth)
            for field in made.values():
                known &= np.isfinite(field[k])
            for method, field in made.items():
                off = (field[k] - truth)[known].astype(np.float64)
                found = [np.abs(off).mean(), np.square(off).mean(), 1.0]
                for limit in LIMITS:
                    yes, seen = field[k][known] >= limit, truth[known] >= limit
                    found += [(yes & seen).sum(), (seen & ~yes).sum(), (yes & ~seen).sum()]
                totals[minutes, method] += found
                squares[minutes, method, issue] = np.square(off).mean()
    return totals, squares


def row(total: np.ndarray) -> str:
    text = f"MAE {total[0] / total[2]:6.3f} RMSE {np.sqrt(total[1] / total[2]):6.3f}"
    for i, limit in enumerate(LIMITS):
        hits, misses, false = total[3 + 3 * i : 6 + 3 * i]
        csi, pod = hits / max(hits + misses + false, 1), hits / max(hits + misses, 1)
        text += f"  {limit:g}: CSI {csi:.3f} POD {pod:.3f}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="names of series that hold this")
    arguments = parser.parse_args()
    for found in (cases(), drills()):
        for case in found:
            if arguments.only not in case.name:
                continue
            totals, squares = scores(case)
            for minutes in LEADS_MIN:
                for method in METHODS:
                    if (minutes, method) in totals:
                        of_lead = row(totals[minutes, method])
                        print(f"{case.name:18} +{minutes:3d} {method.value:13} {of_lead}")
                pairs = [
                    squares[minutes, METHODS[1], i] < squares[minutes, METHODS[0], i]
                    for i in case.issues
                    if (minutes, METHODS[0], i) in squares
                ]
                if pairs:
                    print(
                        f"{'':18} smaller RMSE with S-PROG at {sum(pairs)} of {len(pairs)} issues"
                    )


if __name__ == "__main__":
    main()
