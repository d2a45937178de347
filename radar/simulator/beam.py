"""What the beam gathers of the rain, gate by gate: sub-rays across its width (numba kernel)."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.geometry import beam_height, ground_distance, place
from jinghu.radar.simulator.scattering import RainScattering
from jinghu.radar.simulator.truth import RainTruth
from jinghu.radar.sites import RadarSite

# Gauss-Hermite nodes in half-power widths, and weights, of a Gaussian beam, two ways.
_AZIMUTH_OFFSETS = np.array([-0.52, 0.0, 0.52])
_AZIMUTH_WEIGHTS = np.array([1.0, 4.0, 1.0]) / 6.0
_HEIGHT_OFFSETS = np.array([-0.858, -0.407, 0.0, 0.407, 0.858])
_HEIGHT_WEIGHTS = np.array([0.01126, 0.22208, 0.53333, 0.22208, 0.01126])


@dataclass(frozen=True, slots=True)
class Aim:
    """Where the antenna points while it scans one cut.

    Parameters
    ----------
    elevation_deg
        Of the cut.
    azimuth_deg, time_s
        (ray,) degrees from true north, epoch seconds.
    range_m
        (gate,) of the gate centres.
    horizon_deg
        (ray, gate) elevation below which terrain nearer than the gate hides it.
    """

    elevation_deg: float
    azimuth_deg: NDArray[np.float64]
    time_s: NDArray[np.float64]
    range_m: NDArray[np.float64]
    horizon_deg: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the beam holds, without attenuation or noise; each (ray, gate) float32.

    Parameters
    ----------
    z, zv
        Reflectivities of the polarisations in mm6 m-3; what terrain hides is not in them.
    kdp_deg_km, ah_db_km, adp_db_km
        Specific phase and one-way attenuation.
    rhohv
        Correlation.
    open_share
        (ray, gate) share of the beam's power that terrain leaves.
    """

    z: NDArray[np.float32]
    zv: NDArray[np.float32]
    kdp_deg_km: NDArray[np.float32]
    ah_db_km: NDArray[np.float32]
    adp_db_km: NDArray[np.float32]
    rhohv: NDArray[np.float32]
    open_share: NDArray[np.float32]


def gather(truth: RainTruth, site: RadarSite, aim: Aim, table: RainScattering) -> Gathered:
    """Average the rain over the beam.

    Parameters
    ----------
    truth, site, aim
        What rains, and who looks where.
    table
        Scattering of rain at the band of the site.

    Raises
    ------
    ConfigError
        Where the truth does not cover the time of the scan.
    """
    truth.covering(float(aim.time_s.min()), float(aim.time_s.max()))
    at = place(site, truth.spec)
    width = site.beam_width_deg
    ground = np.array([ground_distance(r, aim.elevation_deg) for r in aim.range_m])
    heights = np.array(
        [
            [beam_height(g, aim.elevation_deg + o * width, site.antenna_height_m) for g in ground]
            for o in _HEIGHT_OFFSETS
        ]
    )
    shape = (len(aim.azimuth_deg), len(aim.range_m))
    found = Gathered(*(np.zeros(shape, np.float32) for _ in range(7)))
    spec = truth.spec
    _gather(
        (truth.rate_mm_h, truth.log10_drops),
        (aim.time_s - truth.start_s) / truth.step_s,
        np.radians(aim.azimuth_deg + at.north_deg),
        ground / spec.spacing_m,
        ((at.x_m - spec.x0_m) / spec.spacing_m - 0.5, (at.y_m - spec.y0_m) / spec.spacing_m - 0.5),
        heights,
        aim.horizon_deg,
        (aim.elevation_deg, width, truth.freezing_level_m),
        _columns(table),
        (found.z, found.zv, found.kdp_deg_km, found.ah_db_km, found.adp_db_km, found.rhohv,
         found.open_share),
    )  # fmt: skip
    return found


def _columns(table: RainScattering) -> NDArray[np.float64]:
    """Scattering as (size, column), on even steps of the first column."""
    even = np.linspace(table.log10_rate_per_drops[0], table.log10_rate_per_drops[-1], 241)
    columns = [even]
    for values in (table.z_per_rate, table.zv_per_rate, table.kdp_per_rate, table.ah_per_rate,
                   table.adp_per_rate, table.rhohv):  # fmt: skip
        columns.append(np.interp(even, table.log10_rate_per_drops, values))
    return np.ascontiguousarray(np.stack(columns, axis=1))


@numba.njit(cache=True, nogil=True)
def _bilinear(field: NDArray[np.float32], x: float, y: float) -> float:
    """Value between the cell centres; the caller keeps x and y inside."""
    i, j = int(x), int(y)
    fx, fy = x - i, y - j
    low = (1 - fx) * field[j, i] + fx * field[j, i + 1]
    high = (1 - fx) * field[j + 1, i] + fx * field[j + 1, i + 1]
    return float((1 - fy) * low + fy * high)


