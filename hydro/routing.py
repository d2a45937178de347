"""Routing of lateral inflow through a river network, one member or many at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs
from jinghu.hydro.channel import CUNGE, KINEMATIC, MUSKINGUM, sweep
from jinghu.hydro.channel_rows import LANES
from jinghu.hydro.network import RiverNetwork, validate
from jinghu.hydro.segments import Segments, segments
from jinghu.hydro.steady_channels import steady_storage
from jinghu.hydro.trees import accumulate_rows, entering

STATE_VERSION = 2
"""Of what `final_state` holds; 2: segments in the order of the kernel."""
_STEADY_AT_ONCE = 4  # members: what is made on the way is small beside the state
_SUMMED = 128  # rows at once
_FEW = 4  # members below this are not filled up to a row

Array = NDArray[np.float64]


class RoutingMethod(StrEnum):
    """How a reach passes water on; all of them conserve it."""

    MUSKINGUM_CUNGE = "muskingum-cunge"
    MUSKINGUM = "muskingum"
    KINEMATIC = "kinematic"

    @property
    def scheme(self) -> int:
        """Number that `jinghu.hydro.channel.sweep` knows it by."""
        if self is RoutingMethod.MUSKINGUM_CUNGE:
            return CUNGE
        return MUSKINGUM if self is RoutingMethod.MUSKINGUM else KINEMATIC


def route(
    network: RiverNetwork,
    q_lateral: xr.Dataset | xr.DataArray,
    *,
    method: RoutingMethod = RoutingMethod.MUSKINGUM_CUNGE,
    initial: xr.Dataset | None = None,
    step_s: float | None = None,
    reaches: ArrayLike | None = None,
    workers: int = 1,
    reuse_initial: bool = False,
) -> xr.Dataset:
    """Route lateral inflow through a network.

    Members are routed in blocks of 32, which are the unit of work of a thread: the result is the
    same to the last bit for any number of workers. An array (time, reach, member) that is
    contiguous in memory is not copied.

    Parameters
    ----------
    network
        The network.
    q_lateral
        ``q_lateral([member,] time, reach)`` in m3 s-1, the mean over the step that ends at
        ``time``; equal steps.
    method
        Method.
    initial
        State that `final_state` took from an earlier run at the same step, of one member or of as
        many as the inflow has; by default the steady flow under the inflow of the first step.
    step_s
        Length of a step, by default that between the times; needed where there is only one.
    reaches
        Numbers of the reaches whose discharge is wanted, by default of all.
    workers
        Threads.
    reuse_initial
        Whether the arrays of ``initial`` may be overwritten: then a large network's state is not
        held twice.

    Returns
    -------
    ``river_discharge([member,] time, reach)`` in m3 s-1 at the end of each step, ``outflow_m3_s``
    and ``storage_m3`` ``(segment [, member])`` at the last, ``outlet_discharge`` ``(time
    [, member])`` in m3 s-1 that left the network (means over the steps, exact in volume), and the
    attribute ``water_balance_error``: what is missing over what came in, of the worst member.

    Raises
    ------
    DataError
        Where the network cannot be routed, or the inflow does not fit it, or is missing or
        negative: names the reach.
    """
    validate(network, "network")
    inflow = _checked_inflow(network, q_lateral)
    times = inflow["time"].values
    step_s = _step_seconds(times, step_s)
    parts = segments(network, step_s)
    lateral = np.ascontiguousarray(inflow.values, np.float64)
    wanted = _wanted(network, reaches)
    state = _initial_state(network, parts, method, lateral, initial, reuse_initial)
    discharge, state, left, balance = _swept(parts, method, lateral, state, wanted, workers)
    found = xr.Dataset(
        {
            "river_discharge": (("time", "reach", "member"), discharge, attrs("river_discharge")),
            "outflow_m3_s": (("segment", "member"), state.outflow, {"units": "m3 s-1"}),
            "storage_m3": (("segment", "member"), state.storage_m3, {"units": "m3"}),
            "outlet_discharge": (("time", "member"), left, {"units": "m3 s-1"}),
        },
        coords={"time": times},
        attrs={
            "method": method.value,
            "step_s": step_s,
            "network": network.fingerprint(),
            "state_version": STATE_VERSION,
            "terrain_source": network.terrain_source,
            "water_balance_error": balance,
        },
    )
    if reaches is not None:
        found = found.assign_coords(reach=wanted)
    if "member" not in q_lateral.dims and (initial is None or "member" not in initial.dims):
        return found.isel(member=0)
    if "member" in inflow.coords:
        found = found.assign_coords(member=inflow["member"].values)
    return found.assign(river_discharge=found["river_discharge"].transpose("member", "time", ...))


def final_state(routed: xr.Dataset) -> xr.Dataset:
    """State of the channels at the end of a run of `route`, for ``initial`` of the next."""
    state = routed[["outflow_m3_s", "storage_m3"]]
    return state.drop_vars([name for name in state.coords if name != "member"])


def advance(
    parts: Segments,
    method: RoutingMethod,
    lateral: Array,
    outflow: Array,
    storage_m3: Array,
    reaches: NDArray[np.int64],
) -> tuple[Array, Array, Array]:
    """Route members without a Dataset around them, for what runs in every cycle.

    Parameters
    ----------
    parts
        Segments at the step of the inflow.
    method
        Method.
    lateral
        (time, reach, member) m3/s, finite and not negative.
    outflow, storage_m3
        (segment, member) state at the start, left as it is.
    reaches
        Whose discharge is wanted.

    Returns
    -------
    Discharge (time, wanted, member) in m3/s at the ends of the steps, outflow and storage.
    """
    state = _State(outflow.copy(), storage_m3.copy())
    discharge, state, _, _ = _swept(parts, method, lateral, state, reaches, 1)
    return discharge, state.outflow, state.storage_m3


def _wanted(network: RiverNetwork, reaches: ArrayLike | None) -> NDArray[np.int64]:
    """Reaches whose discharge is kept."""
    if reaches is None:
        return np.arange(network.n_reaches)
    wanted = np.atleast_1d(np.asarray(reaches, np.int64))
    if wanted.size and not (wanted.min() >= 0 and wanted.max() < network.n_reaches):
        raise DataError("reaches", f"not all in 0 to {network.n_reaches - 1}: {wanted}")
    if len(np.unique(wanted)) != len(wanted):
        raise DataError("reaches", "a reach is named twice")
    return wanted


def _checked_inflow(network: RiverNetwork, q_lateral: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Inflow as (time, reach, member); refuses what cannot be routed."""
    source = str(q_lateral.encoding.get("source", "inflow"))
    if isinstance(q_lateral, xr.Dataset):
        if "q_lateral" not in q_lateral:
            raise DataError(source, f"no q_lateral in it; there are {sorted(map(str, q_lateral))}")
        q_lateral = q_lateral["q_lateral"]
    if set(q_lateral.dims) - {"member"} != {"time", "reach"} or "time" not in q_lateral.coords:
        raise DataError(
            source, f"q_lateral has dimensions {q_lateral.dims}, wanted [member,] time, reach"
        )
    if q_lateral.sizes["reach"] != network.n_reaches:
        raise DataError(
            source,
            f"q_lateral has {q_lateral.sizes['reach']} reaches, the network {network.n_reaches}",
        )
    units = q_lateral.attrs.get("units", "m3 s-1")
    if units not in ("m3 s-1", "m3/s", "m^3/s", "m**3 s**-1"):
        raise DataError(source, f"q_lateral is in {units!r}, wanted 'm3 s-1'")
    if "member" not in q_lateral.dims:
        q_lateral = q_lateral.drop_vars("member", errors="ignore").expand_dims("member")
    ordered = q_lateral.transpose("time", "reach", "member")
    if "reach" in ordered.coords and not np.array_equal(
        ordered["reach"].values, np.arange(network.n_reaches)
    ):
        raise DataError(source, "coordinate reach does not count 0, 1, ... as the network does")
    values = ordered.values
    if values.size and not (values.min() >= 0 and values.max() < np.inf):
        step, reach, member = np.argwhere(~(np.isfinite(values) & (values >= 0)))[0]
        of = f" of member {member}" if ordered.sizes["member"] > 1 else ""
        raise DataError(
            source,
            f"{network.reach_label(int(reach))}: q_lateral{of} is {values[step, reach, member]} "
            f"at {ordered['time'].values[step]}",
        )
    return ordered


