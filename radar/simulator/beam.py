"""What the beam gathers of the rain, gate by gate: sub-rays across its width (numba kernel)."""

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.spec import GridSpec
from jinghu.radar.geometry import SiteOnGrid, beam_height, ground_distance, place
from jinghu.radar.simulator.scattering import RainScattering
from jinghu.radar.simulator.truth import RainTruth
from jinghu.radar.sites import RadarSite

# Gauss-Hermite nodes in half-power widths, and weights, of a Gaussian beam, two ways.
_AZIMUTH_OFFSETS = np.array([-0.52, 0.0, 0.52])
_AZIMUTH_WEIGHTS = np.array([1.0, 4.0, 1.0]) / 6.0
_HEIGHT_OFFSETS = np.array([-0.858, -0.407, 0.0, 0.407, 0.858])
_HEIGHT_WEIGHTS = np.array([0.01126, 0.22208, 0.53333, 0.22208, 0.01126])
_HEIGHT_WEIGHTS /= _HEIGHT_WEIGHTS.sum()  # they are rounded
_LEAST_MM_H = 0.02  # less is no rain
_MELTING_M = 600.0  # depth of the melting layer
_PER_DB = np.log(10.0) / 10.0
# Columns of the vertical structure: dB of Z in convection, dB more in layer cloud, share that is
# rain, fall of rhoHV in convection, more in layer cloud.
_LAYER = ("convective_db", "layered_db", "liquid", "spoilt", "layered_spoilt")


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
    at = placed(site, truth.spec)
    width = site.beam_width_deg
    ground = ground_distances(aim.range_m, aim.elevation_deg)
    offsets = _HEIGHT_OFFSETS * width
    heights = beam_heights(ground, aim.elevation_deg + offsets, site.antenna_height_m)
    shape = (len(aim.azimuth_deg), len(aim.range_m))
    found = Gathered(*(np.zeros(shape, np.float32) for _ in range(7)))
    spec = truth.spec
    _gather(
        (truth.rate_mm_h, truth.log10_drops),
        (aim.time_s - truth.start_s) / truth.step_s,
        np.radians(aim.azimuth_deg + at.north_deg),
        ground / spec.spacing_m,
        ((at.x_m - spec.x0_m) / spec.spacing_m - 0.5, (at.y_m - spec.y0_m) / spec.spacing_m - 0.5),
        _layers(heights, truth.freezing_level_m),
        aim.horizon_deg,
        (aim.elevation_deg, width),
        _columns(table),
        (found.z, found.zv, found.kdp_deg_km, found.ah_db_km, found.adp_db_km, found.rhohv,
         found.open_share),
    )  # fmt: skip
    return found


@lru_cache(maxsize=64)  # asked once a cut; a projection is slow to set up in every new thread
def placed(site: RadarSite, spec: GridSpec) -> SiteOnGrid:
    """Where a radar stands on a grid."""
    return place(site, spec)


@numba.njit(cache=True, nogil=True)
def ground_distances(range_m: NDArray[np.float64], elevation_deg: float) -> NDArray[np.float64]:
    """Ground distances (gate,) in m below the gates of a cut."""
    found = np.empty(len(range_m))
    for gate in range(len(range_m)):
        found[gate] = ground_distance(range_m[gate], elevation_deg)
    return found


@numba.njit(cache=True, nogil=True)
def beam_heights(
    ground_m: NDArray[np.float64], elevation_deg: NDArray[np.float64], antenna_m: float
) -> NDArray[np.float64]:
    """Heights (elevation, gate) in m above mean sea level over ground distances."""
    found = np.empty((len(elevation_deg), len(ground_m)))
    for k in range(len(elevation_deg)):
        for gate in range(len(ground_m)):
            found[k, gate] = beam_height(ground_m[gate], elevation_deg[k], antenna_m)
    return found


