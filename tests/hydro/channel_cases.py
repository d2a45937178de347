"""Flood waves in one channel, and the fuller equations that routing is compared with."""

from dataclasses import dataclass

import numba
import numpy as np
from tests.hydro.kernel_rows import cunge, kinematic, rows


@dataclass(frozen=True)
class Case:
    """A prismatic channel and a flood: reaches of dx, steps of dt, base to peak in m3/s."""

    name: str
    slope: float
    width: float
    roughness: float
    length: float
    dx: float
    dt: float
    base: float
    peak: float
    peak_h: float
    power: float
    hours: float

    def inflow(self, step_s):
        """Q = Qb + (Qp - Qb) [t / Tp exp(1 - t / Tp)]^b."""
        x = np.arange(0, self.hours * 3600 + 1, step_s) / 3600 / self.peak_h
        return self.base + (self.peak - self.base) * (x * np.exp(1 - x)) ** self.power

    def substeps(self):
        """Cut steps where C > 1 + D at the peak."""
        a = (np.sqrt(self.slope) / self.roughness) ** 0.6 * self.width**-0.4
        celerity = 5 / 3 * a * self.peak**0.4
        diffusion = self.peak / (self.width * self.slope * celerity)
        return max(1, int(np.ceil(celerity * self.dt / (self.dx + diffusion))))


CASES = (
    Case("mild, 2 km", 2.5e-4, 50, 0.035, 100e3, 2000, 1800, 100, 900, 24, 16, 96),
    Case("mild, 1 km", 2.5e-4, 50, 0.035, 100e3, 1000, 900, 100, 900, 24, 16, 96),
    Case("flat", 1e-4, 50, 0.035, 100e3, 2000, 1800, 100, 900, 24, 16, 120),
    Case("broad", 3e-4, 150, 0.03, 60e3, 2000, 900, 200, 3000, 12, 8, 60),
    Case("hill, 500 m", 0.01, 15, 0.045, 10e3, 500, 300, 5, 150, 2, 8, 8),
    Case("hill, 1 km", 0.01, 15, 0.045, 20e3, 1000, 300, 5, 150, 2, 8, 8),
    Case("hill, 250 m", 0.01, 15, 0.045, 10e3, 250, 300, 5, 150, 2, 8, 8),
)


@numba.njit(cache=True)
def local_inertial(length, dx, slope, width, n, inflow, step_s):
    """1-D local inertial equations (Bates et al. 2010) of a wide rectangle.

    They hold the pressure gradient that the kinematic wave lacks. Uniform flow at the outlet.
    """
    cells = int(length / dx)
    depth = np.full(cells, (inflow[0] / width * n / np.sqrt(slope)) ** 0.6)
    q = np.full(cells + 1, inflow[0] / width)
    out = np.empty(len(inflow))
    out[0] = inflow[0]
    for k in range(1, len(inflow)):
        t = 0.0
        while t < step_s - 1e-9:
            dt = min(0.6 * dx / np.sqrt(9.81 * depth.max()), step_s - t)
            q[0] = (inflow[k - 1] + (inflow[k] - inflow[k - 1]) * (t + dt) / step_s) / width
            for i in range(1, cells):
                fall = slope * dx
                flow_depth = max(depth[i - 1] + fall, depth[i]) - fall
                gradient = (depth[i] - depth[i - 1]) / dx - slope
                friction = 9.81 * dt * n * n * abs(q[i]) / flow_depth ** (7 / 3)
                q[i] = (q[i] - 9.81 * flow_depth * dt * gradient) / (1 + friction)
            q[cells] = depth[cells - 1] ** (5 / 3) * np.sqrt(slope) / n
            for i in range(cells):
                depth[i] += dt / dx * (q[i] - q[i + 1])
            t += dt
        out[k] = q[cells] * width
    return out


@numba.njit
def _cascade(w, reaches, kc, kd, inflow, substeps, method):
    storage = np.full(reaches, inflow[0] ** 0.6 / kc)
    outflow = np.full(reaches, inflow[0])
    out = np.empty(len(inflow))
    out[0] = inflow[0]
    came, left = storage.sum(), 0.0
    for k in range(1, len(inflow)):
        rise = (inflow[k] - inflow[k - 1]) / substeps
        for s in range(substeps):
            now = inflow[k - 1] + rise * (s + 1)
            mean = now - 0.5 * rise
            came += mean
            for j in range(reaches):
                if method == 0:
                    storage[j], outflow[j], mean = cunge(
                        w, kc, kd, storage[j], outflow[j], now, mean, 0.0
                    )
                else:
                    storage[j], outflow[j] = kinematic(w, kc, storage[j], mean, 0.0)
                    mean = outflow[j]
                now = outflow[j]
            left += mean
        out[k] = outflow[-1]
    return out, (came - left - storage.sum()) / came


def cascade(case, dx, dt, substeps, *, kinematic_wave=False):
    """Outflow of a channel of equal reaches, and the relative balance error."""
    a = (np.sqrt(case.slope) / case.roughness) ** 0.6 * case.width**-0.4
    step = dt / substeps
    kc, kd = a * step / dx, step / (case.width * case.slope * dx * dx)
    reaches = int(case.length / dx)
    return _cascade(rows(), reaches, kc, kd, case.inflow(dt), substeps, int(kinematic_wave))


@numba.njit(cache=True)
def _classical(reaches, kc, kd, inflow):
    flow = np.full(reaches, inflow[0])
    out = np.empty(len(inflow))
    out[0] = inflow[0]
    for k in range(1, len(inflow)):
        before, now = inflow[k - 1], inflow[k]
        for j in range(reaches):
            start = flow[j]
            points = before + now + start
            q = points / 3
            for _ in range(4):
                q = max(q, 1e-6)  # the scheme gives negative discharges where C + D < 1
                courant = 5 / 3 * kc * q**0.4
                diffusion = kd * q / courant
                end = (
                    (courant - 1 + diffusion) * now
                    + (courant + 1 - diffusion) * before
                    + (1 - courant + diffusion) * start
                ) / (1 + courant + diffusion)
                q = (points + end) / 4
            flow[j] = end
            before, now = start, flow[j]
        out[k] = flow[-1]
    return out


def classical(case):
    """Variable-parameter Muskingum-Cunge of Ponce & Yevjevich (1978), four-point average.

    Not conservative: the negative control.
    """
    a = (np.sqrt(case.slope) / case.roughness) ** 0.6 * case.width**-0.4
    kc, kd = a * case.dt / case.dx, case.dt / (case.width * case.slope * case.dx**2)
    return _classical(int(case.length / case.dx), kc, kd, case.inflow(case.dt))


def truth(case):
    """Outflow at the case's steps: local inertial at 250 m; on hills ours at 25 m and 5 s."""
    if case.slope > 2e-3:
        return cascade(case, 25.0, 5.0, 1)[0][:: int(case.dt / 5)]
    fine = local_inertial(
        case.length, 250.0, case.slope, case.width, case.roughness, case.inflow(300.0), 300.0
    )
    return fine[:: int(case.dt / 300)]


def scores(routed, found):
    """Peak error in % and Nash-Sutcliffe efficiency."""
    nse = 1 - ((routed - found) ** 2).sum() / ((found - found.mean()) ** 2).sum()
    return 100 * (routed.max() / found.max() - 1), nse
