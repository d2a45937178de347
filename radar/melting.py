"""Bottom and top of the melting layer from the moments of one volume."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jinghu.radar.melting_profile import AROUND, BINS, MeltingParams, Profile, profiles
from jinghu.radar.volume import Volume

_ONE_SECTOR_M = 150.0  # error of a layer that one sector or none shows
_BEYOND = 3  # bins on either side of the layer that must be clear of it


@dataclass(frozen=True, slots=True)
class MeltingLayer:
    """Where snow melts.

    Parameters
    ----------
    bottom_m, top_m
        Heights above mean sea level.
    error_m
        Standard error of either.
    gates
        Of melting snow that tell it.
    """

    bottom_m: float
    top_m: float
    error_m: float
    gates: int


def melting_layer(volume: Volume, params: MeltingParams) -> MeltingLayer | None:
    """Find the melting layer; None where the volume does not show it.

    At every height the share of echo is counted that is melting snow (`profiles`). The layer ends
    where the share has fallen to half of its largest: stray gates move this less than quantiles of
    the heights of gates, and the beam widens it little. Both ends must be seen, and reflectivity
    must fall from the layer to the snow above it. ZDR is not asked: here it is not calibrated yet,
    and rain has weakened it.

    Parameters
    ----------
    volume
        As decoded.
    params
        Parameters.
    """
    single, dual = profiles(volume, params)
    for of_sectors, find in ((dual, _by_correlation), (single, _by_peaks)):
        layer = find(Profile(*of_sectors.sum(axis=0)), params)
        if layer is not None:
            fewer = replace(
                params,
                least_gates=params.least_gates // len(of_sectors),
                known_gates=params.known_gates // 4,
            )
            alone = [find(Profile(*one), fewer) for one in of_sectors]
            return _with_error(layer, [one for one in alone if one is not None])
    return None


def _by_correlation(profile: Profile, params: MeltingParams) -> MeltingLayer | None:
    """The layer whose share of melting snow is largest, if it is one."""
    known, share = profile.gates >= params.known_gates, profile.share()
    edges = _edges(share, known, params.least_share)
    if edges is None:
        return None
    inside = slice(int(edges[0]), int(np.ceil(edges[1])))
    gates = int(profile.melting_gates[inside].sum())
    above = slice(round(edges[1]), round(edges[1]) + 2 * _BEYOND)
    if gates < params.least_gates or profile.echo[above].sum() <= 0.0:
        return None
    drop_db = profile.dbz[inside].sum() / profile.echo[inside].sum()
    drop_db -= profile.dbz[above].sum() / profile.echo[above].sum()
    beam_m = profile.beam_m[inside].sum() / profile.melting[inside].sum()
    bottom_m = edges[0] * params.bin_m + params.beam_below * beam_m
    top_m = edges[1] * params.bin_m - params.beam_above * beam_m
    thin, thick = params.depth_m
    if drop_db < params.drop_db or not thin <= top_m - bottom_m <= thick:
        return None
    error_m = float(np.hypot(params.error_m, params.beam_below * beam_m))
    return MeltingLayer(float(bottom_m), float(top_m), error_m, gates)


def _by_peaks(profile: Profile, params: MeltingParams) -> MeltingLayer | None:
    """The layer about the height at which most rays peak, if they peak nowhere else."""
    of = params.peaks
    # Gates of 1 km reach each bin at some ranges alone.
    echo, melting, gates = (
        np.convolve(v, np.ones(AROUND), "same")
        for v in (profile.echo, profile.melting, profile.gates)
    )
    known, share = gates >= params.known_gates, melting / np.maximum(echo, 1e-9)
    edges = _edges(share, known, of.least_share)
    if edges is None:
        return None
    inside = slice(int(edges[0]), int(np.ceil(edges[1])))
    found = int(profile.melting_gates[inside].sum())
    outside = np.ones(BINS, bool)
    outside[max(inside.start - _BEYOND, 0) : inside.stop + _BEYOND] = False
    elsewhere = profile.melting[outside].sum() / max(profile.echo[outside].sum(), 1e-9)
    thick = (edges[1] - edges[0]) * params.bin_m > params.depth_m[1]
    if found < params.least_gates or thick or share[inside].max() < of.clear * elsewhere:
        return None
    middle_m = float(profile.height_m[inside].sum() / profile.melting[inside].sum())
    return MeltingLayer(middle_m - of.half_depth_m, middle_m + of.half_depth_m, of.error_m, found)


def _edges(
    share: NDArray[np.float64], known: NDArray[np.bool_], least: float
) -> tuple[float, float] | None:
    """Where the share falls to half of its largest, in bins, both ends being seen; else None.

    Shares that are large up to where nothing is known any more are passed over: ground, insects.
    """
    for peak in np.argsort(-np.where(known, share, 0.0), kind="stable"):
        if share[peak] < least or not known[peak]:
            return None
        low = _end(share, known, int(peak), -1)
        high = _end(share, known, int(peak), 1)
        if low is not None and high is not None:
            return low, high
    return None


def _end(
    share: NDArray[np.float64], known: NDArray[np.bool_], peak: int, step: int
) -> float | None:
    """Where the share falls to half of that of a bin, going down or up; None where it does not."""
    half, k = share[peak] / 2.0, peak
    while 0 <= k < BINS and known[k] and share[k] >= half:
        k += step
    if not 0 <= k < BINS or not known[k]:
        return None
    beyond = slice(k, k + _BEYOND) if step > 0 else slice(max(k - _BEYOND + 1, 0), k + 1)
    if share[beyond][known[beyond]].mean() >= half:
        return None
    part = (share[k - step] - half) / (share[k - step] - share[k])
    return float(k - step + 0.5 + step * part)


def _with_error(layer: MeltingLayer, sectors: Sequence[MeltingLayer]) -> MeltingLayer:
    """The layer with the error that its sectors, each looked at alone, show."""
    if len(sectors) < 2:
        return replace(layer, error_m=float(np.hypot(layer.error_m, _ONE_SECTOR_M)))
    bottoms = np.array([one.bottom_m for one in sectors])
    spread = 1.4826 * float(np.median(np.abs(bottoms - np.median(bottoms))))
    return replace(layer, error_m=float(np.hypot(layer.error_m, spread / np.sqrt(len(sectors)))))
