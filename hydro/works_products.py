"""What a run tells of reservoirs and of the tidal gate, as variables of the flows."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.fields import attrs
from jinghu.hydro.regulated import Regulated
from jinghu.hydro.release_rules import rule_names
from jinghu.hydro.works import Works

_TIME = ("time", "reservoir")


def works_products(works: Works, routed: Regulated, times: NDArray[np.datetime64]) -> xr.Dataset:
    """Reservoirs and gate over time; an empty Dataset where there is neither.

    Parameters
    ----------
    works, routed
        The works and their run.
    times
        Ends of the steps.

    Returns
    -------
    ``reservoir_inflow``, ``reservoir_release`` (through gates), ``reservoir_spill``: means over
    the step that ends at ``time``; ``reservoir_level``, ``reservoir_storage``,
    ``reservoir_free_storage`` (up to the dam's crest), ``reservoir_flood_limit`` at ``time``;
    ``reservoir_rule``: what set the release. Of the gate: ``pond_level``, ``tide_level``,
    ``gate_discharge``, ``gate_open`` ``(time)``.
    """
    found = xr.Dataset(coords={"time": times})
    if works.reservoirs:
        found = found.merge(_reservoirs(works, routed, times))
    if works.gate is not None and routed.gate is not None:
        site, run = works.gate.site, routed.gate
        level = attrs("water_level") | {"vertical_datum": site.datum}
        source = {"source": site.source}
        found = found.assign(
            pond_level=("time", run.level_m[:, 0].astype(np.float32), level | source),
            tide_level=(
                "time",
                run.tide_m.astype(np.float32),
                level | {"source": site.tide.source},
            ),
            gate_discharge=(
                "time",
                run.outflow_m3_s[:, 0].astype(np.float32),
                attrs("river_discharge") | {"cell_methods": "time: mean"},
            ),
            gate_open=("time", run.is_open[:, 0], {"units": "1"}),
        ).assign_attrs(gate_name_zh=site.name_zh, gate_name_en=site.name_en)
    return found


def _reservoirs(works: Works, routed: Regulated, times: NDArray[np.datetime64]) -> xr.Dataset:
    """Reservoirs over time, with names, places and levels of each."""
    sites = [p.site for p in works.reservoirs]
    flow = attrs("river_discharge") | {"cell_methods": "time: mean"}
    level = attrs("water_level") | {"long_name": "level, above reservoir_datum"}
    volume = {"units": "m3"}

    def of(values: list[NDArray[np.float64]], of_what: Mapping[str, object]) -> xr.Variable:
        return xr.Variable(_TIME, np.stack(values, axis=1).astype(np.float32), of_what)

    pools = routed.pools
    stored = [pool.volume_m3[:, 0] for pool in pools]
    crest = [float(s.table().volume(s.crest_level_m)) for s in sites]
    rules = np.array(
        [[p.name(int(b)) for b in pool.bound[:, 0]] for p, pool in
         zip(routed.policies, pools, strict=True)], object
    ).T  # fmt: skip
    n = len(sites)
    texts = {
        "reservoir_id": [s.id for s in sites],
        "reservoir_name_zh": [s.name_zh for s in sites],
        "reservoir_name_en": [s.name_en for s in sites],
        "reservoir_river": [s.river for s in sites],
        "reservoir_datum": [s.datum for s in sites],
        "reservoir_source": [s.source for s in sites],
    }
    numbers = {
        "reservoir_lon": ([s.lon for s in sites], "degrees_east"),
        "reservoir_lat": ([s.lat for s in sites], "degrees_north"),
        "reservoir_catchment": ([s.catchment_km2 for s in sites], "km2"),
        "reservoir_network_area": ([p.network_km2 for p in works.reservoirs], "km2"),
        "reservoir_snap_distance": ([p.distance_m for p in works.reservoirs], "m"),
        "reservoir_normal_level": ([s.normal_level_m for s in sites], "m"),
        "reservoir_crest_level": ([s.crest_level_m for s in sites], "m"),
    }
    return xr.Dataset(
        {
            "reservoir_inflow": of([routed.inflow_m3_s[:, k] for k in range(n)], flow),
            "reservoir_release": of([p.release_m3_s[:, 0] for p in pools], flow),
            "reservoir_spill": of([p.spill_m3_s[:, 0] for p in pools], flow),
            "reservoir_level": of([p.level_m[:, 0] for p in pools], level),
            "reservoir_storage": of(stored, volume),
            "reservoir_free_storage": of(
                [c - v for c, v in zip(crest, stored, strict=True)],
                volume | {"long_name": "free storage up to the crest of the dam"},
            ),
            "reservoir_flood_limit": of([s.flood_limit_m(times) for s in sites], level),
            "reservoir_rule": xr.Variable(
                _TIME,
                rules,
                {"long_name": "rule that set the release", "rule_names": _names(works)},
            ),
        },
        coords={
            "time": times,
            **{name: ("reservoir", np.array(v, object)) for name, v in texts.items()},
            **{
                name: ("reservoir", np.array(v, np.float64), {"units": units})
                for name, (v, units) in numbers.items()
            },
            "reservoir_reach": (
                "reservoir",
                np.array([p.reach for p in works.reservoirs], np.int32),
            ),
        },
    )


def _names(works: Works) -> list[str]:
    """``id=name`` of all rules, for screens."""
    pairs = {k: v for p in works.reservoirs for k, v in rule_names(p.site.release).items()}
    return [f"{k}={v}" for k, v in pairs.items()]
