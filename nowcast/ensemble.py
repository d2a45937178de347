"""Ensemble of rain, in the manner of STEPS, on arrays: members of one lead time after another.

Bowler et al. 2006, Q. J. R. Meteorol. Soc. 132, 2127-2155; Seed et al. 2013, Water Resour. Res.
49, 6624-6641; the settings are those of ``pysteps.nowcasts.steps`` (Pulkkinen et al. 2019).
Every number depends on seed, member and lead alone, so that the result is the same, bit by bit,
for any number of workers.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from jinghu.grid.accumulation import block_means
from jinghu.grid.errors import ConfigError
from jinghu.nowcast.member_noise import NoiseState, step, still
from jinghu.nowcast.noise import draw
from jinghu.nowcast.raining import BINS, distances, rain_by_rank
from jinghu.nowcast.scales import ScaleParams, Scales, scales_of
from jinghu.nowcast.trajectories import (
    MotionError,
    directions,
    error_factors,
    follow,
    nodes_of,
    sample,
    smoothed,
)

_RIM_CELLS = 10  # over which rain may fade beyond where it was


@dataclass(frozen=True, slots=True)
class EnsembleParams:
    """Parameters of an ensemble.

    Parameters
    ----------
    members, leads
        Numbers of members and of lead times.
    levels
        Levels of the cascade, fewer where the grid is small.
    cell_km, step_min
        Size of a cell, and time between fields and between lead times.
    wet_mm_h
        Smallest rate that counts as rain.
    node_cells
        Trajectories are followed on every so many cells; 1 is exact.
    exponent
        The cascade is made of the rate to this power (``scales.ScaleParams``).
    motion_error
        Errors of the motion; None leaves the motion as it is.
    motion_km_h
        The motion is averaged over a width that grows so with lead time: its details live shorter
        than the flow, and some are rain that grows or decays in place.
    block_cells
        What is yielded are means over blocks of so many cells a side; 1 leaves the rates as they
        are.
    """

    members: int = 24
    leads: int = 30
    levels: int = 8
    cell_km: float = 1.0
    step_min: float = 5.0
    wet_mm_h: float = 0.1
    node_cells: int = 4
    exponent: float = 0.6
    motion_error: MotionError | None = field(default_factory=MotionError)
    motion_km_h: float = 80.0
    block_cells: int = 1

    def of_scales(self) -> ScaleParams:
        """Those of the model of the sequence."""
        return ScaleParams(self.levels, self.wet_mm_h, self.cell_km, self.step_min, self.exponent)


def ensemble(
    frames: NDArray[np.float32],
    motion: NDArray[np.float32],
    params: EnsembleParams,
    seed: int,
    workers: int = 1,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Make an ensemble, one lead time after another.

    Parameters
    ----------
    frames
        (time, y, x) rain rates in mm/h a step apart, the newest last; NaN = missing. Three are
        used; with fewer the decay of scales follows from what is there or from their size.
    motion
        (2, y, x) cells per step, [0] along x, [1] along y.
    params
        Parameters.
    seed
        Seed of the random numbers, 0 to 2^63 - 1.
    workers
        Threads that share the members.

    Yields
    ------
    Lead (from 1) and (members, y, x) rates in mm/h, or their means over blocks, NaN where missing
    or from beyond the edge.

    Raises
    ------
    ConfigError
        Where shapes, motion or parameters are of no use.
    """
    _check(frames, motion, params, seed, workers)
    if params.block_cells < 1 or any(n % params.block_cells for n in frames.shape[1:]):
        raise ConfigError(f"blocks of {params.block_cells} cells do not cover {frames.shape[1:]}")
    scales = scales_of(frames, motion, params.of_scales())
    yield from _members(scales, frames[-1], motion, params, seed, workers)


