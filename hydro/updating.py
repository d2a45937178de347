"""Flows at gauges correct the flood model: an ensemble Kalman filter, localised by travel time.

What the members say together about a gauge and the water above it decides how an innovation is
shared among hillslopes, channels, the errors of the rain and two parameters of the land
(`jinghu.hydro.square_root_filter`). The run itself takes the members' gain, so its state stays one
state. Rain and land are learned slowly, for what gauges and timing are off by lasts from report to
report. Observations that come late meet what was computed for their time (asynchronous filter:
Sakov et al. 2010, Tellus A 62, 24-29). Every change of water is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jinghu.hydro import runoff
from jinghu.hydro.members import Crew, Members
from jinghu.hydro.model import M3_PER_MM_KM2, Basin, FloodState
from jinghu.hydro.network import OUTLET, RiverNetwork
from jinghu.hydro.rain_errors import RainErrors
from jinghu.hydro.regulated import RegulatedState
from jinghu.hydro.square_root_filter import assimilate

Array = NDArray[np.float64]

_FLOOR_M3_S_KM2 = 0.03
_FIRST_STORE = runoff.STORES.index("surface")
_MM_FLOOR = 1e-3
_M3_FLOOR = 1.0
_UPSTREAM_HOURS = 12.0
_DOWNSTREAM_HOURS = 1.5
_LEAST_WEIGHT = 0.05
_TIMING_HOURS = 0.5
_MOST_CHANGE = 1.0  # of a logarithm in one cycle
_RAIN_PATIENCE = 5.0  # errors of gauges and of timing last: of half an hour one report counts
_LAND_PATIENCE = 15.0  # and those of neighbouring gauges are alike
_DOUBT = 3.0  # an innovation beyond so many standard deviations counts as that many


@dataclass(frozen=True, slots=True)
class Observed:
    """Flows to learn from.

    Parameters
    ----------
    row
        (observation,) which flow of ``predicted`` of `update`, flattened, each is of.
    gauge
        (observation,) gauge.
    log_flow
        (observation,) `log_flow` of what was observed.
    sd
        (observation,) standard deviation of it.
    """

    row: NDArray[np.int64]
    gauge: NDArray[np.int64]
    log_flow: Array
    sd: Array


@dataclass(frozen=True, slots=True)
class Increment:
    """Water that an update added (negative: took), m3."""

    soil_m3: float
    channels_m3: float

    @property
    def total_m3(self) -> float:
        """All of it."""
        return self.soil_m3 + self.channels_m3


def flow_floor(network: RiverNetwork, reaches: NDArray[np.int64]) -> Array:
    """What is added to flows before their logarithm is taken, m3/s by gauge.

    Low flows say little of floods: their errors are those of groundwater.
    """
    return np.asarray(_FLOOR_M3_S_KM2 * network.upstream_area_km2[reaches])


def log_flow(flow_m3_s: Array, floor_m3_s: Array) -> Array:
    """Logarithm in which flows are compared."""
    return np.asarray(np.log(np.maximum(flow_m3_s, 0.0) + floor_m3_s))


def timing_sd(slope: float, step_s: float) -> float:
    """Standard deviation of a logarithm of flow that changes by ``slope`` in a step.

    On a steep limb a flow that differs tells of time as much as of water.
    """
    return _TIMING_HOURS * abs(slope) * 3600.0 / step_s


def ends_of_reaches(
    basin: Basin, crew: Crew, outflow_m3_s: Sequence[Array], reaches: NDArray[np.int64]
) -> Array:
    """Discharge (reach, member) in m3/s at the ends of reaches, of a state of the channels."""
    found = np.empty((len(reaches), outflow_m3_s[0].shape[1]))
    for piece, parts, flow in zip(basin.rivers.pieces, crew.parts, outflow_m3_s, strict=True):
        mine = np.flatnonzero(np.isin(reaches, piece.reaches))
        found[mine] = flow[parts[0].last[np.searchsorted(piece.reaches, reaches[mine])]]
    return found


def influence(basin: Basin, reaches: NDArray[np.int64]) -> Array:
    """Weight (gauge, reach) with which a gauge speaks of the water of a reach.

    It fades with the travel time of a middling flood: upstream within the piece of the network
    between works, and a little downstream.
    """
    found = np.zeros((len(reaches), basin.network.n_reaches))
    for piece in basin.rivers.pieces:
        place = {int(r): k for k, r in enumerate(piece.reaches)}
        hours = crossing_hours(piece.network)
        down = piece.network.downstream
        for g, reach in enumerate(reaches):
            if int(reach) not in place:
                continue
            at = place[int(reach)]
            away = np.full(len(down), np.inf)
            away[at] = 0.0
            for k in range(at - 1, -1, -1):  # upstream before downstream
                if down[k] != OUTLET and np.isfinite(away[down[k]]):
                    away[k] = away[down[k]] + hours[down[k]]
            weight = np.exp(-away / _UPSTREAM_HOURS)
            k, later = int(down[at]), 0.0
            while k != OUTLET:
                later += hours[k]
                weight[k] = np.exp(-later / _DOWNSTREAM_HOURS)
                k = int(down[k])
            found[g, piece.reaches] = np.where(weight < _LEAST_WEIGHT, 0.0, weight)
    return found


def rain_influence(basin: Basin, rain: RainErrors, weights: Array) -> Array:
    """Weight (gauge, knot) with which a gauge speaks of an error of the rain: of its catchment."""
    inside = weights[:, basin.unit_reach]
    own = inside @ np.abs(rain.shape)
    return np.asarray(own / np.maximum(own.max(axis=1, keepdims=True), 1e-300))


def crossing_hours(network: RiverNetwork) -> Array:
    """Hours that a middling flood takes through each reach, as for the segments of routing."""
    flow = 0.5 * network.upstream_area_km2**0.8
    a = (np.sqrt(network.slope) / network.manning_n) ** 0.6
    celerity = 5.0 / 3.0 * a * network.width_m**-0.4 * flow**0.4
    return np.asarray(network.length_m / celerity / 3600.0)


def update(
    basin: Basin,
    crew: Crew,
    state: FloodState,
    members: Members,
    predicted: Array,
    observed: Observed,
    weights: Array,
    reaches: NDArray[np.int64],
) -> tuple[FloodState, Members, Array, Increment]:
    """Take in observations.

    Parameters
    ----------
    basin, crew
        Of the run and its members.
    state, members
        Before the update.
    predicted
        (time, gauge, member + 1) logarithms of flows, the run's last; zeros where not computed.
    observed
        What was observed.
    weights, reaches
        (gauge, reach) from `influence`; (gauge,) reaches.

    Returns
    -------
    State and members after it, ``predicted`` after it, and the water that was added to the run.
    """
    if not len(observed.row):
        return state, members, predicted, Increment(0.0, 0.0)
    layout = _Layout.of(basin, crew)
    flat = predicted.reshape(-1, predicted.shape[2])
    errors = np.concatenate([members.rain_error, members.own_error[:, None]], axis=1)
    land = np.concatenate([members.land, members.own_land[:, None]], axis=1)
    rows = np.concatenate([layout.pack(state, members), errors, land, flat])
    between = np.tile(weights[:, reaches], len(predicted))  # what is told once is not told again
    rain = rain_influence(basin, crew.rain, weights)
    everywhere = np.ones((len(weights), len(land)))
    local = np.concatenate([weights[:, layout.reach], rain, everywhere, between], axis=1)
    start = len(rows) - len(flat)
    patience = np.ones(len(rows))
    water, fallen = start - len(land) - len(errors), start - len(land)
    patience[water:fallen], patience[fallen:start] = _RAIN_PATIENCE, _LAND_PATIENCE
    rows = assimilate(
        rows, start + observed.row, observed.log_flow, observed.sd**2, local[observed.gauge],
        patience, _DOUBT,
    )  # fmt: skip
    new_state, new_members, increment = layout.unpack(rows[:water], state, members)
    new_members = replace(
        new_members,
        rain_error=rows[water:fallen, :-1],
        own_error=rows[water:fallen, -1],
        land=rows[fallen:start, :-1],
        own_land=rows[fallen:start, -1],
    )
    return new_state, new_members, rows[start:].reshape(predicted.shape), increment


@dataclass(frozen=True, slots=True)
class _Layout:
    """Rows of the filter: logarithms of the water on hillslopes and in channels.

    Tension and free water of the soil are left alone: a flood that comes later than computed looks
    like one that is smaller, and what is taken from the soil does not come back when it rises.
    """

    basin: Basin
    reach: NDArray[np.int64]  # (row,)
    area_km2: Array  # (unit,)

    @staticmethod
    def of(basin: Basin, crew: Crew) -> "_Layout":
        reach = [np.repeat(basin.unit_reach, len(runoff.STORES) - _FIRST_STORE)]
        for piece, parts in zip(basin.rivers.pieces, crew.parts, strict=True):
            reach += [piece.reaches[parts[0].reach]] * 2
        area = np.asarray(basin.weights.sum(axis=0), np.float64).ravel()
        return _Layout(basin, np.concatenate(reach), area)

    def pack(self, state: FloodState, members: Members) -> Array:
        """Water of the rows as (row, member + 1)."""
        soil = np.concatenate([members.soil_mm, _own(state)[None]])
        hillslopes = soil[:, :, _FIRST_STORE:].reshape(len(soil), -1).T
        rows = [np.log(hillslopes + _MM_FLOOR)]
        for flow, held, channel in zip(
            members.outflow_m3_s, members.storage_m3, state.rivers.channels, strict=True
        ):
            own = [channel[name].values[:, None] for name in ("outflow_m3_s", "storage_m3")]
            rows.append(np.log(np.concatenate([flow, own[0]], axis=1) + _MM_FLOOR))
            rows.append(np.log(np.concatenate([held, own[1]], axis=1) + _M3_FLOOR))
        return np.concatenate(rows)

    def unpack(
        self, rows: Array, state: FloodState, members: Members
    ) -> tuple[FloodState, Members, Increment]:
        """Water of the rows; where nothing was said it stays to the last bit."""
        change = np.clip(rows - self.pack(state, members), -_MOST_CHANGE, _MOST_CHANGE)
        n_units, stores = len(self.area_km2), len(runoff.STORES) - _FIRST_STORE
        at = n_units * stores
        new = np.concatenate([members.soil_mm, _own(state)[None]])
        moved = change[:at].T.reshape(len(new), n_units, stores)
        new[:, :, _FIRST_STORE:] = _scaled(new[:, :, _FIRST_STORE:], moved, _MM_FLOOR)
        added_mm = (new[-1] - _own(state)).sum(axis=1)
        soil_m3 = float((added_mm * self.area_km2).sum() * M3_PER_MM_KM2)
        channels, outflow, storage, channel_m3 = [], [], [], 0.0
        for flow, water, channel in zip(
            members.outflow_m3_s, members.storage_m3, state.rivers.channels, strict=True
        ):
            n = len(flow)
            own = [channel[name].values[:, None] for name in ("outflow_m3_s", "storage_m3")]
            new_flow = _scaled(np.concatenate([flow, own[0]], 1), change[at : at + n], _MM_FLOOR)
            new_water = _scaled(
                np.concatenate([water, own[1]], 1), change[at + n : at + 2 * n], _M3_FLOOR
            )
            at += 2 * n
            outflow.append(new_flow[:, :-1])
            storage.append(new_water[:, :-1])
            channel_m3 += float((new_water[:, -1] - channel["storage_m3"].values).sum())
            channels.append(
                channel.assign(
                    outflow_m3_s=channel["outflow_m3_s"].copy(data=new_flow[:, -1]),
                    storage_m3=channel["storage_m3"].copy(data=new_water[:, -1]),
                )
            )
        land = runoff.soil_dataset(new[-1], state.soil["cell_id"].values)
        rivers = RegulatedState(tuple(channels), state.rivers.works)
        found = replace(
            members,
            soil_mm=new[:-1],
            outflow_m3_s=tuple(outflow),
            storage_m3=tuple(storage),
        )
        return FloodState(land, rivers), found, Increment(soil_m3, channel_m3)


def _own(state: FloodState) -> Array:
    """Stores (unit, store) of the run in mm."""
    return np.stack([state.soil[name].values for name in runoff.STORES], axis=1)


def _scaled(water: Array, change: Array, floor: float) -> Array:
    """Water whose logarithm, above a floor, has changed."""
    moved = np.maximum((water + floor) * np.exp(change) - floor, 0.0)
    return np.where(change == 0.0, water, moved)