@numba.njit(cache=True, nogil=True)
def _layers(heights_m: NDArray[np.float64], freezing_m: float) -> NDArray[np.float64]:
    """Vertical structure (height, gate, 5): see `_LAYER`.

    Below the melting layer rain is as at the ground. In it layer cloud has a bright band; above,
    Z falls by 2.5 (convection) to 4.5 dB/km (Fabry & Zawadzki 1995, J. Atmos. Sci. 52, 838-851).
    """
    found = np.zeros((*heights_m.shape, 5))
    for k in range(heights_m.shape[0]):
        for gate in range(heights_m.shape[1]):
            layer = found[k, gate]
            above = heights_m[k, gate] - freezing_m
            if above < -_MELTING_M:
                layer[2] = 1.0
            elif above < 0.0:
                inside = (above + _MELTING_M) / _MELTING_M  # 0 at the bottom, 1 at the top
                bright = 7.0 * np.sin(np.pi * min(inside / 0.9, 1.0))
                fall = max(inside - 0.5, 0.0) * 2.0
                layer[0], layer[1] = -2.0 * fall, bright - 4.5 * fall
                layer[2], layer[4] = 1.0 - inside, 0.10 * np.sin(np.pi * inside)
            else:
                layer[0] = -2.0 - 2.5 * above / 1000.0
                layer[1] = -4.5 - 2.0 * above / 1000.0
                layer[3] = 0.01
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
def _gather(
    fields: tuple[NDArray[np.float32], NDArray[np.float32]],
    frame: NDArray[np.float64],
    azimuth: NDArray[np.float64],
    ground: NDArray[np.float64],
    origin: tuple[float, float],
    layers: NDArray[np.float64],
    horizon_deg: NDArray[np.float32],
    beam: tuple[float, float],
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
    """Distances in cells of the grid of the fields, angles as they are named."""
    rates, drops = fields
    elevation, width = beam
    z, zv, kdp, ah, adp, rhohv, open_share = out
    n_rays, n_gates = z.shape
    nt, ny, nx = rates.shape
    spread = np.radians(width) / max(np.cos(np.radians(elevation)), 0.05)
    gathered, free = np.empty(6), np.empty(5, np.bool_)
    low = np.array([bool((layers[:, gate, 2] == 1.0).all()) for gate in range(n_gates)])
    for ray in range(n_rays):
        t = min(int(frame[ray]), max(nt - 2, 0))
        later = frame[ray] - t
        now, then, sizes = rates[t], rates[min(t + 1, nt - 1)], drops[t]
        sines = np.sin(azimuth[ray] + _AZIMUTH_OFFSETS * spread)
        cosines = np.cos(azimuth[ray] + _AZIMUTH_OFFSETS * spread)
        for gate in range(n_gates):
            left = 0.0
            for k in range(5):
                free[k] = elevation + _HEIGHT_OFFSETS[k] * width >= horizon_deg[ray, gate]
                left += _HEIGHT_WEIGHTS[k] * free[k]
            open_share[ray, gate] = left
            gathered[:] = 0.0
            plain = low[gate] and free.all()
            for a in range(3):
                x = origin[0] + ground[gate] * sines[a]
                y = origin[1] + ground[gate] * cosines[a]
                if x < 0 or y < 0 or x >= nx - 1 or y >= ny - 1:
                    continue
                rate = (1 - later) * _bilinear(now, x, y) + later * _bilinear(then, x, y)
                if rate < _LEAST_MM_H:
                    continue
                held = _scattered(table, rate, _bilinear(sizes, x, y), _AZIMUTH_WEIGHTS[a])
                if plain:
                    for column in range(5):
                        gathered[column] += held[column]
                    gathered[5] += held[0] * held[5]
                else:
                    _add(gathered, held, layers[:, gate], free, rate)
            z[ray, gate], zv[ray, gate] = gathered[0], gathered[1]
            kdp[ray, gate], ah[ray, gate], adp[ray, gate] = gathered[2], gathered[3], gathered[4]
            if gathered[0] > 0:
                rhohv[ray, gate] = gathered[5] / gathered[0]


@numba.njit(cache=True, nogil=True)
def _scattered(
    table: NDArray[np.float64], rate: float, log10_drops: float, weight: float
) -> tuple[float, float, float, float, float, float]:
    """What rain of a sub-ray scatters: columns of the table, all but rhoHV times the rate."""
    at = (np.log10(rate) - log10_drops - table[0, 0]) / (table[1, 0] - table[0, 0])
    at = min(max(at, 0.0), len(table) - 1.001)
    row = int(at)
    part = at - row
    more, less = weight * rate * part, weight * rate * (1.0 - part)
    return (
        less * table[row, 1] + more * table[row + 1, 1],
        less * table[row, 2] + more * table[row + 1, 2],
        less * table[row, 3] + more * table[row + 1, 3],
        less * table[row, 4] + more * table[row + 1, 4],
        less * table[row, 5] + more * table[row + 1, 5],
        (1.0 - part) * table[row, 6] + part * table[row + 1, 6],
    )


@numba.njit(cache=True, nogil=True)
def _add(
    gathered: NDArray[np.float64],
    held: tuple[float, float, float, float, float, float],
    layers: NDArray[np.float64],
    free: NDArray[np.bool_],
    rate: float,
) -> None:
    """Add one sub-ray in azimuth: its heights that rain fills and that terrain leaves."""
    layered = 1.0 - min(max((rate - 6.0) / 20.0, 0.0), 1.0)  # convective rain reaches higher
    for k in range(5):
        weight, liquid = _HEIGHT_WEIGHTS[k], layers[k, 2]
        gathered[2] += weight * held[2] * liquid
        gathered[3] += weight * held[3] * liquid
        gathered[4] += weight * held[4] * liquid
        if not free[k]:
            continue
        if liquid == 1.0:
            power, upright, spoilt = weight * held[0], weight * held[1], 0.0
        else:
            strength = weight * np.exp(_PER_DB * (layers[k, 0] + layered * layers[k, 1]))
            power = strength * held[0]
            # ice is nearly round: 0.15 dB
            upright = strength * (liquid * held[1] + (1.0 - liquid) * held[0] * 0.966)
            spoilt = layers[k, 3] + layered * layers[k, 4]
        gathered[0] += power
        gathered[1] += upright
        gathered[5] += power * (held[5] - spoilt)