def sprog(
    frames: NDArray[np.float32], motion: NDArray[np.float32], params: EnsembleParams
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Make the deterministic forecast that drops scales as they lose their memory.

    Seed 2003, J. Appl. Meteorol. 42, 381-388. What is left is given the distribution of the last
    field. Parameters, errors and what is yielded are those of ``ensemble``, with one field
    (y, x) a lead.
    """
    _check(frames, motion, params, 0, 1)
    scales = scales_of(frames, motion, params.of_scales())
    nodes = nodes_of(motion, params.node_cells)
    shape = frames.shape[1:]
    anywhere, missing = np.zeros(shape, np.uint8), np.isnan(frames[-1])
    displacement, work = np.zeros_like(nodes), np.empty_like(nodes)
    for lead in range(1, params.leads + 1):
        parts, mean = scales.observed(lead)
        spectrum = np.zeros(scales.shape[0] * (scales.shape[1] // 2 + 1), np.complex64)
        spectrum[scales.model.packed.order] = parts[0] + 1j * parts[1]
        spectrum[0] = mean
        left = fft.irfft2(spectrum.reshape(scales.shape[0], -1), scales.shape)
        rain = np.ascontiguousarray(left[: shape[0], : shape[1]])
        histogram = np.empty(BINS, np.int32), np.empty(BINS + 1, np.float32)
        rain_by_rank(rain, anywhere, 1, _RIM_CELLS, scales.target, histogram)
        rain[missing] = np.nan
        flow = _flow(nodes, params, lead)
        follow(flow, flow, 0.0, 0.0, params.node_cells, displacement, work)
        rates = np.empty(shape, np.float32)
        sample(rain, displacement, params.node_cells, np.nan, bool(missing.any()), rates)
        yield lead, rates


def _check(
    frames: NDArray[np.float32],
    motion: NDArray[np.float32],
    params: EnsembleParams,
    seed: int,
    workers: int,
) -> None:
    if frames.ndim != 3 or len(frames) == 0:
        raise ConfigError(f"an ensemble needs fields (time, y, x), not {frames.shape}")
    if min(frames.shape[1:]) < 8:
        raise ConfigError(f"an ensemble needs 8 x 8 cells at least, not {frames.shape[1:]}")
    if motion.shape != (2, *frames.shape[1:]):
        raise ConfigError(f"motion of shape {motion.shape} does not fit fields of {frames.shape}")
    if not np.isfinite(motion).all():
        raise ConfigError("the motion has missing values; fill them before making an ensemble")
    if params.members < 1 or params.leads < 1 or workers < 1:
        raise ConfigError("an ensemble needs at least one member, one lead time and one worker")
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed {seed} is not within 0 to 2^63 - 1")


@dataclass(slots=True)
class _Member:
    """State of one member."""

    number: int
    noise: NoiseState
    distance: NDArray[np.uint8]  # from its rain of the step before, before it moved
    displacement: NDArray[np.float32]
    errors: tuple[float, float]


class _Desk:
    """Workspace of one worker."""

    def __init__(self, scales: Scales, nodes: tuple[int, int], shape: tuple[int, int]) -> None:
        ny, nx = scales.shape
        self.white = np.empty((2, len(scales.model.packed.order)), np.float32)
        self.sums = np.empty_like(self.white)
        self.spectrum = np.zeros((ny, nx // 2 + 1), np.complex64)
        self.field = np.empty((ny, nx), np.float32)
        self.motion = np.empty((2, *nodes), np.float32)
        self.moved = np.empty(shape, np.float32)
        self.histogram = np.empty(BINS, np.int32), np.empty(BINS + 1, np.float32)


@dataclass(frozen=True, slots=True)
class _Lead:
    """What all members have in common at a lead."""

    number: int
    observed: NDArray[np.float32]
    mean: float
    motion: NDArray[np.float32]
    along: NDArray[np.float32]
    deviations: tuple[float, float]  # of the motion, in cells per step


def _members(
    scales: Scales,
    last: NDArray[np.float32],
    motion: NDArray[np.float32],
    params: EnsembleParams,
    seed: int,
    workers: int,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    nodes = nodes_of(motion, params.node_cells)
    missing = np.isnan(last)
    holes = bool(missing.any())
    first = np.empty(last.shape, np.uint8)
    distances(np.nan_to_num(last), params.wet_mm_h, first)
    states = [
        _Member(m, still(scales.model), first.copy(), np.zeros_like(nodes), error_factors(seed, m))
        for m in range(params.members)
    ]
    workers = min(workers, params.members)
    desks = [_Desk(scales, nodes.shape[1:], last.shape) for _ in range(workers)]
    blocks = tuple(n // params.block_cells for n in last.shape)
    with ThreadPoolExecutor(workers) as pool:
        for number in range(1, params.leads + 1):
            flow = _flow(nodes, params, number)
            along, deviations = directions(flow), _deviations(params, number)
            lead = _Lead(number, *scales.observed(number), flow, along, deviations)
            rates = np.empty((params.members, *blocks), np.float32)

            def work(w: int, lead: _Lead = lead, rates: NDArray[np.float32] = rates) -> None:
                for member in states[w::workers]:
                    field_now = _rain(scales, member, lead, params, seed, desks[w])
                    if holes:
                        field_now[missing] = np.nan
                    _move(member, lead, params, field_now, desks[w], holes, rates[member.number])

            list(pool.map(work, range(workers)))
            yield number, rates


def _flow(nodes: NDArray[np.float32], params: EnsembleParams, lead: int) -> NDArray[np.float32]:
    """Motion at the nodes as it is smoothed at a lead."""
    width_km = params.motion_km_h * lead * params.step_min / 60.0
    return smoothed(nodes, width_km / (params.cell_km * params.node_cells))


def _deviations(params: EnsembleParams, lead: int) -> tuple[float, float]:
    """Standard deviations of the motion, in cells per step."""
    if params.motion_error is None:
        return 0.0, 0.0
    per_km_h = params.step_min / 60.0 / params.cell_km
    along, across = params.motion_error.at(lead * params.step_min)
    return along * per_km_h, across * per_km_h


def _rain(
    scales: Scales,
    member: _Member,
    lead: _Lead,
    params: EnsembleParams,
    seed: int,
    desk: _Desk,
) -> NDArray[np.float32]:
    """Rain of a member at a lead in mm/h, where it would be had it not moved."""
    packed = scales.model.packed
    draw(seed, member.number, lead.number, packed.mirrored, packed.real, *desk.white)
    parts = desk.spectrum.view(np.float32).reshape(*desk.spectrum.shape, 2)
    step(scales.model, member.noise, lead.observed, desk.white, parts, desk.sums)
    desk.spectrum[0, 0] = lead.mean
    rows = fft.ifft(desk.spectrum, axis=0, overwrite_x=True)
    # numpy transforms in single precision; what it is typed to give is double.
    np.fft.irfft(rows, scales.shape[1], axis=1, out=cast("NDArray[np.float64]", desk.field))
    ny, nx = member.distance.shape
    rain = desk.field if desk.field.shape == (ny, nx) else desk.field[:ny, :nx].copy()
    inner = max(1, int((params.step_min / params.cell_km - 1) / 2))
    rain_by_rank(rain, member.distance, inner, _RIM_CELLS, scales.target, desk.histogram)
    distances(rain, params.wet_mm_h, member.distance)
    return rain


def _move(
    member: _Member,
    lead: _Lead,
    params: EnsembleParams,
    rain: NDArray[np.float32],
    desk: _Desk,
    holes: bool,
    out: NDArray[np.float32],
) -> None:
    """Follow the member's motion for another step, and bring its rain to where it is by now."""
    along, across = (f * d for f, d in zip(member.errors, lead.deviations, strict=True))
    spacing = params.node_cells
    follow(lead.motion, lead.along, along, across, spacing, member.displacement, desk.motion)
    moved = out if params.block_cells == 1 else desk.moved
    sample(rain, member.displacement, spacing, np.nan, holes, moved)
    if params.block_cells > 1:
        block_means(moved, params.block_cells, out)
