"""How much of the echo of a volume is melting snow, by height."""

from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.gates import value_table
from jinghu.radar.geometry import gate_heights
from jinghu.radar.polar import mean_gates
from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Moment, Sweep, Volume

BINS = 90  # snow melts below 9 km everywhere
AROUND = 5  # bins over which peaks are counted
_SECTORS = 8
_SAMPLES = 4  # gates that are averaged into one: more tell little more
_SUMS = 7
_NO_ECHO_DBZ = np.float32(-10.0)


@dataclass(frozen=True, slots=True)
class PeakParams:
    """With one polarisation, which peaks of reflectivity along a ray are a bright band.

    Parameters
    ----------
    around_m
        A peak is the largest within the first, in height, and stands out of the mean echo between
        the first and the second below and above it.
    rise_db, fall_db
        By so much.
    half_depth_m
        Of the layer about the height of the peaks: bright bands are some 500 m deep or more
        (Fabry & Zawadzki 1995, J. Atmos. Sci. 52, 838-851).
    least_share, clear
        Of the echo at the height of most peaks that must be peaks, and how many times as many as
        elsewhere: in convective rain peaks lie at all heights.
    error_m
        Of a height found in this way.
    """

    around_m: tuple[float, float] = (500.0, 900.0)
    rise_db: float = 2.0
    fall_db: float = 5.0
    half_depth_m: float = 300.0
    least_share: float = 0.4
    clear: float = 3.0
    error_m: float = 200.0


@dataclass(frozen=True, slots=True)
class MeltingParams:
    """Which gates may tell the melting layer, and when they do.

    Parameters
    ----------
    elevations_deg, range_m
        Sweeps and ranges that are looked at.
    widest_beam_m, narrow_beam_m
        Where the beam is wider across, it blurs the layer too much; where it is narrower than the
        second, no gate counts for more than others.
    gate_m, bin_m
        Gates are averaged to this length at least; height of a bin of the profile.
    least_dbz, snr_db
        Weaker echo is not looked at, nor echo so near to the noise, which lowers rhoHV itself.
    rhohv
        Of melting snow: 0.90 to 0.97 at S band (Giangrande et al. 2008, J. Appl. Meteor. Climatol.
        47, 1354-1364); lower at C and X band (Boodoo et al. 2010, J. Appl. Meteor. Climatol. 49,
        1779-1793; Wolfensberger et al. 2016, Q. J. R. Meteorol. Soc. 142, 108-124).
    least_share, least_gates
        Of the echo at a height that must be melting snow, and gates of it in the layer.
    known_gates
        Of a bin whose share is known.
    depth_m
        Thinnest and thickest layer that is believed.
    drop_db
        Fall of reflectivity from the layer to the snow above it, at least.
    beam_below, beam_above
        By how much of its width across a beam sees the layer below its bottom and above its top:
        above, where snow is weaker than what melts, farther (found with the simulator).
    error_m
        Of an edge, besides what the sectors differ by and a share of the beam.
    """

    elevations_deg: tuple[float, float] = (1.4, 25.5)
    range_m: tuple[float, float] = (4_000.0, 70_000.0)
    widest_beam_m: float = 1_000.0
    narrow_beam_m: float = 200.0
    gate_m: float = 250.0
    bin_m: float = 100.0
    least_dbz: float = 12.0
    snr_db: float = 18.0
    rhohv: tuple[float, float] = (0.80, 0.97)
    least_share: float = 0.3
    least_gates: int = 300
    known_gates: int = 25
    depth_m: tuple[float, float] = (150.0, 1_200.0)
    drop_db: float = 0.5
    beam_below: float = 0.15
    beam_above: float = 0.35
    error_m: float = 60.0
    peaks: PeakParams = field(default_factory=PeakParams)


@dataclass(frozen=True, slots=True)
class Profile:
    """Sums over gates by height, each (bin,): weights, and numbers of gates.

    Parameters
    ----------
    echo, melting
        Weights of echo, and of what of it may be melting snow.
    dbz, beam_m, height_m
        Weights of echo times reflectivity; of melting snow times width of the beam, times height.
    gates, melting_gates
        Numbers.
    """

    echo: NDArray[np.float64]
    melting: NDArray[np.float64]
    dbz: NDArray[np.float64]
    beam_m: NDArray[np.float64]
    height_m: NDArray[np.float64]
    gates: NDArray[np.float64]
    melting_gates: NDArray[np.float64]

    def share(self) -> NDArray[np.float64]:
        """Share of the echo that is melting snow."""
        return self.melting / np.maximum(self.echo, 1e-9)


def profiles(volume: Volume, params: MeltingParams) -> NDArray[np.float64]:
    """Sums over the gates of a volume: (polarisations - 1, sector, of `Profile`, bin).

    Each crossing of a ray counts alike, the more the narrower the beam is. Melting snow is told by
    its rhoHV, or, in sweeps with one polarisation, by peaks of reflectivity along the rays.
    """
    sums = np.zeros((2, _SECTORS, _SUMS, BINS))
    low, high = params.elevations_deg
    for sweep in volume.sweeps:
        if "DBZH" in sweep.moments and low <= sweep.elevation_deg <= high:
            _add_sweep(sweep, volume.site, params, sums[int("RHOHV" in sweep.moments)])
    return sums


