"""The melting layer in a cycle: what its volumes show, followed from cycle to cycle and pooled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import xarray as xr

from jinghu.configs.settings import RadarSettings
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, from_numpy, isoformat, to_numpy
from jinghu.radar.melting import MeltingLayer, melting_layer
from jinghu.radar.melting_profile import MeltingParams
from jinghu.radar.volume import Volume
from jinghu.stages import StageLog

_UNDER_FREEZING_M = 500.0  # melting begins so far below 0 degrees of a setting


class Source(StrEnum):
    """Where the level that a cycle uses came from."""

    MOMENTS = "moments"  # of volumes of this cycle
    CARRIED = "carried"  # of volumes of earlier ones
    SETTING = "setting"


@dataclass(frozen=True, slots=True)
class FollowParams:
    """How the layer is followed, and how fast the level that is used follows it.

    Parameters
    ----------
    lasts
        Age up to which what a radar saw is used.
    drift_m2_h
        Variance that the height gains in an hour: 150 m.
    alike
        Time over which errors are the same errors: the rain and the beams are.
    jump
        Standard errors from which a height is first disbelieved, and believed when the next one
        agrees.
    step_m
        The level that is used comes in such steps, and stays until the layer is a step away from
        it: rain made with another one is to be made again.
    """

    lasts: timedelta = timedelta(hours=3)
    drift_m2_h: float = 150.0**2
    alike: timedelta = timedelta(minutes=30)
    jump: float = 3.0
    step_m: float = 100.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one radar last showed of the layer, smoothed, and when."""

    radar: str
    layer: MeltingLayer
    time: datetime


@dataclass(frozen=True, slots=True)
class Level:
    """Bottom and top of the layer, above mean sea level, that a cycle takes for all its radars."""

    bottom_m: float
    top_m: float
    source: Source

    @property
    def layer_m(self) -> tuple[float, float] | None:
        """The layer where it was seen, None where it is a setting."""
        return None if self.source is Source.SETTING else (self.bottom_m, self.top_m)


@dataclass(frozen=True, slots=True)
class Melting:
    """What is known of the layer: by radar; and the level that a cycle uses."""

    seen: Mapping[str, Seen]
    level: Level


def setting(settings: RadarSettings) -> Level:
    """Level of an installation that has seen none."""
    top_m = settings.freezing_level_m
    return Level(top_m - _UNDER_FREEZING_M, top_m, Source.SETTING)


def nothing_seen(settings: RadarSettings) -> Melting:
    """What an installation knows that has seen no layer."""
    return Melting({}, setting(settings))


def melting_before(store: Store, time: datetime, settings: RadarSettings, log: StageLog) -> Melting:
    """What the cycle before knew of the layer, and the level that it used."""
    state = load_state(store, cycle_name(time), "melting", report=log.degrade)
    return nothing_seen(settings) if state is None else from_dataset(state[1])


def melting_now(
    volumes: Iterable[Volume],
    before: Melting,
    time: datetime,
    settings: RadarSettings,
    params: FollowParams | None = None,
) -> Melting:
    """Look at each radar's newest volume, and settle the level for this cycle.

    Parameters
    ----------
    volumes, time
        Of this cycle.
    before
        What the cycle before knew.
    settings, params
        The level where none was seen; how it is followed.
    """
    params = params or FollowParams()
    newest = {v.radar: v for v in sorted(volumes, key=lambda v: v.time)}
    seen, fresh = dict(before.seen), set()
    for code, volume in newest.items():
        known = seen.get(code)
        if known is not None and known.time >= volume.time:
            continue
        layer = melting_layer(volume, MeltingParams())
        if layer is not None:
            seen[code] = followed(known, Seen(code, layer, volume.time), params)
            fresh.add(code)
    kept = {code: one for code, one in seen.items() if time - one.time <= params.lasts}
    source = Source.MOMENTS if fresh & kept.keys() else Source.CARRIED
    pool = pooled(list(kept.values()), time, params)
    if pool is None:
        return Melting(kept, setting(settings))
    return Melting(kept, settled(pool, before.level, source, params.step_m))


