"""Flash floods of a cycle: critical rain of small catchments, how rare the flows are, and when."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.configs.settings import Settings
from jinghu.grid import durable
from jinghu.grid.errors import DataError, StoreError
from jinghu.grid.fields import attrs
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, to_numpy
from jinghu.hydro import runoff
from jinghu.hydro.critical_rain import CriticalRainParams, critical_rain, worst_ratio
from jinghu.hydro.design_rain import read_design_rain
from jinghu.hydro.flood_quantiles import FloodQuantiles, flood_quantiles, return_period
from jinghu.hydro.land import Land, catchment_rain, regulated
from jinghu.hydro.model import Basin, ModelParams, amounts_of
from jinghu.stages import StageLog

STATE = "critical-rain"
_VERSION = 1  # of files of flood quantiles
_STEP_S = 720.0  # of critical rain; rain within it is even
_HOUR = np.timedelta64(1, "h")

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FlashFloods:
    """What there is to publish, by ``reach``, for the report, and what the next cycle needs."""

    dataset: xr.Dataset
    summary: dict[str, object]
    state: dict[str, xr.Dataset]


def flash_floods(
    basin: Basin,
    soil: xr.Dataset,
    flows: xr.Dataset,
    rain: tuple[xr.Dataset, xr.Dataset],
    time: datetime,
    params: ModelParams,
    store: Store,
    settings: Settings,
    log: StageLog,
) -> FlashFloods:
    """Measure the rain by the critical rain, and the flows by floods of known rarity.

    Parameters
    ----------
    basin, soil, params
        Network, soil at ``time``, and the model's parameters.
    flows
        ``river_discharge(time, reach)`` from ``time`` on.
    rain
        Step amounts, observed up to ``time`` and forecast after it; NaN counts as none.
    time
        Analysis time.
    store, settings, log
        Of the installation; where it is told what cannot be had.
    """
    if settings.hydro.design_rain is None:
        return FlashFloods(xr.Dataset(), {}, {})
    try:
        quantiles = quantiles_of(basin, params, store, settings)
    except (DataError, StoreError) as error:
        log.degrade(f"no critical rain, no return periods: {error}")
        return FlashFloods(xr.Dataset(), {}, {})
    of = CriticalRainParams()
    known = _known_starts(basin, store, time, settings, of)
    minutes = time.hour * 60 + time.minute
    if not known or minutes % settings.hydro.critical_rain_every_min == 0:
        stores = runoff.soil_stores(soil, basin.cell_id)
        land = Land(basin, stores, params.runoff, params.method)
        critical = quantiles.of(settings.hydro.critical_return_period_years)
        critical[regulated(basin)] = np.nan
        known[to_numpy(time)] = critical_rain(land, critical, of, _STEP_S)
    found = _rarity(quantiles, flows).merge(_ratios(basin, known, rain, time, of))
    found.attrs = {
        "design_rain_source": quantiles.source,
        "critical_return_period_years": settings.hydro.critical_return_period_years,
    }
    return FlashFloods(found, _summary(found), {STATE: _state(basin, known, settings, of)})


def quantiles_of(
    basin: Basin, params: ModelParams, store: Store, settings: Settings
) -> FloodQuantiles:
    """Floods of the installation: worked out once for a network and a table, then kept.

    Raises
    ------
    DataError
        Where the table of design rain cannot be read.
    """
    assert settings.hydro.design_rain is not None
    table = read_design_rain(settings.hydro.design_rain)
    what = f"{_VERSION} {basin.network.fingerprint()} {table!r} {params!r} {_STEP_S}"
    key = hashlib.sha256(what.encode() + basin.cell_id.tobytes()).hexdigest()[:16]
    path = store.root / "static" / f"flood-quantiles-{key}.nc"
    kept = _read_quantiles(path, table.source)
    if kept is not None:
        return kept
    stores = runoff.initial_stores(
        len(basin.cell_id),
        params.initial_wetness,
        params.initial_baseflow_m3_s_km2,
        params.runoff,
    )
    land = Land(basin, stores, params.runoff, params.method)
    found = flood_quantiles(land, table, _STEP_S)
    _write_quantiles(path, found)
    return found


def _read_quantiles(path: Path, source: str) -> FloodQuantiles | None:
    """Those of an earlier cycle; None where there are none that can be read."""
    try:
        with xr.open_dataset(path, engine="netcdf4") as kept:
            return FloodQuantiles(kept["year"].values, kept["discharge"].values, source)
    except (OSError, KeyError, ValueError):
        return None


def _write_quantiles(path: Path, found: FloodQuantiles) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.remove_leftovers(path.parent)
    temporary = durable.temporary_beside(path)
    xr.Dataset(
        {"discharge": (("year", "reach"), found.discharge_m3_s, {"units": "m3 s-1"})},
        coords={"year": ("year", found.years, {"long_name": "return period in years"})},
        attrs={"source": found.source},
    ).to_netcdf(temporary, engine="netcdf4")
    durable.fsync_path(temporary)
    durable.rename_durable(temporary, path)


def _known_starts(
    basin: Basin, store: Store, time: datetime, settings: Settings, of: CriticalRainParams
) -> dict[np.datetime64, Array]:
    """Critical rain (duration, reach) of earlier times, back to where the longest window begins."""
    found = load_state(store, cycle_name(time), STATE)
    if found is None:
        return {}
    state = found[1]
    years = settings.hydro.critical_return_period_years
    if (
        state.attrs.get("network") != basin.network.fingerprint()
        or state.attrs.get("return_period_years") != years
        or tuple(state["duration"].values) != of.hours
    ):
        return {}
    oldest = to_numpy(time) - np.timedelta64(timedelta(hours=max(of.hours)))
    return {
        start: state["critical_rainfall"].values[k].astype(np.float64)
        for k, start in enumerate(state["start"].values)
        if oldest <= start < to_numpy(time)
    }


def _state(
    basin: Basin,
    known: Mapping[np.datetime64, Array],
    settings: Settings,
    of: CriticalRainParams,
) -> xr.Dataset:
    values = np.stack(list(known.values())).astype(np.float32)
    return xr.Dataset(
        {"critical_rainfall": (("start", "duration", "reach"), values, {"units": "mm"})},
        coords={"start": np.array(list(known)), "duration": list(of.hours)},
        attrs={
            "network": basin.network.fingerprint(),
            "return_period_years": settings.hydro.critical_return_period_years,
        },
    )


def _ratios(
    basin: Basin,
    known: Mapping[np.datetime64, Array],
    rain: tuple[xr.Dataset, xr.Dataset],
    time: datetime,
    of: CriticalRainParams,
) -> xr.Dataset:
    """Critical rain now, and the worst share of it that falls over windows of each duration."""
    since = min(known)
    parts = [one.sel(time=one["time"] > since) for one in rain]
    parts = [one for one in parts if one.sizes["time"]]
    times = np.concatenate([one["time"].values for one in parts])
    fell = catchment_rain(
        basin, np.concatenate([np.nan_to_num(amounts_of(one, basin)) for one in parts])
    )
    step = times[1] - times[0]
    starts = np.array(list(known))
    rows = ((starts - (times[0] - step)) // step).astype(np.int64)
    inside = (rows >= 0) & (rows < len(fell))
    critical = np.stack(list(known.values()))
    ratio = np.stack(
        [
            worst_ratio(critical[inside, k], fell, int(hours * _HOUR // step), rows[inside])
            for k, hours in enumerate(of.hours)
        ]
    )
    dims = ("duration", "reach")
    newest = critical[int(starts.argmax())]
    return xr.Dataset(
        {
            "critical_rainfall": (dims, newest.astype(np.float32), attrs("critical_rainfall")),
            "critical_rainfall_ratio": (
                dims,
                ratio.astype(np.float32),
                attrs("critical_rainfall_ratio"),
            ),
        },
        coords={"duration": ("duration", list(of.hours), {"units": "h"})},
    )


def _summary(found: xr.Dataset) -> dict[str, object]:
    """How many catchments are beyond their critical rain, and the rarest flood."""
    ratio = np.nan_to_num(found["critical_rainfall_ratio"].values)
    return {
        "catchments": int(np.isfinite(found["critical_rainfall"].values[0]).sum()),
        "beyond_critical_rain": int((ratio >= 1.0).any(axis=0).sum()),
        "largest_return_period_years": round(float(found["flood_return_period"].max()), 1),
    }


def _rarity(quantiles: FloodQuantiles, flows: xr.Dataset) -> xr.Dataset:
    """How rare the highest flow of each reach is, and when it passes each return period."""
    discharge = flows["river_discharge"].transpose("time", "reach").values
    lead_h = (flows["time"].values - flows["time"].values[0]) / _HOUR
    onset = np.full((len(quantiles.years), discharge.shape[1]), np.nan)
    for k, threshold in enumerate(quantiles.discharge_m3_s):
        over = discharge >= threshold
        onset[k] = np.where(over.any(axis=0), lead_h[over.argmax(axis=0)], np.nan)
    years = return_period(quantiles, discharge.max(axis=0))
    return xr.Dataset(
        {
            "flood_return_period": (
                "reach",
                years.astype(np.float32),
                attrs("flood_return_period"),
            ),
            "flood_onset": (
                ("return_period", "reach"),
                onset.astype(np.float32),
                attrs("flood_onset"),
            ),
        },
        coords={"return_period": ("return_period", quantiles.years, {"long_name": "years"})},
    )
