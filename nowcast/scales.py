"""What the last fields tell of the scales of rain: their size, their memory, their noise."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from jinghu.grid.advection import advect
from jinghu.nowcast import autoregression
from jinghu.nowcast.cascade import (
    bandpass,
    level_count,
    level_covariances,
    pack,
    wavelengths,
)
from jinghu.nowcast.member_noise import NoiseModel, noise_model
from jinghu.nowcast.noise import noise_filter
from jinghu.nowcast.raining import distribution

_DRY_BELOW_DB = 5.0  # a dry cell lies so far below the smallest rain, as in pysteps
_ORDER = 2


@dataclass(frozen=True, slots=True)
class ScaleParams:
    """Parameters of the model of a sequence.

    Parameters
    ----------
    levels
        Levels of the cascade, fewer where the grid is small.
    wet_mm_h
        Smallest rate that counts as rain.
    cell_km, step_min
        Size of a cell, and time between fields.
    exponent
        The cascade is made of the rate to this power, and at 0 of its logarithm, as in pysteps.
        To a logarithm a tenfold of drizzle is as much as a tenfold of a downpour, and the edge of
        the rain more than either; what heavy rain does is followed better by a power
        (docs/skill.md).
    """

    levels: int = 8
    wet_mm_h: float = 0.1
    cell_km: float = 1.0
    step_min: float = 5.0
    exponent: float = 0.6


@dataclass(frozen=True, slots=True)
class Scales:
    """Model of a rain sequence: cascade, autoregression, noise, distribution.

    Parameters
    ----------
    shape
        (y, x) of the transforms, at least that of the fields.
    model
        Noise and autoregression of the levels.
    gamma
        (levels, 2) correlations at one and two steps.
    spectra
        (2, y, x // 2 + 1) of the last field and of the one before, transformed.
    weights
        (levels, y, x // 2 + 1).
    means
        Mean of the last field and of the one before, transformed.
    ratios
        (levels,) deviation of the last field over that of the one before.
    target
        Wet rates of the last field in mm/h, the largest first.
    """

    shape: tuple[int, int]
    model: NoiseModel
    gamma: NDArray[np.float64]
    spectra: NDArray[np.complex64]
    weights: NDArray[np.float32]
    ratios: NDArray[np.float64]
    target: NDArray[np.float32]

    def observed(self, lead: int) -> tuple[NDArray[np.float32], float]:
        """What is left of the observations at a lead.

        Returns
        -------
        (2, n) parts of the spectrum in ascending order, and its value at the mean, which lasts.
        """
        of_last, of_before = autoregression.responses(self.model.phi.astype(np.float64), lead)[-1]
        gains = np.stack([of_last, of_before * self.ratios]).astype(np.float32)
        flat = self.weights.reshape(len(self.weights), -1)
        parts = _left(gains, flat, self.spectra.reshape(2, -1), self.model.packed.order)
        return parts, float(self.spectra[0, 0, 0].real)


@numba.njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _left(
    gains: NDArray[np.float32],
    weights: NDArray[np.float32],
    spectra: NDArray[np.complex64],
    order: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Parts (2, n) in this order of two spectra, the levels of each times its gains (2, levels)."""
    factors = np.zeros(spectra.shape, np.float32)
    for of in range(2):
        row = factors[of]
        for k in range(len(weights)):
            gain, level = gains[of, k], weights[k]
            for i in range(len(row)):
                row[i] += gain * level[i]
    out = np.empty((2, len(order)), np.float32)
    for i in range(len(order)):
        at = np.uint32(order[i])
        left = factors[0, at] * spectra[0, at] + factors[1, at] * spectra[1, at]
        out[0, i], out[1, i] = left.real, left.imag
    return out


def to_db(
    rate_mm_h: NDArray[np.float32], wet_mm_h: float, dry_below_db: float = _DRY_BELOW_DB
) -> NDArray[np.float32]:
    """Rain in dB of 1 mm/h; dry and missing cells lie below the smallest rain."""
    dry = 10.0 * np.log10(wet_mm_h) - dry_below_db
    wet = np.nan_to_num(rate_mm_h) >= wet_mm_h
    db = 10.0 * np.log10(np.where(wet, rate_mm_h, 1.0))
    return np.where(wet, db, dry).astype(np.float32)


def transformed(
    rate_mm_h: NDArray[np.float32], wet_mm_h: float, exponent: float
) -> tuple[NDArray[np.float32], float]:
    """Rain as the cascade sees it, and the value of dry and missing cells, which is the lowest."""
    if exponent == 0:
        return to_db(rate_mm_h, wet_mm_h), 10.0 * np.log10(wet_mm_h) - _DRY_BELOW_DB
    known = np.nan_to_num(rate_mm_h)
    wet = np.where(known >= wet_mm_h, known, 0)
    # Tens, so that the fields are about as large as in dB.
    return (10.0 * wet**exponent).astype(np.float32), 0.0


def lagrangian(
    frames: NDArray[np.float32], motion: NDArray[np.float32], params: ScaleParams
) -> NDArray[np.float32]:
    """Last fields (up to three), transformed and moved along the motion to the time of the last.

    Cells that are missing in an older field, or that came from beyond the edge, are dry in it.
    """
    used = frames[-(_ORDER + 1) :]
    out, dry = transformed(used, params.wet_mm_h, params.exponent)
    for k in range(len(used) - 1):
        out[k] = advect(out[k], motion, [len(used) - 1 - k], outside=dry)[0]
    return out


def scales_of(
    frames: NDArray[np.float32], motion: NDArray[np.float32], params: ScaleParams
) -> Scales:
    """Estimate the model of a sequence.

    Parameters
    ----------
    frames
        (time, y, x) mm/h, the newest last; NaN = missing.
    motion
        (2, y, x) cells per step.
    params
        Parameters.
    """
    fields = lagrangian(frames, motion, params)
    shape = _transform_shape(fields.shape[1:])
    levels = level_count(shape, params.levels)
    weights = bandpass(shape, levels)
    dry = float(fields.min())
    spectra = np.asarray(fft.rfft2(fields - dry, shape)).astype(np.complex64)[::-1]
    covariances = [level_covariances(spectra[0], s, weights, shape) for s in spectra]
    variances = [level_covariances(s, s, weights, shape) for s in spectra]
    gamma = _correlations(
        covariances, variances, wavelengths(shape, levels, params.cell_km), params.step_min
    )
    phi = autoregression.yule_walker(gamma)
    deviation = np.sqrt(variances[0])
    before = spectra[1] if len(spectra) > 1 else np.zeros_like(spectra[0])
    of_before = np.sqrt(variances[1]) if len(spectra) > 1 else np.zeros(levels)
    ratios = np.divide(deviation, of_before, out=np.zeros(levels), where=of_before > 1e-6)
    packed = pack(weights, shape)
    noise = noise_filter(fields, shape)
    return Scales(
        shape,
        noise_model(packed, noise, phi, deviation, shape[0] * shape[1]),
        gamma,
        np.stack([spectra[0], before]),
        weights,
        ratios,
        distribution(frames[-1], params.wet_mm_h),
    )


def _transform_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Next sizes that transform fast, so that a prime one does not slow a cycle down."""
    ny, nx = (int(fft.next_fast_len(n, real=True)) for n in shape)
    return ny, nx


def _correlations(
    covariances: list[NDArray[np.float64]],
    variances: list[NDArray[np.float64]],
    scales_km: NDArray[np.float64],
    step_min: float,
) -> NDArray[np.float64]:
    """Correlations at one and two steps, from as many fields as there are."""
    gamma = autoregression.scale_correlations(scales_km, step_min)
    for k in range(1, len(covariances)):
        spread = np.sqrt(variances[0] * variances[k])
        found = np.divide(covariances[k], spread, out=np.zeros_like(spread), where=spread > 1e-9)
        gamma[:, k - 1] = found
    if len(covariances) == 2:
        gamma[:, 1] = gamma[:, 0] ** 2
    return autoregression.stationary(gamma)
