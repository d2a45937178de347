"""First arrival: when rain reaches a threshold, of a forecast or of the members of an ensemble."""

from enum import IntEnum

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError

_MIN_MEMBERS = 0.5  # share of the members that must tell of a cell


class Arrival(IntEnum):
    """What is known of the first arrival at a cell."""

    NOT_REACHED = 0  # known at all leads, and below the threshold
    REACHED = 1
    MISSING = 2  # not reached as far as is known, and not known at all leads


def first_arrival(field: xr.DataArray, threshold: float) -> xr.Dataset:
    """Find the first lead at which a threshold is reached, at every cell.

    Parameters
    ----------
    field
        ``([member,] lead_time, y, x)``: rates, or amounts of windows that end at the leads; NaN =
        missing. Of a field that is missing at some leads the first known arrival counts.
    threshold
        In the units of the field.

    Returns
    -------
    ``arrival_lead(y, x)``: lead of the first arrival, of members the median, i.e. the first lead
    by which half of them have reached the threshold; not-a-time elsewhere. ``arrival_state``:
    why there is none (`Arrival`). ``probability_of_arrival(lead_time, y, x)``: share of the
    members that reached it by then, of those that can tell; NaN where less than half can.

    Raises
    ------
    ConfigError
        Where dimensions differ, or the threshold is not above zero.
    """
    dims = ("member", "lead_time", "y", "x")
    if field.dims not in (dims, dims[1:]):
        raise ConfigError(f"first arrival: dimensions {field.dims}, wanted {dims} or {dims[1:]}")
    if not (np.isfinite(threshold) and threshold > 0):
        raise ConfigError(f"first arrival: the threshold is {threshold:g}, wanted one above zero")
    values = field.values if field.ndim == 4 else field.values[None]
    share = reached_by(values.astype(np.float32, copy=False), threshold)
    half = np.nan_to_num(share) >= 0.5
    reached = half.any(axis=0)
    lead = field["lead_time"].values[half.argmax(axis=0)]
    state = np.where(np.isnan(share[-1]), Arrival.MISSING, Arrival.NOT_REACHED)
    state = np.where(reached, Arrival.REACHED, state).astype(np.uint8)
    units = str(field.attrs.get("units", "1"))
    told = {"threshold": float(threshold), "threshold_units": units}
    plane, cube = ("y", "x"), ("lead_time", "y", "x")
    flags = {
        "flag_values": np.array([int(a) for a in Arrival], np.uint8),
        "flag_meanings": " ".join(a.name.lower() for a in Arrival),
    }
    return xr.Dataset(
        {
            "arrival_lead": (
                plane,
                np.where(reached, lead, np.timedelta64("NaT")),
                {"long_name": f"lead time of the first {threshold:g} {units}", **told},
            ),
            "arrival_state": (
                plane, state, {"units": "1", "long_name": "what is known of it", **flags}
            ),
            "probability_of_arrival": (
                cube,
                share,
                {"units": "1", "long_name": "probability of arrival by the lead time", **told},
            ),
        },
        coords={n: c for n, c in field.coords.items() if "member" not in c.dims},
    )  # fmt: skip


def reached_by(fields: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """Share of the members that reached a threshold by each lead.

    Parameters
    ----------
    fields
        (member, lead, y, x), NaN = missing.
    threshold
        In their units.

    Returns
    -------
    (lead, y, x). A member that has not reached it and is missing at that lead or before cannot
    tell; NaN where less than half of the members can.
    """
    members, leads = fields.shape[:2]
    flat = np.ascontiguousarray(fields).reshape(members, leads, -1)
    out = np.empty((leads, flat.shape[2]), np.float32)
    _reached_by(flat, np.float32(threshold), _MIN_MEMBERS * members, out)
    return out.reshape(leads, *fields.shape[2:])


@numba.njit(cache=True, nogil=True)
def _reached_by(
    fields: NDArray[np.float32], threshold: np.float32, least: float, out: NDArray[np.float32]
) -> None:
    members, leads, n = fields.shape
    reached = np.zeros((members, n), np.bool_)
    gone = np.zeros((members, n), np.bool_)  # missing once
    for k in range(leads):
        for i in range(n):
            out[k, i] = 0
        told = np.zeros(n, np.int32)
        for m in range(members):
            for i in range(n):
                value = fields[m, k, i]
                reached[m, i] = reached[m, i] or value >= threshold
                gone[m, i] = gone[m, i] or value != value
                if reached[m, i]:
                    out[k, i] += 1
                if reached[m, i] or not gone[m, i]:
                    told[i] += 1
        for i in range(n):
            out[k, i] = out[k, i] / told[i] if told[i] > 0 and told[i] >= least else np.nan
