"""Members of the flood model around its one run: they tell how sure its water is, and of what.

A member has its own soil, hillslopes, roughness and rain errors; what works let out is that of the
run itself. Members are carried from cycle to cycle and cost some milliseconds a step.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jinghu.hydro import runoff
from jinghu.hydro.model import M3_PER_MM_KM2, Basin, FloodState, ModelParams
from jinghu.hydro.rain_errors import RainErrors, rain_errors
from jinghu.hydro.routing import advance
from jinghu.hydro.runoff import RunoffParams
from jinghu.hydro.segments import Segments, segments

Array = NDArray[np.float64]

LEARNED = ("sm_mm", "surface_lag_h")
"""Of the land, what decides when a flood comes; a change of it moves no water."""
_SPREAD_CAPACITY = 0.20  # standard deviations of logarithms, between members
_SPREAD_CURVE = 0.15
_SPREAD_LAG = 0.25
_SPREAD_WETNESS = 0.08  # of the tension water, shares of its capacity
_SPREAD_FLOW = 0.20  # of water in channels and on hillslopes where members begin
_ROUGHNESS = (0.85, 1.15)
_MOST_LEARNED = 1.0
_TENSION = 3
_FREE = 3


@dataclass(frozen=True, slots=True)
class Members:
    """Water of the members at one time.

    Parameters
    ----------
    soil_mm
        (member, unit, store).
    outflow_m3_s, storage_m3
        (segment, member), piece by piece of the regulated network.
    rain_error
        (knot, member) errors of the rain, see `jinghu.hydro.rain_errors`.
    own_error
        (knot,) those that the run is corrected by.
    land
        (learned, member) logarithms of what `LEARNED` of the members' land is times the run's.
    own_land
        (learned,) by which the run's land is corrected.
    """

    soil_mm: Array
    outflow_m3_s: tuple[Array, ...]
    storage_m3: tuple[Array, ...]
    rain_error: Array
    own_error: Array
    land: Array
    own_land: Array


@dataclass(frozen=True, slots=True)
class Crew:
    """What makes members differ, and where their water runs: the same for all cycles.

    Parameters
    ----------
    params
        (member) of runoff.
    wetness, flow
        (member) shift of tension water (share) and of the logarithm of flows where members begin.
    parts
        Pieces by group of roughness: `parts[piece][group]`.
    groups
        (member) group of roughness.
    rain
        What the rain may be off by.
    """

    params: tuple[RunoffParams, ...]
    wetness: Array
    flow: Array
    parts: tuple[tuple[Segments, ...], ...]
    groups: NDArray[np.int64]
    rain: RainErrors

    @property
    def capacity_mm(self) -> Array:
        """(member, 4) of the tension and free water stores."""
        return np.array([capacities(p) for p in self.params])


def capacities(params: RunoffParams) -> tuple[float, float, float, float]:
    """Capacities of the upper, lower, deep and free store in mm."""
    return params.um_mm, params.lm_mm, params.dm_mm, params.sm_mm


def learned_land(land: RunoffParams, logs: Array) -> RunoffParams:
    """Land with what was learned of it: logarithms of factors, in the order of `LEARNED`."""
    factors = np.exp(np.clip(logs, -_MOST_LEARNED, _MOST_LEARNED))
    sm_mm, lag_h = land.sm_mm * factors[0], land.surface_lag_h * factors[1]
    return replace(land, sm_mm=float(sm_mm), surface_lag_h=float(lag_h))


def make_crew(basin: Basin, params: ModelParams, step_s: float, members: int, seed: int) -> Crew:
    """Draw members around the parameters of the run.

    Parameters
    ----------
    basin, params
        Of the run.
    step_s
        Length of a step.
    members
        How many.
    seed
        Draws them; the same seed gives the same members.
    """
    random = np.random.default_rng([seed, 0x4D45])
    land = params.runoff
    drawn = []
    for _ in range(members):
        um, lm, dm, sm = random.lognormal(0.0, _SPREAD_CAPACITY, 4)
        drawn.append(
            replace(
                land,
                um_mm=land.um_mm * um,
                lm_mm=land.lm_mm * lm,
                dm_mm=land.dm_mm * dm,
                sm_mm=land.sm_mm * sm,
                b=land.b * random.lognormal(0.0, _SPREAD_CURVE),
                surface_lag_h=land.surface_lag_h * random.lognormal(0.0, _SPREAD_LAG),
            )
        )
    parts = []
    for piece in basin.rivers.pieces:
        cut = segments(piece.network, step_s)
        # kc = a dt / dx with a = (sqrt(S0) / n)^0.6 B^-0.4
        parts.append(tuple(replace(cut, kc=cut.kc * n**-0.6) for n in _ROUGHNESS))
    return Crew(
        tuple(drawn),
        random.normal(0.0, _SPREAD_WETNESS, members),
        random.normal(0.0, _SPREAD_FLOW, members),
        tuple(parts),
        np.arange(members) % len(_ROUGHNESS),
        rain_errors(basin),
    )


def begin(
    crew: Crew, state: FloodState, params: ModelParams, random: np.random.Generator
) -> Members:
    """Members around the state of the run, as uncertain as nothing but the model makes them."""
    own = np.array(capacities(params.runoff))
    base = np.stack([state.soil[name].values for name in runoff.STORES], axis=1)
    n = len(crew.params)
    soil = np.repeat(base[None].astype(np.float64), n, axis=0)
    share = soil[:, :, :4] / own
    share[:, :, :_TENSION] += crew.wetness[:, None, None]
    soil[:, :, :4] = np.clip(share, 0.0, 1.0) * crew.capacity_mm[:, None, :]
    soil[:, :, 4:] *= np.exp(crew.flow)[:, None, None]
    factor = np.exp(crew.flow)
    outflow = tuple(c["outflow_m3_s"].values[:, None] * factor for c in state.rivers.channels)
    storage = tuple(c["storage_m3"].values[:, None] * factor**0.6 for c in state.rivers.channels)
    knots = len(crew.rain.hours)
    drawn = [[getattr(own, name) for own in crew.params] for name in LEARNED]
    usual = np.array([[getattr(params.runoff, name)] for name in LEARNED])
    return Members(
        soil, outflow, storage, random.normal(size=(knots, n)), np.zeros(knots),
        np.log(np.array(drawn) / usual), np.zeros(len(LEARNED)),
    )  # fmt: skip


def step(
    basin: Basin,
    crew: Crew,
    members: Members,
    rain_mm: Array,
    fed_m3_s: Array,
    step_s: float,
    params: ModelParams,
    reaches: NDArray[np.int64],
    random: np.random.Generator,
) -> tuple[Members, Array]:
    """Bring members forward over one step.

    Parameters
    ----------
    basin, crew, params
        Of the run; of the members.
    members
        At the start.
    rain_mm
        (unit,) that fell in the step.
    fed_m3_s
        (work,) what works let out in the step, by the run.
    step_s
        Length of the step.
    reaches
        Whose discharge is wanted.
    random
        Draws the errors of rain.

    Returns
    -------
    Members at the end, and discharge (reach, member) in m3/s.
    """
    kept = crew.rain.kept(step_s)
    keep, fresh = kept[:, None], random.normal(size=members.rain_error.shape)
    error = keep * members.rain_error + np.sqrt(1.0 - keep**2) * fresh
    factor = crew.rain.members(error)
    n = len(crew.params)
    soil, runoff_mm = np.empty_like(members.soil_mm), np.empty((len(rain_mm), n))
    for k, drawn in enumerate(crew.params):
        bare = replace(drawn, **{name: getattr(params.runoff, name) for name in LEARNED})
        own = learned_land(bare, members.land[:, k])
        run = runoff.run((rain_mm * factor[:, k])[None], members.soil_mm[k], step_s, own)
        soil[k], runoff_mm[:, k] = run.stores_mm, run.runoff_mm[0]
    lateral = np.asarray(basin.weights @ runoff_mm) * (M3_PER_MM_KM2 / step_s)
    found = np.empty((len(reaches), n))
    outflow, storage = [], []
    for number, piece in enumerate(basin.rivers.pieces):
        local = np.ascontiguousarray(lateral[piece.reaches])
        for work, reach in piece.fed:
            local[reach] += fed_m3_s[work]
        mine = np.flatnonzero(np.isin(reaches, piece.reaches))
        wanted = np.searchsorted(piece.reaches, reaches[mine])
        unique, back = np.unique(wanted, return_inverse=True)
        out, held = (
            np.empty_like(members.outflow_m3_s[number]),
            np.empty_like(members.storage_m3[number]),
        )
        for group, parts in enumerate(crew.parts[number]):
            of = np.flatnonzero(crew.groups == group)
            flow, out[:, of], held[:, of] = advance(
                parts,
                params.method,
                np.ascontiguousarray(local[None][:, :, of]),
                members.outflow_m3_s[number][:, of],
                members.storage_m3[number][:, of],
                unique,
            )
            found[np.ix_(mine, of)] = flow[0][back]
        outflow.append(out)
        storage.append(held)
    return replace(
        members,
        soil_mm=soil,
        outflow_m3_s=tuple(outflow),
        storage_m3=tuple(storage),
        rain_error=error,
        own_error=kept * members.own_error,
    ), found
