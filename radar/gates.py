"""Gates of a sweep on common ranges: values and states, looked up by code, all or some of them."""

from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.volume import Code, Moment

DATA, BELOW_THRESHOLD, RANGE_FOLDED, NOT_SCANNED = range(4)  # states


@dataclass(frozen=True, slots=True)
class GateTable:
    """A field of a moment on (ray, gate), which is computed where it is read.

    Parameters
    ----------
    codes
        (ray, gate) as in the file.
    ray, gate
        Which ray and gate of ``codes`` each of the field is; gate -1 is beyond them.
    meaning
        (code,) value of every code.
    beyond
        Value where there is no gate.
    """

    codes: NDArray[np.uint8] | NDArray[np.uint16]
    ray: NDArray[np.int64]
    gate: NDArray[np.int64]
    meaning: NDArray[Any]
    beyond: Any

    def load(self, rays: NDArray[np.int64], gates: NDArray[np.int64]) -> NDArray[Any]:
        """Return the field at these rays and gates: (ray, gate)."""
        out = np.empty((len(rays), len(gates)), self.meaning.dtype)
        _look_up(self.codes, self.ray[rays], self.gate[gates], self.meaning, self.beyond, out)
        return out

    def all(self) -> NDArray[Any]:
        """Return the whole field."""
        return self.load(np.arange(len(self.ray)), np.arange(len(self.gate)))


def value_table(moment: Moment, rays: NDArray[np.int64], range_m: NDArray[np.float64]) -> GateTable:
    """Values of a moment, float32, NaN where a code is not data.

    Parameters
    ----------
    moment
        With ``codes`` of (ray, gate).
    rays
        Order in which its rays are wanted.
    range_m
        Centres of the wanted gates in m; each takes the gate of the moment that it lies in.
    """
    values = replace(moment, codes=_every_code(moment)).values()[0]
    return GateTable(moment.codes, rays, _gate_at(moment, range_m), values, np.float32(np.nan))


def state_table(moment: Moment, rays: NDArray[np.int64], range_m: NDArray[np.float64]) -> GateTable:
    """States of a moment: 0 data, 1 below threshold (dry), 2 range folded, 3 not scanned.

    Parameters: as `value_table`.
    """
    state = np.full(_every_code(moment).size, NOT_SCANNED, np.uint8)
    state[Code.BELOW_THRESHOLD], state[Code.RANGE_FOLDED] = BELOW_THRESHOLD, RANGE_FOLDED
    state[moment.first_valid :] = DATA
    gate = _gate_at(moment, range_m)
    return GateTable(moment.codes, rays, gate, state, np.uint8(NOT_SCANNED))


def _every_code(moment: Moment) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """All codes that its type can hold, as one ray."""
    if moment.codes.dtype == np.uint8:
        return np.arange(2**8, dtype=np.uint8)[None]
    return np.arange(2**16, dtype=np.uint16)[None]


def _gate_at(moment: Moment, range_m: NDArray[np.float64]) -> NDArray[np.int64]:
    edge = moment.first_gate_m - moment.gate_m / 2
    gate = np.floor((range_m - edge) / moment.gate_m + 1e-9).astype(np.int64)
    return np.where((gate >= 0) & (gate < moment.codes.shape[1]), gate, -1)


@numba.njit(cache=True, nogil=True)
def _look_up(
    codes: NDArray[np.uint8] | NDArray[np.uint16],
    ray: NDArray[np.int64],
    gate: NDArray[np.int64],
    meaning: NDArray[Any],
    beyond: Any,
    out: NDArray[Any],
) -> None:
    for i in range(len(ray)):
        for j in range(len(gate)):
            out[i, j] = meaning[codes[ray[i], gate[j]]] if gate[j] >= 0 else beyond
