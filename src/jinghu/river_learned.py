"""What river reports have taught of rain and land, as the flood model takes it."""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import xarray as xr

from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, parse_cycle_name
from jinghu.hydro.members import Members, learned_land
from jinghu.hydro.model import M3_PER_MM_KM2, Basin, ModelParams, amounts_of
from jinghu.hydro.rain_errors import rain_errors
from jinghu.river_known import from_dataset
from jinghu.river_reports import STATE
from jinghu.river_update import Watch


@dataclass(frozen=True, slots=True)
class Learned:
    """Corrections of a run of the flood model; none of them without members.

    Parameters
    ----------
    basin
        Network and runoff units.
    members
        That were taught, by reports up to the time that runs start from.
    step_s
        Length of a step.
    """

    basin: Basin
    members: Members | None
    step_s: float

    def rain(self, rain: xr.Dataset) -> xr.Dataset:
        """Rain (time, y, x) of the steps from that time on, times the factors to be expected."""
        if self.members is None:
            return rain
        amounts = rain["rainfall_amount"]
        values = amounts.values.copy()
        ages_s = np.arange(1.0, len(values) + 1.0, dtype=np.float64) * self.step_s
        factors = rain_errors(self.basin).expected(self.members.own_error, ages_s)
        values.reshape(len(values), -1)[:, self.basin.cell_id] *= factors.astype(values.dtype)
        return rain.assign(rainfall_amount=amounts.copy(data=values))

    def land(self, params: ModelParams) -> ModelParams:
        """Parameters with the land that reports have shown."""
        if self.members is None:
            return params
        return replace(params, runoff=learned_land(params.runoff, self.members.own_land))


def learned_by(cycle: str, store: Store, watch: Watch) -> Learned:
    """What the reports up to a cycle have taught, of the state that it left."""
    later = cycle_name(parse_cycle_name(cycle) + timedelta(minutes=1))
    kept = load_state(store, later, STATE)
    known = None
    if kept is not None and kept[0] == cycle:
        known = from_dataset(kept[1], watch.mark)
    return Learned(watch.basin, None if known is None else known.members, watch.step_s)


def added_rain_m3(basin: Basin, corrected: xr.Dataset, observed: xr.Dataset) -> float:
    """Water that a correction of the rain added (negative: took)."""
    more_mm = amounts_of(corrected, basin).sum(axis=0) - amounts_of(observed, basin).sum(axis=0)
    return float((basin.weights @ more_mm).sum() * M3_PER_MM_KM2)