def _add_sweep(
    sweep: Sweep, site: RadarSite, params: MeltingParams, sums: NDArray[np.float64]
) -> None:
    """Add the gates of a sweep to sums by (sector, sum, bin)."""
    z = sweep.moments["DBZH"]
    beam_rad = np.radians(sweep.beam_width_deg or site.beam_width_deg)
    farthest_m = min(params.range_m[1], params.widest_beam_m / beam_rad)
    stride = max(1, int(params.gate_m / _SAMPLES / z.gate_m))
    fine_gate_m = stride * z.gate_m
    factor = max(1, round(params.gate_m / fine_gate_m))
    reach_m = min(farthest_m, float(z.range_m[-1])) - z.first_gate_m
    n = max(int(reach_m / fine_gate_m) + 1, 0) // factor
    fine_m = np.asarray(z.first_gate_m + np.arange(n * factor) * fine_gate_m, np.float64)
    dbz = _read(z, fine_m, factor)
    echo = np.isfinite(dbz)
    if n < 2 or not echo.any():
        return
    range_m = fine_m.reshape(n, factor).mean(axis=1)
    height_m = gate_heights(range_m, sweep.elevation_deg, site.antenna_height_m)
    if "RHOHV" in sweep.moments:
        rhohv = _read(sweep.moments["RHOHV"], fine_m, factor)
        least = np.maximum(_noise(dbz, echo, range_m) + params.snr_db, params.least_dbz)
        used = echo & np.isfinite(rhohv) & (np.where(echo, dbz, _NO_ECHO_DBZ) >= least)
        melting = used & (rhohv >= params.rhohv[0]) & (rhohv <= params.rhohv[1])
    else:
        used, melting = _peaks(dbz, height_m, params)
    used &= (range_m >= params.range_m[0])[None, :]
    beam_m = range_m * beam_rad
    weight = (params.narrow_beam_m / np.maximum(beam_m, params.narrow_beam_m)) ** 2
    depth = np.gradient(height_m) / params.bin_m  # of a gate, in bins
    share = depth if "RHOHV" in sweep.moments else np.full(n, float(AROUND))  # a ray peaks once
    sector = (sweep.azimuth_deg * _SECTORS / 360.0).astype(np.int64) % _SECTORS
    bins = np.floor(height_m / params.bin_m).astype(np.int64)
    _tally(
        dbz,
        used,
        used & melting,
        sector,
        bins,
        (weight * depth, weight * share, beam_m, height_m),
        sums,
    )


def _read(moment: Moment, range_m: NDArray[np.float64], factor: int) -> NDArray[np.float32]:
    """Means of a moment over so many of the gates at these ranges: (ray, gate)."""
    table = value_table(moment, np.arange(moment.codes.shape[0]), range_m)
    return mean_gates(table.all(), factor)


def _noise(
    dbz: NDArray[np.float32], echo: NDArray[np.bool_], range_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Noise in dBZ by range, from the weakest echo of the sweep."""
    spreading = 20.0 * np.log10(np.maximum(range_m, 1.0))
    return np.asarray(np.quantile((dbz - spreading)[echo], 0.01) + spreading)


def _peaks(
    dbz: NDArray[np.float32], height_m: NDArray[np.float64], params: MeltingParams
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Echo with echo below it, and what of it is a peak of reflectivity along its ray."""
    of = params.peaks
    near, far = of.around_m
    offsets = np.array([-far, -near, near, far])
    edges = np.searchsorted(height_m, height_m[None, :] + offsets[:, None])
    edges[2:] = np.minimum(edges[2:] + 1, len(height_m))  # ends of ranges
    limits = np.array([params.least_dbz, of.rise_db, of.fall_db])
    return _peaks_of_rays(np.where(np.isfinite(dbz), dbz, _NO_ECHO_DBZ), edges, limits)


@numba.njit(cache=True, nogil=True)
def _peaks_of_rays(
    dbz: NDArray[np.float32], edges: NDArray[np.int64], limits: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    least_dbz, rise_db, fall_db = limits
    n_rays, n_gates = dbz.shape
    used = np.zeros((n_rays, n_gates), np.bool_)
    peak = np.zeros((n_rays, n_gates), np.bool_)
    for gate in range(n_gates):
        first, low, high, end = edges[:, gate]
        if first == low or high >= end or edges[3, gate] == edges[2, gate]:
            continue
        for ray in range(n_rays):
            value = dbz[ray, gate]
            below = dbz[ray, first:low].mean()
            if value < least_dbz or below < least_dbz:
                continue
            used[ray, gate] = True
            if value - below < rise_db or value < dbz[ray, low:high].max():
                continue
            peak[ray, gate] = value - dbz[ray, high:end].mean() >= fall_db
    return used, peak


@numba.njit(cache=True, nogil=True)
def _tally(
    dbz: NDArray[np.float32],
    used: NDArray[np.bool_],
    melting: NDArray[np.bool_],
    sector: NDArray[np.int64],
    bins: NDArray[np.int64],
    of_gate: tuple[
        NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]
    ],
    sums: NDArray[np.float64],
) -> None:
    weight, of_melting, beam_m, height_m = of_gate
    for ray in range(dbz.shape[0]):
        out = sums[sector[ray]]
        for gate in range(dbz.shape[1]):
            k, w = bins[gate], weight[gate]
            if not used[ray, gate] or not 0 <= k < BINS:
                continue
            out[0, k] += w
            out[2, k] += w * dbz[ray, gate]
            out[5, k] += 1.0
            if melting[ray, gate]:
                w = of_melting[gate]
                out[1, k] += w
                out[3, k] += w * beam_m[gate]
                out[4, k] += w * height_m[gate]
                out[6, k] += 1.0