def followed(before: Seen | None, now: Seen, params: FollowParams) -> Seen:
    """What a radar showed, after one more volume: a scalar Kalman filter of the heights.

    The measurement error is that of ``alike``, shared among the volumes in it, as
    `jinghu.radar.monitor.followed` does.
    """
    if before is None or now.time - before.time > params.lasts:
        return now
    old, new = before.layer, now.layer
    error_m = _aged(before, now.time, params)
    surprise = new.bottom_m - old.bottom_m
    if abs(surprise) > params.jump * np.hypot(error_m, new.error_m):
        return replace(now, layer=replace(old, error_m=abs(surprise)))
    share = max(params.alike / (now.time - before.time), 1.0)
    gain = error_m**2 / (error_m**2 + share * new.error_m**2)
    layer = MeltingLayer(
        old.bottom_m + gain * surprise,
        old.top_m + gain * (new.top_m - old.top_m),
        max(float(np.sqrt(1.0 - gain)) * error_m, MeltingParams().error_m),
        new.gates,
    )
    return replace(now, layer=layer)


def pooled(
    seen: Sequence[Seen], time: datetime, params: FollowParams
) -> tuple[float, float] | None:
    """Bottom and top of the layer by all radars, the surer the more; None where none saw it.

    The layer of a city is level: radars that did not see it take it from those that did.
    """
    if not seen:
        return None
    weight = np.array([_aged(one, time, params) ** -2 for one in seen])
    bottoms = np.array([one.layer.bottom_m for one in seen])
    tops = np.array([one.layer.top_m for one in seen])
    total = weight.sum()
    return float((weight * bottoms).sum() / total), float((weight * tops).sum() / total)


def _aged(one: Seen, time: datetime, params: FollowParams) -> float:
    """Standard error of what was seen, at a later time."""
    hours = max((time - one.time) / timedelta(hours=1), 0.0)
    return float(np.sqrt(one.layer.error_m**2 + params.drift_m2_h * hours))


def settled(pool: tuple[float, float], before: Level, source: Source, step_m: float) -> Level:
    """The level in steps; that of the cycle before where it is less than a step away.

    A level that was a setting is left at once.
    """
    bottom_m, top_m = pool
    if before.source is not Source.SETTING and abs(bottom_m - before.bottom_m) < step_m:
        return replace(before, source=source)
    return Level(step_m * round(bottom_m / step_m), step_m * round(top_m / step_m), source)


def melting_rows(melting: Melting, radars: Iterable[str]) -> list[dict[str, object]]:
    """Rows of the manifest, one a radar: the level that was used, and what the radar saw itself."""
    rows = []
    for code in sorted({*radars, *melting.seen}):
        one = melting.seen.get(code)
        rows.append(
            {
                "radar": code,
                "melting_layer_bottom_m": melting.level.bottom_m,
                "melting_layer_top_m": melting.level.top_m,
                "source": str(melting.level.source),
                "own_bottom_m": None if one is None else round(one.layer.bottom_m),
                "own_top_m": None if one is None else round(one.layer.top_m),
                "own_error_m": None if one is None else round(one.layer.error_m),
                "gates": 0 if one is None else one.layer.gates,
                "seen": None if one is None else isoformat(one.time),
            }
        )
    return rows


def to_dataset(melting: Melting) -> xr.Dataset:
    """What is known as a state: one row a radar, codes in the attribute ``radars``."""
    rows = [melting.seen[code] for code in sorted(melting.seen)]
    layers = [row.layer for row in rows]
    height = {"units": "m", "standard_name": "altitude"}
    level = melting.level
    return xr.Dataset(
        {
            "bottom": ("radar", np.array([one.bottom_m for one in layers], np.float64), height),
            "top": ("radar", np.array([one.top_m for one in layers], np.float64), height),
            "error": ("radar", np.array([one.error_m for one in layers], np.float64)),
            "gates": ("radar", np.array([one.gates for one in layers], np.int64)),
            "seen": ("radar", np.array([to_numpy(row.time) for row in rows], "datetime64[ns]")),
        },
        attrs={
            "radars": " ".join(row.radar for row in rows),
            "melting_layer_bottom_m": level.bottom_m,
            "melting_layer_top_m": level.top_m,
            "source": str(level.source),
        },
    )


def from_dataset(state: xr.Dataset) -> Melting:
    """Read what `to_dataset` made."""
    columns = [state[name].values for name in ("bottom", "top", "error", "gates", "seen")]
    seen = {}
    for code, *row in zip(str(state.attrs["radars"]).split(), *columns, strict=True):
        bottom, top, error, gates, when = row
        layer = MeltingLayer(float(bottom), float(top), float(error), int(gates))
        seen[code] = Seen(code, layer, from_numpy(when))
    attrs = state.attrs
    level = Level(
        float(attrs["melting_layer_bottom_m"]),
        float(attrs["melting_layer_top_m"]),
        Source(attrs["source"]),
    )
    return Melting(seen, level)