@numba.njit(cache=True, nogil=True)
def _ice(height_m: float, freezing_m: float, convective: float) -> tuple[float, float, float]:
    """Return the vertical structure: factor of Z, share that is rain, fall of rhoHV.

    Below the melting layer rain is as at the ground. In it layer cloud has a bright band; above,
    Z falls by 2.5 (convection) to 4.5 dB/km (Fabry & Zawadzki 1995, J. Atmos. Sci. 52, 838-851).
    """
    above = height_m - freezing_m
    if above < -600.0:
        return 1.0, 1.0, 0.0
    layered = 1.0 - convective
    if above < 0.0:
        inside = (above + 600.0) / 600.0  # 0 at the bottom, 1 at the top
        bright = 7.0 * layered * np.sin(np.pi * min(inside / 0.9, 1.0))
        fall = (2.0 + 4.5 * layered) * max(inside - 0.5, 0.0) * 2.0
        return (
            10.0 ** ((bright - fall) / 10.0),
            1.0 - inside,
            0.10 * layered * np.sin(np.pi * inside),
        )
    fall = 2.0 + 4.5 * layered + above / 1000.0 * (2.5 + 2.0 * layered)
    return 10.0 ** (-fall / 10.0), 0.0, 0.01


@numba.njit(cache=True, nogil=True)
def _gather(
    fields: tuple[NDArray[np.float32], NDArray[np.float32]],
    frame: NDArray[np.float64],
    azimuth: NDArray[np.float64],
    ground: NDArray[np.float64],
    origin: tuple[float, float],
    heights: NDArray[np.float64],
    horizon_deg: NDArray[np.float32],
    beam: tuple[float, float, float],
    table: NDArray[np.float64],
    out: tuple[
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
    ],
) -> None:
    """Distances in cells of the grid of the fields, heights in m, angles as they are named."""
    rates, drops = fields
    elevation, width, freezing = beam
    z, zv, kdp, ah, adp, rhohv, open_share = out
    first, step = table[0, 0], table[1, 0] - table[0, 0]
    n_rays, n_gates = z.shape
    nt, ny, nx = rates.shape
    spread = np.radians(width) / max(np.cos(np.radians(elevation)), 0.05)
    for ray in range(n_rays):
        t = min(int(frame[ray]), max(nt - 2, 0))
        later = frame[ray] - t
        t1 = min(t + 1, nt - 1)
        sines = np.sin(azimuth[ray] + _AZIMUTH_OFFSETS * spread)
        cosines = np.cos(azimuth[ray] + _AZIMUTH_OFFSETS * spread)
        for gate in range(n_gates):
            left = 0.0
            for k in range(5):
                if elevation + _HEIGHT_OFFSETS[k] * width >= horizon_deg[ray, gate]:
                    left += _HEIGHT_WEIGHTS[k]
            open_share[ray, gate] = left
            together = 0.0
            for a in range(3):
                x = origin[0] + ground[gate] * sines[a]
                y = origin[1] + ground[gate] * cosines[a]
                if x < 0 or y < 0 or x >= nx - 1 or y >= ny - 1:
                    continue
                rate = (1 - later) * _bilinear(rates[t], x, y) + later * _bilinear(rates[t1], x, y)
                if rate < 0.02:
                    continue
                place = (np.log10(rate) - _bilinear(drops[t], x, y) - first) / step
                place = min(max(place, 0.0), len(table) - 1.001)
                row = int(place)
                part = place - row
                factor = _AZIMUTH_WEIGHTS[a] * rate
                z_rain = factor * ((1 - part) * table[row, 1] + part * table[row + 1, 1])
                zv_rain = factor * ((1 - part) * table[row, 2] + part * table[row + 1, 2])
                k_rain = factor * ((1 - part) * table[row, 3] + part * table[row + 1, 3])
                a_rain = factor * ((1 - part) * table[row, 4] + part * table[row + 1, 4])
                d_rain = factor * ((1 - part) * table[row, 5] + part * table[row + 1, 5])
                rho = (1 - part) * table[row, 6] + part * table[row + 1, 6]
                convective = min(max((rate - 6.0) / 20.0, 0.0), 1.0)
                for k in range(5):
                    strength, liquid, spoilt = _ice(heights[k, gate], freezing, convective)
                    weight = _HEIGHT_WEIGHTS[k]
                    kdp[ray, gate] += weight * k_rain * liquid
                    ah[ray, gate] += weight * a_rain * liquid
                    adp[ray, gate] += weight * d_rain * liquid
                    if elevation + _HEIGHT_OFFSETS[k] * width < horizon_deg[ray, gate]:
                        continue
                    power = weight * z_rain * strength
                    z[ray, gate] += power
                    # ice is nearly round: 0.15 dB
                    zv[ray, gate] += (
                        weight * strength * (liquid * zv_rain + (1 - liquid) * z_rain * 0.966)
                    )
                    together += power * (rho - spoilt)
            if z[ray, gate] > 0:
                rhohv[ray, gate] = together / z[ray, gate]
