"""Xin'anjiang on an observed basin: 28 floods, calibrated on half, verified on the other half.

The basin is L0123001 (360 km2, daily rain, evaporation and discharge, 1984-2012): the largest 28
floods of its record, days 5 before to 10 after each peak. The first 14 and the days between them
calibrate, the last 14 verify. Errors and the grade are those of GB/T 22482, with a day as the
step: harder on the peak and kinder on its time than hours.

The 28 floods of the 290 km2 basin that lie beside it hold soil states and no observed discharge,
so they cannot verify anything.
"""

import os
from pathlib import Path

import numpy as np

from jinghu.hydro.calibration import (
    FloodCheck,
    Record,
    calibrate,
    check_flood,
    efficiency,
    grade,
    largest_floods,
    simulated,
)

FLOODS = 28


def read() -> Record:
    """Record of the basin: day, rain, temperature, evaporation, l/s, mm."""
    folder = Path(os.environ.get("JINGHU_DATA", "../shared/data"))
    path = folder / "hydrology" / "xaj" / "L0123001.txt"
    table = np.genfromtxt(path, delimiter="\t", skip_header=1, usecols=(1, 3, 5))
    return Record(table[:, 0], table[:, 1], table[:, 2], 86400.0)


def table(name: str, checks: list[FloodCheck], dc: float) -> None:
    """Print the shares that qualify and the grade."""
    shares = [
        float(np.mean([getattr(c, item) for c in checks]))
        for item in ("peak_good", "depth_good", "timing_good")
    ]
    whole = float(np.mean([c.peak_good and c.depth_good and c.timing_good for c in checks]))
    print(
        f"{name:<12} {len(checks)} floods: peak {100 * shares[0]:.0f} %, depth "
        f"{100 * shares[1]:.0f} %, time {100 * shares[2]:.0f} %, all three {100 * whole:.0f} %; "
        f"median DC of a flood {np.median([c.dc for c in checks]):.2f}; DC of the period {dc:.3f}; "
        f"grade by peak {grade(shares[0], dc)}, by depth {grade(shares[1], dc)}"
    )


def main() -> None:
    record = read()
    windows = largest_floods(record.discharge_mm, FLOODS, 5, 10)
    split = (windows[FLOODS // 2 - 1][1] + windows[FLOODS // 2][0]) // 2
    days = np.arange(len(record.rain_mm))
    params = calibrate(record, (days >= 365) & (days < split), windows[: FLOODS // 2])
    print(params)
    computed = simulated(record, params)
    checks = [check_flood(computed[a:b], record.discharge_mm[a:b]) for a, b in windows]
    for window, check in zip(windows, checks, strict=True):
        start = np.datetime64("1984-01-01") + window[0] + 5
        seen = record.discharge_mm[slice(*window)].max()
        print(
            f"{start} {'calibrated' if window[1] <= split else 'verified':<10} {seen:6.1f} mm/d  "
            f"peak {100 * check.peak_error:+6.1f} %  depth {100 * check.depth_error:+6.1f} %  "
            f"late {check.timing_steps:+d} d  DC {check.dc:5.2f}"
        )
    half = FLOODS // 2
    past, after = (days >= 365) & (days < split), days >= split
    table("calibrated", checks[:half], efficiency(computed[past], record.discharge_mm[past]))
    table("verified", checks[half:], efficiency(computed[after], record.discharge_mm[after]))


if __name__ == "__main__":
    main()
