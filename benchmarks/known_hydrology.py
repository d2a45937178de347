"""Published numbers of hydrology, expected and obtained.

Routing and runoff kernels against textbooks and the kernel tests of other models, and the seven
floods in a channel against local inertial equations. What is printed is asserted in tests/hydro.
"""

import os
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

sys.path.append(str(Path(__file__).parents[1]))
from tests.hydro.channel_cases import CASES, cascade, classical, scores, truth
from tests.hydro.kernel_rows import kinematic, muskingum_series, rows
from tests.hydro.known import (
    CHOW,
    PLANE,
    VALLEY,
    WILSON,
    muskingum_nonlinear,
    plane_runoff,
    valley_runoff,
)


def say(name: str, expected: object, obtained: object) -> None:
    """Print a line of the table."""
    print(f"{name:<58} {expected!s:>14} {obtained!s:>14}")


def ponce_9_1() -> None:
    """Muskingum table of Ponce, where the data are."""
    path = Path(os.environ.get("JINGHU_DATA", "../shared/data"))
    path = path / "hydrology" / "muskingum_textbook" / "ponce_table_9-1.csv"
    if not path.is_file():
        print(f"left out: {path} is absent")
        return
    table = np.loadtxt(path, delimiter=",", skiprows=2)
    routed = muskingum_series(table[:, 1], 2.0, 0.1, table[0, 2])
    say(
        "Ponce table 9-1, largest difference (m3/s)",
        "<= 0.1",
        f"{np.abs(routed - table[:, 2]).max():.3f}",
    )


def textbooks() -> None:
    """Wilson, Ponce, Chow, wflow."""
    inflow, observed = WILSON

    def linear(p):
        return float(((muskingum_series(inflow, p[0] / 6, p[1], 22.0) - observed) ** 2).sum())

    best = minimize(linear, (25.0, 0.2), method="Nelder-Mead", options={"xatol": 1e-7})
    say("Wilson 1974, linear optimum: SSQ", 605.633, f"{best.fun:.3f}")
    say("  K (h), X", "29.1646, .22106", f"{best.x[0]:.4f}, {best.x[1]:.5f}")
    ssq = ((muskingum_nonlinear(inflow, 0.0863, 0.2869, 1.8679) - observed) ** 2).sum()
    say("Wilson 1974, nonlinear: SSQ", 36.7687, f"{ssq:.4f}")
    wave = np.interp(np.arange(30.0), [0, 7, 21, 29], [60, 1110, 60, 60])
    celerity = 1.58 * 1110 / 440
    courant = celerity * 3600 / 14_000
    diffusion = 1110 / 115 / (0.001 * celerity * 14_000)
    routed = muskingum_series(wave, 1 / courant, 0.5 * (1 - diffusion), 60.0)
    say("Ponce, constant-parameter Muskingum-Cunge: peak (m3/s)", 1093.39, f"{routed.max():.2f}")
    say("  hour", 8, int(routed.argmax()))
    routed = muskingum_series([100, 150, 250, 400, 800, 1000, 900, 700, 550], 2.0, 0.0, 100.0)
    say("Ponce, linear reservoir: eighth value (m3/s)", 757.641, f"{routed[7]:.3f}")
    routed = muskingum_series(CHOW[0], 2.3, 0.15, 85.0).round()
    say("Chow 8.4.1: values of 20 that agree", 20, int((routed == CHOW[1]).sum()))
    kc = 600.0 / (2.586 * 1061.375)
    found = kinematic(rows(), kc, 0.0, 1.104e-6, 1.142e-6 * 1061.375)[1]
    say("wflow kinematic kernel (m3/s)", "1.09308660753e-6", f"{found:.11e}")


def planes() -> None:
    """Kinematic plane and the V-shaped catchment."""
    error, flow = plane_runoff()
    say("kinematic plane, q at equilibrium (m2/s)", f"{PLANE.equilibrium:.6e}", f"{flow:.6e}")
    say("  largest error of the rising limb", "0", f"{100 * error:.2f} %")
    say("V-catchment, equilibrium (m3/s)", VALLEY, f"{valley_runoff()[-1]:.4f}")


def channels() -> None:
    """Seven floods in a channel."""
    print("\nchannel        peak error %    NSE   volume error %  | classical: volume error %")
    for case in CASES:
        routed, missing = cascade(case, case.dx, case.dt, case.substeps())
        error, skill = scores(routed, truth(case))
        inflow = case.inflow(case.dt)
        lost = 100 * (classical(case) - inflow).sum() / (inflow - case.base).sum()
        print(
            f"{case.name:<12} {error:>12.2f} {skill:>9.4f} {100 * missing:>14.0e}  | {lost:>8.2f}"
        )


def main() -> None:
    say("", "expected", "obtained")
    textbooks()
    ponce_9_1()
    planes()
    channels()


if __name__ == "__main__":
    main()
