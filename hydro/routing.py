"""Routing of lateral inflow through a river network."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs
from jinghu.hydro.channel import (
    levels,
    steady_weights,
    sweep_cunge,
    sweep_kinematic,
    sweep_muskingum,
)
from jinghu.hydro.network import RiverNetwork, accumulated

_MAX_SUBSTEPS = 12
_MAX_PIECES = 16

Array = NDArray[np.float64]


class RoutingMethod(StrEnum):
    """How a reach passes water on; all of them conserve it."""

    MUSKINGUM_CUNGE = "muskingum-cunge"
    MUSKINGUM = "muskingum"
    KINEMATIC = "kinematic"


@dataclass(frozen=True, slots=True)
class Segments:
    """Reaches cut so that a flood wave crosses about one segment in a step.

    Parameters
    ----------
    downstream, reach
        (segment,) next segment (-1 outlet), and the reach it is part of.
    last
        (reach,) last segment of each reach.
    share
        (segment,) share of the reach's lateral inflow.
    kc, kd
        (segment,) see `jinghu.hydro.channel`.
    travel, weight
        (segment,) K over the step and X of linear Muskingum at the reference discharge.
    substeps
        Steps of the kernel in one step of the inflow.
    step_s
        Length of one of them.
    """

    downstream: NDArray[np.int64]
    reach: NDArray[np.int64]
    last: NDArray[np.int64]
    share: Array
    kc: Array
    kd: Array
    travel: Array
    weight: Array
    substeps: int
    step_s: float


def segments(network: RiverNetwork, step_s: float) -> Segments:
    """Cut reaches where C + D < 1 and steps where C > 1 + D at a middling flood.

    C + D >= 1 and C <= 1 + D keep the coefficients of Muskingum-Cunge positive (Ponce & Theurer
    1982); the reference flood is 0.5 A^0.8 m3/s with the upstream area A in km2.
    """
    reference = 0.5 * network.upstream_area_km2**0.8
    a = (np.sqrt(network.slope) / network.manning_n) ** 0.6 * network.width_m**-0.4
    celerity = 5.0 / 3.0 * a * reference**0.4
    diffusion_m = reference / (network.width_m * network.slope * celerity)
    stable_s = float(np.quantile((network.length_m + diffusion_m) / celerity, 0.1))
    substeps = int(np.clip(np.ceil(step_s / stable_s), 1, _MAX_SUBSTEPS))
    dt = step_s / substeps
    longest = celerity * dt + diffusion_m
    pieces = np.clip(np.ceil(network.length_m / longest), 1, _MAX_PIECES).astype(np.int64)
    reach = np.repeat(np.arange(network.n_reaches), pieces)
    last = np.cumsum(pieces) - 1
    first = last - pieces + 1
    downstream = np.arange(1, len(reach) + 1)
    below = network.downstream
    downstream[last] = np.where(below >= 0, first[np.maximum(below, 0)], -1)
    # Segments of one level do not wait for one another: in this order a processor overlaps them.
    order = np.argsort(levels(downstream), kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    downstream = np.where(downstream >= 0, place[downstream], -1)[order]
    reach, last = reach[order], place[last]
    dx = (network.length_m / pieces)[reach]
    width, slope = network.width_m[reach], network.slope[reach]
    kc = a[reach] * dt / dx
    travel = dx / (celerity[reach] * dt)
    weight = 0.5 * (1.0 - diffusion_m[reach] / dx)
    # With X in these limits all three coefficients are positive, whatever the step.
    weight = np.minimum(np.minimum(weight, 0.5 / travel), 1.0 - 0.5 / travel)
    weight = np.maximum(weight, -0.5 / travel)
    return Segments(
        downstream=downstream,
        reach=reach,
        last=last,
        share=(1.0 / pieces)[reach],
        kc=kc,
        kd=dt / (width * slope * dx**2),
        travel=travel,
        weight=weight,
        substeps=substeps,
        step_s=dt,
    )


def route(
    network: RiverNetwork,
    q_lateral: xr.Dataset | xr.DataArray,
    *,
    method: RoutingMethod = RoutingMethod.MUSKINGUM_CUNGE,
    initial: xr.Dataset | None = None,
    step_s: float | None = None,
) -> xr.Dataset:
    """Route lateral inflow through a network.

    Parameters
    ----------
    network
        The network.
    q_lateral
        ``q_lateral(time, reach)`` in m3 s-1, the mean over the step that ends at ``time``; equal
        steps.
    method
        Method.
    initial
        State that `final_state` took from an earlier run at the same step; by default the steady
        flow under the inflow of the first step.
    step_s
        Length of a step, by default that between the times; needed where there is only one.

    Returns
    -------
    ``river_discharge(time, reach)`` in m3 s-1 at the end of each step, ``outflow_m3_s`` and
    ``storage_m3`` ``(segment)`` at the last, and the attribute ``water_balance_error``: what is
    missing over what came in.

    Raises
    ------
    DataError
        Where the inflow does not fit the network, or is missing or negative: names the reach.
    """
    inflow = _checked_inflow(network, q_lateral)
    times = inflow["time"].values
    step_s = _step_seconds(times, step_s)
    parts = segments(network, step_s)
    lateral = inflow.values.astype(np.float64)
    state = _initial_state(network, parts, method, lateral[0], initial)
    discharge, storage, outflow, missing = _SWEEPS[method](parts, lateral, state)
    came = max(float(lateral.sum()) * step_s + float(state.storage_m3.sum()), 1e-300)
    return xr.Dataset(
        {
            "river_discharge": (("time", "reach"), discharge, attrs("river_discharge")),
            "outflow_m3_s": ("segment", outflow, {"units": "m3 s-1"}),
            "storage_m3": ("segment", storage, {"units": "m3"}),
        },
        coords={"time": times},
        attrs={
            "method": method.value,
            "step_s": step_s,
            "network": network.fingerprint(),
            "terrain_source": network.terrain_source,
            "water_balance_error": missing / came,
        },
    )


def final_state(routed: xr.Dataset) -> xr.Dataset:
    """State of the channels at the end of a run of `route`, for ``initial`` of the next."""
    return routed[["outflow_m3_s", "storage_m3"]].drop_vars("time", errors="ignore")


def _checked_inflow(network: RiverNetwork, q_lateral: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Inflow as (time, reach); refuses what cannot be routed."""
    source = str(q_lateral.encoding.get("source", "inflow"))
    if isinstance(q_lateral, xr.Dataset):
        if "q_lateral" not in q_lateral:
            raise DataError(source, f"no q_lateral in it; there are {sorted(map(str, q_lateral))}")
        q_lateral = q_lateral["q_lateral"]
    if set(q_lateral.dims) != {"time", "reach"} or "time" not in q_lateral.coords:
        raise DataError(source, f"q_lateral has dimensions {q_lateral.dims}, wanted time, reach")
    if q_lateral.sizes["reach"] != network.n_reaches:
        raise DataError(
            source,
            f"q_lateral has {q_lateral.sizes['reach']} reaches, the network {network.n_reaches}",
        )
    units = q_lateral.attrs.get("units", "m3 s-1")
    if units not in ("m3 s-1", "m3/s", "m^3/s", "m**3 s**-1"):
        raise DataError(source, f"q_lateral is in {units!r}, wanted 'm3 s-1'")
    ordered = q_lateral.transpose("time", "reach")
    if "reach" in ordered.coords and not np.array_equal(
        ordered["reach"].values, np.arange(network.n_reaches)
    ):
        raise DataError(source, "coordinate reach does not count 0, 1, ... as the network does")
    bad = ~(np.isfinite(ordered.values) & (ordered.values >= 0))
    if bad.any():
        step, reach = np.argwhere(bad)[0]
        raise DataError(
            source,
            f"{network.reach_label(int(reach))}: q_lateral is {ordered.values[step, reach]} "
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
    outflow: Array
    storage_m3: Array


def _initial_state(
    network: RiverNetwork,
    parts: Segments,
    method: RoutingMethod,
    lateral: Array,
    initial: xr.Dataset | None,
) -> _State:
    """State to start from: that of an earlier run, or the steady flow under an inflow."""
    if initial is not None:
        found = tuple(initial.attrs.get(name) for name in ("network", "method", "step_s"))
        wanted = network.fingerprint(), method.value, parts.step_s * parts.substeps
        if found[:2] != wanted[:2] or not np.isclose(found[2] or 0.0, wanted[2], rtol=1e-9):
            raise DataError("initial state", "is of another network, method or time step")
        return _State(
            initial["outflow_m3_s"].values.astype(np.float64),
            initial["storage_m3"].values.astype(np.float64),
        )
    outflow = accumulated(parts.downstream, lateral[parts.reach] * parts.share)
    return _State(outflow, _STEADY[method](parts, outflow, _entering(parts, outflow)))


def _entering(parts: Segments, outflow: Array) -> Array:
    """Sum of the outflows that enter each segment."""
    inside = parts.downstream >= 0
    return np.bincount(
        parts.downstream[inside], weights=outflow[inside], minlength=len(outflow)
    ).astype(np.float64)


def _cunge_storage(parts: Segments, outflow: Array, inflow: Array) -> Array:
    weight = steady_weights(parts.kc, parts.kd, (2.0 * inflow + outflow) / 3.0)
    weighted = np.maximum(weight * inflow + (1.0 - weight) * outflow, 0.0)
    return weighted**0.6 / parts.kc * parts.step_s


def _kinematic_storage(parts: Segments, outflow: Array, _inflow: Array) -> Array:
    return outflow**0.6 / parts.kc * parts.step_s


def _muskingum_storage(parts: Segments, outflow: Array, inflow: Array) -> Array:
    weighted = parts.weight * inflow + (1.0 - parts.weight) * outflow
    return parts.travel * weighted * parts.step_s


_Routed = tuple[Array, Array, Array, float]


def _route_cunge(parts: Segments, lateral: Array, state: _State) -> _Routed:
    storage, outflow = state.storage_m3 / parts.step_s, state.outflow.copy()
    before = float(storage.sum())
    discharge, left = sweep_cunge(
        parts.downstream,
        parts.reach,
        parts.last,
        parts.share,
        parts.kc,
        parts.kd,
        lateral,
        parts.substeps,
        storage,
        outflow,
    )
    came = float(lateral.sum()) * parts.substeps
    missing = before + came - left - float(storage.sum())
    return discharge, storage * parts.step_s, outflow, missing * parts.step_s


def _route_kinematic(parts: Segments, lateral: Array, state: _State) -> _Routed:
    storage, outflow = state.storage_m3 / parts.step_s, state.outflow.copy()
    before = float(storage.sum())
    discharge, left = sweep_kinematic(
        parts.downstream,
        parts.reach,
        parts.last,
        parts.share,
        parts.kc,
        lateral,
        parts.substeps,
        storage,
        outflow,
    )
    came = float(lateral.sum()) * parts.substeps
    missing = before + came - left - float(storage.sum())
    return discharge, storage * parts.step_s, outflow, missing * parts.step_s


def _route_muskingum(parts: Segments, lateral: Array, state: _State) -> _Routed:
    outflow = state.outflow.copy()
    discharge, left = sweep_muskingum(
        parts.downstream,
        parts.reach,
        parts.last,
        parts.share,
        parts.travel,
        parts.weight,
        lateral,
        parts.substeps,
        outflow,
    )
    storage_m3 = _muskingum_storage(parts, outflow, _entering(parts, outflow))
    came = (float(lateral.sum()) * parts.substeps - left) * parts.step_s
    missing = float(state.storage_m3.sum()) + came - float(storage_m3.sum())
    return discharge, storage_m3, outflow, missing


_SWEEPS: dict[RoutingMethod, Callable[[Segments, Array, _State], _Routed]] = {
    RoutingMethod.MUSKINGUM_CUNGE: _route_cunge,
    RoutingMethod.MUSKINGUM: _route_muskingum,
    RoutingMethod.KINEMATIC: _route_kinematic,
}
_STEADY: dict[RoutingMethod, Callable[[Segments, Array, Array], Array]] = {
    RoutingMethod.MUSKINGUM_CUNGE: _cunge_storage,
    RoutingMethod.MUSKINGUM: _muskingum_storage,
    RoutingMethod.KINEMATIC: _kinematic_storage,
}
