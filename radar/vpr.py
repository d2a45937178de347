"""Mean vertical profile of reflectivity, from the volume's own sweeps, to bring high beams down."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.radar.geometry import beam_height, ground_distance
from jinghu.radar.polar import PolarSweep

# Gauss-Hermite nodes in half-power widths, and weights, of a Gaussian beam, two ways.
_BEAM_OFFSETS = np.array([-0.858, -0.407, 0.0, 0.407, 0.858])
_BEAM_WEIGHTS = np.array([0.01126, 0.22208, 0.53332, 0.22208, 0.01126])  # sum to 1


@dataclass(frozen=True, slots=True)
class VprParams:
    """Where the profile is taken from, and how far it is trusted.

    Parameters
    ----------
    near_m, far_m
        Ring around the radar in which beams are narrow and sweeps stand at all heights (Germann &
        Joss 2002, J. Appl. Meteor. 41, 542-550).
    bin_m
        Height of a bin of the profile.
    reference_m
        Depth of the layer above the antenna that stands for the ground.
    echo_dbz
        A column counts where the lowest sweep holds at least this.
    min_columns
        Gates of the lowest sweep that must count; fewer tell no profile.
    max_db
        Largest correction.
    bright_db
        By so much the layer must be stronger than the rain below: less is within what a mean
        profile errs by, and lowering it made rain no better.
    snow_db
        Snow above the layer is weaker than the rain below by the first at least, and by the second
        for each kilometre above its top (Fabry & Zawadzki 1995, J. Atmos. Sci. 52, 838-851).
    beam_deg
        Width of the beam.
    layer_m
        Bottom and top of the melting layer above mean sea level, where they were seen: in it alone
        echo stronger than rain is lowered.
    """

    near_m: float = 30_000.0
    far_m: float = 70_000.0
    bin_m: float = 400.0
    reference_m: float = 1_200.0
    echo_dbz: float = 15.0
    min_columns: int = 2_000
    max_db: float = 6.0
    bins: int = 20
    bright_db: float = 2.0
    snow_db: tuple[float, float] = (4.0, 4.5)
    beam_deg: float = 1.0
    layer_m: tuple[float, float] | None = None


def correction_profile(
    sweeps: Sequence[PolarSweep], params: VprParams, antenna_m: float = 0.0
) -> NDArray[np.float64]:
    """Decibels to add to echo by height above the antenna, at the middle of the bins.

    It is the ratio of the mean Z of the reference layer and that of the bin, over the same rainy
    columns. Outside a melting layer that was seen it never falls with height, because echo that
    grows with height is chance or convection; in the layer it falls below 0 where echo is plainly
    stronger than rain is below, because a bright band is not rain. Above the highest bin with
    enough gates it stays constant, but snow above the layer is raised by ``snow_db`` at least.

    Parameters
    ----------
    sweeps
        Cleaned, lowest first.
    params, antenna_m
        Parameters; height of the antenna above mean sea level.

    Returns
    -------
    (bins,) dB, at most ``max_db`` either way; 0 where too little was seen.
    """
    total, count = np.zeros(params.bins), np.zeros(params.bins)
    lowest = sweeps[0]
    rainy_ground = _ground_m(lowest)
    with np.errstate(invalid="ignore"):
        rainy = lowest.dbz >= params.echo_dbz
    ring = (rainy_ground >= params.near_m) & (rainy_ground <= params.far_m)
    if rainy[:, ring].sum() < params.min_columns:
        return _snow_db(params, antenna_m)
    for sweep in sweeps:
        ground = _ground_m(sweep)
        inside = np.flatnonzero((ground >= params.near_m) & (ground <= params.far_m))
        below = np.abs(rainy_ground[None, :] - ground[inside, None]).argmin(axis=1)
        off = (lowest.azimuth_deg[None, :] - sweep.azimuth_deg[:, None] + 180.0) % 360.0 - 180.0
        ray = np.abs(off).argmin(axis=1)
        z = sweep.dbz[:, inside]
        used = rainy[ray[:, None], below] & np.isfinite(z)
        heights = np.array([beam_height(g, sweep.elevation_deg, 0.0) for g in ground[inside]])
        bins = (heights / params.bin_m).astype(np.int64)
        for k in np.unique(bins[bins < params.bins]):
            chosen = used & (bins == k)[None, :]
            total[k] += (10.0 ** (z[chosen] / 10.0)).sum()
            count[k] += chosen.sum()
    return _ratio_db(total, count, params, antenna_m)


def _ratio_db(
    total: NDArray[np.float64], count: NDArray[np.float64], params: VprParams, antenna_m: float
) -> NDArray[np.float64]:
    in_layer = _in_layer(params, antenna_m)
    low = np.arange(params.bins) < max(1, round(params.reference_m / params.bin_m))
    low &= ~in_layer
    known = count >= 0.2 * params.min_columns
    if total[low].sum() <= 0 or not known.any():
        return _snow_db(params, antenna_m)
    reference = total[low].sum() / count[low].sum()
    mean = np.maximum(total, 1e-9) / np.maximum(count, 1)
    found = np.where(known, 10.0 * np.log10(reference / mean), 0.0)
    found[low] = 0.0
    bright = known & in_layer & (found < -params.bright_db)
    rising = np.maximum.accumulate(np.where(bright, 0.0, found))
    rising = np.maximum(rising, _snow_db(params, antenna_m))
    return np.clip(np.where(bright, found, rising), -params.max_db, params.max_db)


def _snow_db(params: VprParams, antenna_m: float) -> NDArray[np.float64]:
    """Least correction of echo above a melting layer that was seen: none elsewhere."""
    if params.layer_m is None:
        return np.zeros(params.bins)
    above = (np.arange(params.bins) + 0.5) * params.bin_m + antenna_m - params.layer_m[1]
    at_top_db, per_km = params.snow_db
    found = np.where(above > 0.0, at_top_db + per_km * above / 1000.0, 0.0)
    return np.minimum(found, params.max_db)


def _in_layer(params: VprParams, antenna_m: float) -> NDArray[np.bool_]:
    """Bins of the melting layer: their middles lie in it."""
    middles = (np.arange(params.bins) + 0.5) * params.bin_m + antenna_m
    if params.layer_m is None:
        return np.zeros(params.bins, bool)
    return (middles > params.layer_m[0]) & (middles < params.layer_m[1])


def brought_down(
    sweep: PolarSweep, profile_db: NDArray[np.float64], params: VprParams
) -> NDArray[np.float32]:
    """Reflectivity of a sweep as it would be at the ground; dry and missing stay what they are.

    A bright band is thin: where the beam is wider than it was in the ring, it sees less of it, and
    some of it from below and above.
    """
    heights = np.array([beam_height(g, sweep.elevation_deg, 0.0) for g in _ground_m(sweep)])
    middles = (np.arange(params.bins) + 0.5) * params.bin_m
    across_m = np.radians(params.beam_deg) * sweep.range_m
    in_ring_m = np.radians(params.beam_deg) * (params.near_m + params.far_m) / 2
    wider_m = np.sqrt(np.maximum(across_m**2 - in_ring_m**2, 0.0))
    brighter = 10.0 ** (-np.minimum(profile_db, 0.0) / 10.0)
    seen = np.interp(heights + _BEAM_OFFSETS[:, None] * wider_m, middles, brighter)
    raised = np.interp(heights, middles, np.maximum(profile_db, 0.0))
    added = (raised - 10.0 * np.log10(_BEAM_WEIGHTS @ seen)).astype(np.float32)
    with np.errstate(invalid="ignore"):
        echo = sweep.dbz > 5.0  # weaker echo is not rain that reaches the ground
    return np.where(echo, sweep.dbz + added[None, :], sweep.dbz).astype(np.float32)


def _ground_m(sweep: PolarSweep) -> NDArray[np.float64]:
    return np.array([ground_distance(r, sweep.elevation_deg) for r in sweep.range_m])
