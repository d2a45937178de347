"""Noise of one member: an autoregressive process for each level, kept in the spectrum.

A member of STEPS (Bowler et al. 2006, Q. J. R. Meteorol. Soc. 132, 2127-2155) is linear in what
was observed and in the noise. What comes of the observation is the same for all members, so only
the noise has a state of its own; the levels overlap little, so that one backward transform a
step does for all of them.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.nowcast.cascade import Packed


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """What the noise of all members has in common.

    Parameters
    ----------
    packed
        Order of the wavenumbers.
    amplitude
        Weight of the level times noise filter, for all runs of ``packed``.
    energy
        (n_runs,) amplitude squared times multiplicity: variance of a level by wavenumber.
    phi
        (levels, 3) coefficients of the autoregressive models.
    deviation
        (levels,) standard deviation of the levels, in the unit of the transformed rate.
    """

    packed: Packed
    amplitude: NDArray[np.float32]
    energy: NDArray[np.float32]
    phi: NDArray[np.float32]
    deviation: NDArray[np.float32]


@dataclass(slots=True)
class NoiseState:
    """State of one member: real and imaginary parts (2, n_runs) now and one step before.

    The levels are in units of their amplitude, by which they are multiplied when they are added.
    """

    now: NDArray[np.float32]
    before: NDArray[np.float32]


def noise_model(
    packed: Packed,
    noise: NDArray[np.float32],
    phi: NDArray[np.float64],
    deviation: NDArray[np.float64],
    cells: int,
) -> NoiseModel:
    """Put the filter of the noise and the models of the levels in the order of the runs.

    Parameters
    ----------
    noise
        (y, x // 2 + 1) amplitude of the noise.
    phi, deviation
        (levels, 3) and (levels,).
    cells
        Number of cells of the transform, by whose square root white noise is larger there.
    """
    sorted_noise = noise.ravel()[packed.order] * np.float32(np.sqrt(cells))
    places = np.concatenate([
        np.arange(a, a + n)
        for a, n in zip(packed.starts, np.diff(packed.offsets), strict=True)
    ])  # fmt: skip
    largest = max(float(sorted_noise.max(initial=0.0)), 1e-30)
    amplitude = packed.weights * (sorted_noise / np.float32(largest))[places]
    energy = amplitude**2 * packed.multiplicity[places] / np.float32(cells) ** 2
    return NoiseModel(
        packed, amplitude, energy, phi.astype(np.float32), deviation.astype(np.float32)
    )


def still(model: NoiseModel) -> NoiseState:
    """State before the first step: no noise."""
    size = len(model.amplitude)
    return NoiseState(np.zeros((2, size), np.float32), np.zeros((2, size), np.float32))


def step(
    model: NoiseModel,
    state: NoiseState,
    observed: NDArray[np.float32],
    white: NDArray[np.float32],
    spectrum: NDArray[np.float32],
    sums: NDArray[np.float32],
) -> None:
    """Advance a member's noise by a step and give the spectrum of its field.

    Parameters
    ----------
    model, state
        The state is advanced in place.
    observed
        (2, n) parts of what is left of the observation at this lead, in ascending order.
    white
        (2, n) parts of white noise (``noise.draw``).
    spectrum
        (y, x // 2 + 1, 2) parts of the half spectrum; all but the mean is written.
    sums
        (2, n) workspace.
    """
    packed = model.packed
    gains = _gains(model, white)
    _advance(
        model.amplitude,
        model.phi,
        gains,
        packed.starts,
        packed.offsets,
        white,
        state.now,
        state.before,
        observed,
        sums,
    )
    _spread(packed.places, sums, spectrum.reshape(-1, 2))
    state.now, state.before = state.before, state.now


def _gains(model: NoiseModel, white: NDArray[np.float32]) -> NDArray[np.float32]:
    """Factors of the noise by level, so that each draw has the variance of its level."""
    packed = model.packed
    variance = _variances(model.energy, packed.starts, packed.offsets, white)
    scale = model.phi[:, 2] * model.deviation
    spread = np.sqrt(np.maximum(variance, np.float32(1e-30)))
    return np.where(variance > 1e-20, scale / spread, np.float32(0)).astype(np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _variances(
    energy: NDArray[np.float32],
    starts: NDArray[np.int64],
    offsets: NDArray[np.int64],
    white: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Variance of each level of the noise that was drawn."""
    out = np.empty(len(starts), np.float32)
    for k in range(len(starts)):
        run = energy[offsets[k] : offsets[k + 1]]
        re = white[0, starts[k] : starts[k] + len(run)]
        im = white[1, starts[k] : starts[k] + len(run)]
        total = np.float32(0)
        for i in range(len(run)):
            total += run[i] * (re[i] * re[i] + im[i] * im[i])
        out[k] = total
    return out


_CHUNK = 2048  # wavenumbers at once, so that their sums stay in the nearest cache


@numba.njit(cache=True, nogil=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def _advance(
    amplitude: NDArray[np.float32],
    phi: NDArray[np.float32],
    gains: NDArray[np.float32],
    starts: NDArray[np.int64],
    offsets: NDArray[np.int64],
    white: NDArray[np.float32],
    now: NDArray[np.float32],
    before: NDArray[np.float32],
    observed: NDArray[np.float32],
    sums: NDArray[np.float32],
) -> None:
    """Autoregressive step of all levels; the new state replaces that of one step before."""
    n = white.shape[1]
    for first in range(0, n, _CHUNK):
        last = min(first + _CHUNK, n)
        sums[:, first:last] = observed[:, first:last]
        for k in range(len(starts)):
            a = max(first, starts[k])
            b = min(last, starts[k] + offsets[k + 1] - offsets[k])
            if b <= a:
                continue
            at = offsets[k] + a - starts[k]
            run = slice(at, at + b - a)
            for part in range(2):
                _advance_run(
                    amplitude[run],
                    phi[k, 0],
                    phi[k, 1],
                    gains[k],
                    white[part, a:b],
                    now[part, run],
                    before[part, run],
                    sums[part, a:b],
                )


@numba.njit(fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def _advance_run(
    amplitude: NDArray[np.float32],
    phi_1: np.float32,
    phi_2: np.float32,
    gain: np.float32,
    white: NDArray[np.float32],
    now: NDArray[np.float32],
    before: NDArray[np.float32],
    total: NDArray[np.float32],
) -> None:
    for i in range(len(amplitude)):
        value = phi_1 * now[i] + phi_2 * before[i] + gain * white[i]
        before[i] = value
        total[i] += amplitude[i] * value


@numba.njit(cache=True, nogil=True)
def _spread(
    places: NDArray[np.int32], sums: NDArray[np.float32], spectrum: NDArray[np.float32]
) -> None:
    """Bring parts from ascending order to where they belong in the half spectrum."""
    re, im = sums[0], sums[1]
    for i in range(1, len(places)):
        k = np.uint32(places[i])  # without a sign that would have to be looked at
        spectrum[i, 0] = re[k]
        spectrum[i, 1] = im[k]