def _step_seconds(times: NDArray[np.datetime64], wanted_s: float | None) -> float:
    """Constant step of times in seconds; numbers without a unit are seconds."""
    if len(times) == 0 or (len(times) == 1 and wanted_s is None):
        raise DataError("inflow", "two times at least are needed: they tell the step")
    differences = np.diff(times)
    timed = np.issubdtype(differences.dtype, np.timedelta64)
    steps = np.asarray(differences / np.timedelta64(1, "s") if timed else differences, np.float64)
    step_s = float(steps[0]) if wanted_s is None else wanted_s
    if not (step_s > 0 and np.allclose(steps, step_s, rtol=1e-9)):
        raise DataError("inflow", "times do not grow at a constant step")
    return step_s


@dataclass(frozen=True, slots=True)
class _State:
    """Discharge and storage (segment, member) in m3/s and m3."""

    outflow: Array
    storage_m3: Array


def _initial_state(
    network: RiverNetwork,
    parts: Segments,
    method: RoutingMethod,
    lateral: Array,
    initial: xr.Dataset | None,
    reuse: bool,
) -> _State:
    """State to start from: that of an earlier run, or the steady flow under an inflow."""
    members = lateral.shape[2]
    if initial is None:
        alike = bool((lateral[0] == lateral[0, :, :1]).all())  # as under rains on the same soil
        outflow, storage = (np.empty((len(parts.reach), members)) for _ in range(2))
        for first in range(0, 1 if alike else members, _STEADY_AT_ONCE):
            some = slice(first, first + (1 if alike else _STEADY_AT_ONCE))
            local = lateral[0, :, some][parts.reach]
            local *= parts.share[:, None]
            flow = accumulate_rows(parts.downstream, local)
            some = slice(None) if alike else some
            outflow[:, some], storage[:, some] = flow, _steady(parts, method, flow)
        return _State(outflow, storage)
    names = ("network", "method", "state_version", "step_s")
    found = tuple(initial.attrs.get(name) for name in names)
    wanted = network.fingerprint(), method.value, STATE_VERSION, parts.step_s * parts.substeps
    if found[:3] != wanted[:3] or not np.isclose(found[3] or 0.0, wanted[3], rtol=1e-9):
        raise DataError("initial state", "is of another network, method, time step or version")
    read = [_by_member(initial[name]) for name in ("outflow_m3_s", "storage_m3")]
    if any(len(values) != len(parts.reach) for values in read):  # kernels do not look
        raise DataError("initial state", f"is not of the {len(parts.reach)} pieces of the reaches")
    if read[0].shape[1] not in (1, members):
        raise DataError(
            "initial state", f"has {read[0].shape[1]} members, the inflow {members}: match them"
        )
    for values in read:
        if not (np.isfinite(values) & (values >= 0)).all():
            raise DataError("initial state", "holds water that is negative or not a number")
    if reuse and all(v.shape[1] == members and v.flags.c_contiguous for v in read):
        return _State(*read)
    return _State(*(np.broadcast_to(v, (len(v), members)).copy() for v in read))


