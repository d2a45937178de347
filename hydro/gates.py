"""Discharge of weirs, gates, sluices and dam crests, and rating tables made of them.

Free and drowned flow are one formula: over a broad crest with the head H upstream and h downstream
(both above the crest) Q = phi B d sqrt(2 g (H - d)), d = max(h, 2 H / 3). At d = 2 H / 3 it is the
free weir Q = m B sqrt(2 g) H^1.5 with m = 0.3849 phi (critical depth; Chow 1959, section 3-7), so
that nothing jumps where the crest drowns. Under a gate open by e the jet is c e deep (c = 0.61,
Henderson 1966, section 6-6): Q = c e B sqrt(2 g (H - max(h, c e))), and never more than the weir.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numba
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

GRAVITY = 9.80665  # m s-2
_TWO_G = 2.0 * GRAVITY
CONTRACTION = 0.61
FREE_DEPTH = 2.0 / 3.0  # critical depth over the head

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


@numba.njit(cache=True, error_model="numpy")
def weir_flow(head_m: float, tail_m: float, width_m: float, phi: float) -> float:
    """Discharge in m3/s over a broad crest, free or drowned; heads above the crest.

    >>> round(weir_flow(1.0, 0.0, 1.0, 1.0), 4)
    1.7046
    """
    if head_m <= 0.0 or tail_m >= head_m:
        return 0.0
    depth = max(tail_m, FREE_DEPTH * head_m)
    return float(phi * width_m * depth * np.sqrt(_TWO_G * (head_m - depth)))


@numba.njit(cache=True, error_model="numpy")
def gate_flow(head_m: float, tail_m: float, width_m: float, opening_m: float, phi: float) -> float:
    """Discharge in m3/s under a vertical gate, free or drowned; heads above the sill."""
    over = weir_flow(head_m, tail_m, width_m, phi)
    jet = CONTRACTION * opening_m
    if jet >= max(tail_m, FREE_DEPTH * head_m):  # the lip hangs above the water
        return over
    under = max(tail_m, jet)
    if head_m <= under:
        return 0.0
    return min(over, float(jet * width_m * np.sqrt(_TWO_G * (head_m - under))))


@numba.njit(cache=True, error_model="numpy")
def sluice_flow(head_m: float, area_m2: float, coefficient: float) -> float:
    """Discharge in m3/s of a full conduit; head above its axis (or above the tail water)."""
    return float(coefficient * area_m2 * np.sqrt(_TWO_G * max(head_m, 0.0)))


class _Structure(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Weir(_Structure):
    """A fixed crest: nobody controls what flows over it. A dam's crest is one."""

    kind: Literal["weir"]
    crest_m: Finite
    width_m: Positive
    phi: Positive = 0.95
    controlled: Literal[False] = False

    def rating(self, level_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Discharge in m3/s at levels, nothing below drowning it."""
        heads = level_m - self.crest_m
        return np.array([weir_flow(h, -1.0, self.width_m, self.phi) for h in heads])


class GatedSpillway(_Structure):
    """Gates over a sill, as much as they pass when all are raised by ``opening_m``."""

    kind: Literal["gates"]
    sill_m: Finite
    number: int = Field(ge=1)
    width_m: Positive
    opening_m: Positive
    phi: Positive = 0.95
    controlled: Literal[True] = True

    def rating(self, level_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Discharge in m3/s at levels with all gates raised."""
        heads, width = level_m - self.sill_m, self.number * self.width_m
        return np.array([gate_flow(h, -1.0, width, self.opening_m, self.phi) for h in heads])


class Sluice(_Structure):
    """A bottom outlet or power conduit."""

    kind: Literal["sluice"]
    axis_m: Finite
    area_m2: Positive
    coefficient: Positive = 0.7
    max_m3_s: Positive | None = None
    controlled: Literal[True] = True

    def rating(self, level_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Discharge in m3/s at levels, wide open."""
        heads = level_m - self.axis_m
        flow = np.array([sluice_flow(h, self.area_m2, self.coefficient) for h in heads])
        return flow if self.max_m3_s is None else np.minimum(flow, self.max_m3_s)


class RatingTable(_Structure):
    """A surveyed rating: what passes at levels; between them linear."""

    kind: Literal["rating"]
    level_m: tuple[Finite, ...] = Field(min_length=2)
    discharge_m3_s: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...]
    controlled: bool

    def rating(self, level_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Discharge in m3/s at levels; above the table it goes on as its last two rows do."""
        known, flow = np.array(self.level_m), np.array(self.discharge_m3_s)
        slope = (flow[-1] - flow[-2]) / (known[-1] - known[-2])
        beyond = np.maximum(level_m - known[-1], 0.0) * slope
        return np.asarray(np.interp(level_m, known, flow) + beyond)


Structure = Annotated[Weir | GatedSpillway | Sluice | RatingTable, Field(discriminator="kind")]


def combined_rating(
    structures: Sequence[Weir | GatedSpillway | Sluice | RatingTable],
    level_m: NDArray[np.float64],
    *,
    controlled: bool,
) -> NDArray[np.float64]:
    """Sum of the ratings of the controlled, or of the other structures, in m3/s.

    It never falls with the level: where a gate's lip touches the water the formula dips, and the
    operator would not lower the flow by raising the pool.
    """
    total = np.zeros(len(level_m))
    for one in structures:
        if one.controlled == controlled:
            total += one.rating(level_m)
    return np.asarray(np.maximum.accumulate(total))
