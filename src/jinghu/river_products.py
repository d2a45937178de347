"""Flows with what river reports have taught: corrected, with intervals, reports beside them."""

from datetime import datetime

import numpy as np
import xarray as xr

from jinghu.grid.fields import attrs
from jinghu.grid.times import to_numpy
from jinghu.hydro.members import make_crew
from jinghu.hydro.model import FloodState, depth_m, restaged_m
from jinghu.hydro.output_correction import corrected, foreseen, log_sd
from jinghu.hydro.updating import ends_of_reaches
from jinghu.river_known import observed
from jinghu.river_update import SEED, Taken, Watch

_NINETY = 1.6449  # standard normal: 5 % lie beyond it on either side


def forecast_corrected(flows: xr.Dataset, taken: Taken, watch: Watch, time: datetime) -> xr.Dataset:
    """Flows with what gauges have taught: residuals, 90 % intervals, observations beside them.

    Parameters
    ----------
    flows
        From the analysis time on, computed from the corrected state.
    taken, watch
        What reports came to.
    time
        Analysis time.

    Returns
    -------
    ``gauge_discharge`` and ``water_level`` corrected at the gauges that report;
    ``gauge_discharge_computed`` as it was; ``gauge_discharge_lower``, ``_upper``,
    ``water_level_lower``, ``_upper`` (5 and 95 %); ``observed_water_level``,
    ``observed_discharge`` ``(observation_time, gauge)``.
    """
    lead_s = (flows["time"].values - to_numpy(time)) / np.timedelta64(1, "s")
    residuals = taken.known.residuals
    computed = flows["gauge_discharge"].values.astype(np.float64)
    flow = corrected(computed, foreseen(residuals, lead_s, watch.step_s))
    off = _NINETY * log_sd(residuals, lead_s)
    bounds = {"": flow, "_lower": flow * np.exp(-off), "_upper": flow * np.exp(off)}
    network, at = watch.basin.network, watch.reaches
    level = flows["water_level"].values.astype(np.float64)
    uniform = network.bed_m[at] + depth_m(network, at, computed)
    variables: dict[str, object] = {
        "gauge_discharge_computed": flows["gauge_discharge"].assign_attrs(
            long_name="before the correction at the gauge"
        )
    }
    for suffix, values in bounds.items():
        stage = restaged_m(level, uniform, network.bed_m[at] + depth_m(network, at, values))
        silent = np.isnan(residuals.last) if not suffix else np.zeros(len(at), bool)
        for name, new in (("gauge_discharge", values), ("water_level", stage)):
            old = flows[name]
            kept = np.where(silent, old.values, new.astype(np.float32))
            text = {"long_name": f"{old.attrs.get('long_name', name)}, 5 % lie {suffix[1:]}"}
            variables[name + suffix] = (
                ("time", "gauge"), kept, old.attrs | (text if suffix else {}),
            )  # fmt: skip
    seen = observed(taken.known.seen, len(at))
    seen["observed_water_level"].attrs |= attrs("water_level") | {
        "long_name": "water level as reported, above the station's own datum"
    }
    seen["observed_discharge"].attrs |= attrs("river_discharge")
    return flows.assign(variables).merge(seen)


def at_gauges_now(flows: xr.Dataset, watch: Watch, state: FloodState) -> xr.Dataset:
    """Flows of one time with the discharges of a corrected state."""
    crew = make_crew(watch.basin, watch.params, watch.step_s, 2, SEED)
    channels = tuple(c["outflow_m3_s"].values[:, None] for c in state.rivers.channels)
    n = watch.basin.network.n_reaches
    flow = ends_of_reaches(watch.basin, crew, channels, np.arange(n))[:, 0]
    at = watch.reaches
    level = flows["water_level"].values[0].astype(np.float64)
    old = flows["gauge_discharge"].values[0].astype(np.float64)
    network = watch.basin.network
    uniform = network.bed_m[at] + depth_m(network, at, old)
    new = network.bed_m[at] + depth_m(network, at, flow[at])
    new = restaged_m(level, uniform, new)
    return flows.assign(
        river_discharge=flows["river_discharge"].copy(data=flow[None].astype(np.float32)),
        gauge_discharge=flows["gauge_discharge"].copy(data=flow[None, at].astype(np.float32)),
        water_level=flows["water_level"].copy(data=new[None].astype(np.float32)),
    )