def _by_member(values: xr.DataArray) -> Array:
    if "member" not in values.dims:
        values = values.expand_dims("member")
    return np.asarray(values.transpose("segment", "member").values, np.float64)


def _steady(parts: Segments, method: RoutingMethod, outflow: Array) -> Array:
    """Storage in m3 of steady flow."""
    if method is RoutingMethod.MUSKINGUM_CUNGE:
        inflow = entering(parts.downstream, outflow)
        found = np.asarray(steady_storage(parts.kc, parts.kd, inflow, outflow))
        found *= parts.step_s
        return found
    if method is RoutingMethod.KINEMATIC:
        return np.asarray(outflow**0.6 / parts.kc[:, None] * parts.step_s)
    weight, travel = parts.weight[:, None], parts.travel[:, None]
    weighted = weight * entering(parts.downstream, outflow) + (1.0 - weight) * outflow
    return np.asarray(travel * weighted * parts.step_s)


def _total(values: Array) -> Array:
    """Sum over all axes but the last, in parts: rounding grows with their number's logarithm."""
    rows = values.reshape(-1, values.shape[-1])
    while len(rows) > 1:
        whole = len(rows) // _SUMMED * _SUMMED
        parts = rows[:whole].reshape(-1, _SUMMED, rows.shape[1]).sum(axis=1)
        rest = rows[whole:].sum(axis=0, keepdims=True)
        rows = np.concatenate([parts, rest]) if len(parts) else rest
    return np.array(rows[0], np.float64)


def _rows(values: Array, start: int, lanes: int) -> Array:
    """Members of a block, filled up to a row with channels that stay dry."""
    rows = np.zeros((len(values), lanes))
    part = values[:, start : start + lanes]
    rows[:, : part.shape[1]] = part
    return rows


def _swept(
    parts: Segments,
    method: RoutingMethod,
    lateral: Array,
    state: _State,
    wanted: NDArray[np.int64],
    workers: int,
) -> tuple[Array, _State, Array, float]:
    """Discharge (time, wanted, member), state, outflow (time, member), worst balance error."""
    members = state.outflow.shape[1]
    lanes = members if members < _FEW else LANES
    column = np.full(len(parts.downstream), -1)
    column[parts.last[wanted]] = np.arange(len(wanted))
    tree = parts.branches, parts.downstream, column, parts.depth
    linear = method is RoutingMethod.MUSKINGUM
    channel = (parts.travel, parts.weight) if linear else (parts.kc, parts.kd)
    discharge = np.empty((len(lateral), len(wanted), members))
    before = _total(state.storage_m3)
    outflow, storage = state.outflow, state.storage_m3
    left = np.empty((len(lateral), members))
    source = parts.reach, parts.share, lateral

    def block(start: int) -> None:
        """Route the members of one row, in place where they fill it."""
        end = min(start + lanes, members)
        whole = members == lanes
        water, flow = (v if whole else _rows(v, start, lanes) for v in (storage, outflow))
        water /= parts.step_s
        gone = sweep(
            method.scheme, tree, channel, (*source, start), parts.substeps, water, flow, discharge
        )
        water *= parts.step_s
        left[:, start:end] = gone[:, : end - start]
        if not whole:
            storage[:, start:end] = water[:, : end - start]
            outflow[:, start:end] = flow[:, : end - start]

    starts = range(0, members, lanes)
    if workers > 1 and len(starts) > 1:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(block, starts))
    else:
        for start in starts:
            block(start)
    if linear:
        storage = _steady(parts, method, outflow)
    came = _total(lateral) * (parts.step_s * parts.substeps) + before
    gone_m3 = _total(left) * (parts.step_s * parts.substeps)
    missing = came - gone_m3 - _total(storage)
    balance = missing / np.maximum(came, 1e-300)
    return discharge, _State(outflow, storage), left, float(balance[np.abs(balance).argmax()])
