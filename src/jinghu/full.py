"""The full part of a cycle: an ensemble, probabilities, and the rain of the members."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.configs.settings import NowcastSettings, Settings
from jinghu.grid.accumulation import block_amounts, coarsen_mean
from jinghu.grid.advection import motion_array
from jinghu.grid.fields import attrs
from jinghu.grid.observations import RATE_SCALE, observed_rate
from jinghu.grid.store import Part, Store, packed
from jinghu.grid.times import cycle_name
from jinghu.model_blend import Blending, blended_members
from jinghu.nowcast.ensemble import EnsembleParams, ensemble
from jinghu.nowcast.member_windows import MemberWindows, member_windows
from jinghu.nowcast.probabilities import exceedance, neighbourhood
from jinghu.publish import CELLS, OUTLOOK, WINDOWS_H, point_table
from jinghu.rainfall import Rainfall
from jinghu.self_calibration import Learned, calibrated_leads, laws, manifest_entry
from jinghu.stages import StageLog

_FRAMES = 3  # that tell how fast scales decay
_NODE_M = 4_000.0  # trajectories are followed on nodes so far apart
_WORKERS = 2
_SHARE_SCALE = 1e-4


@dataclass(frozen=True, slots=True)
class MemberRain:
    """What an ensemble gives on the product grid.

    Parameters
    ----------
    rates
        (member, lead, y, x) mm/h, lead 0 first: the analysis.
    rate_shares
        (threshold, lead, y, x) smoothed shares of the members, lead 0 first; once calibrated.
    """

    rates: NDArray[np.float32]
    rate_shares: NDArray[np.float32]


def full_due(settings: NowcastSettings, time: datetime) -> bool:
    """Whether a cycle has a full part."""
    minutes = time.hour * 60 + time.minute
    return settings.members > 0 and minutes % settings.full_every_min == 0


def publish_full(
    fast: Part,
    rainfall: Rainfall,
    motion: xr.Dataset,
    blending: Blending | None,
    time: datetime,
    settings: Settings,
    log: StageLog,
    learned: Learned,
) -> Part:
    """Make the ensemble of a cycle and publish it with all that the fast part holds.

    Parameters
    ----------
    fast
        The fast part of the cycle, as published.
    rainfall, motion, blending, time
        Of the cycle; without a model there is no blending.
    settings, log
        Of the installation; of the cycle.
    learned
        What came true of earlier probabilities, by which those of rates are calibrated.

    Raises
    ------
    StoreError
        Where the store cannot be written.
    """
    store = Store(settings.store)
    members = member_rain(store, rainfall, motion, blending, time, settings, log)
    lead_min = [float(k * settings.nowcast.step_min) for k in range(settings.nowcast.leads + 1)]
    shares = calibrated_leads(members.rate_shares, laws(learned, lead_min))
    members = replace(members, rate_shares=shares)
    with fast.open("products.zarr") as opened:
        products = opened.load()
    whole = products.merge(probabilities(members, rainfall.best, products, settings))
    whole["probability_of_rate"].attrs["calibrated_from_forecasts"] = round(
        float(learned.forecasts.max(initial=0.0)), 2
    )
    manifest = {k: v for k, v in fast.manifest().items() if k not in ("products", "part", "cycle")}
    with store.publish(cycle_name(time), "full") as part:
        for name in ("working.zarr", "hydro.zarr", OUTLOOK, CELLS):
            if (fast.folder / name).exists():
                part.link(name, fast)
        part.dataset("products.zarr", whole, _encoding(whole))
        columns, table = point_table(whole)
        part.array("points.npy", table, {"columns": columns, "row": "cell_id"})
        rates = _members_dataset(members, products)
        shape = rates["rainfall_rate"].shape
        chunks = (shape[0], 1, *shape[2:])
        part.dataset(
            "members.zarr",
            rates,
            {"rainfall_rate": packed(RATE_SCALE, shape, chunks)},
        )
        part.manifest(
            **manifest | {"degradations": log.degradations, "seconds": log.totals()},
            ensemble={"members": settings.nowcast.members, "seed": seed_of(time)},
            probability_calibration=manifest_entry(learned, lead_min),
        )
    return store.part(cycle_name(time), "full")


def seed_of(time: datetime) -> int:
    """Seed of the random numbers of a cycle."""
    return int(time.timestamp())


def member_rain(
    store: Store,
    rainfall: Rainfall,
    motion: xr.Dataset,
    blending: Blending | None,
    time: datetime,
    settings: Settings,
    log: StageLog,
) -> MemberRain:
    """Run the ensemble, keeping of each lead what the product grid holds of it.

    Where there is a model, each member is blended with it.
    """
    spec, factor, of = settings.grid.product(), settings.grid.working_factor, settings.nowcast
    step = timedelta(minutes=of.step_min)
    frames = last_frames(store, rainfall, time, step, log)
    params = replace(params_of(settings), block_cells=factor)
    now = coarsen_mean(frames[-1], factor)
    rates = np.empty((of.members, of.leads + 1, *spec.shape), np.float32)
    rates[:, 0] = now
    shares = np.empty((len(of.rate_thresholds_mm_h), of.leads + 1, *spec.shape), np.float32)
    shares[:, 0] = exceedance(now[None], of.rate_thresholds_mm_h)
    per_step = motion_array(motion, step.total_seconds())
    for lead, of_lead in ensemble(frames, per_step, params, seed_of(time), _WORKERS):
        rates[:, lead] = of_lead
    if blending is not None:
        rates = blended_members(rates, blending, settings)
    for lead in range(1, of.leads + 1):
        alone = exceedance(rates[:, lead], of.rate_thresholds_mm_h)
        shares[:, lead] = neighbourhood(alone, _reach_cells(lead, settings))
    return MemberRain(rates, shares)


def params_of(settings: Settings) -> EnsembleParams:
    """Parameters of the ensemble, and of S-PROG, on the working grid."""
    of, cell_m = settings.nowcast, settings.grid.product().spacing_m / settings.grid.working_factor
    return EnsembleParams(
        members=max(of.members, 1),
        leads=of.leads,
        cell_km=cell_m / 1e3,
        step_min=of.step_min,
        node_cells=max(1, round(_NODE_M / cell_m)),
    )


def last_frames(
    store: Store, rainfall: Rainfall, time: datetime, step: timedelta, log: StageLog
) -> NDArray[np.float32]:
    """Analyses (frame, y, x) of this cycle and those a step apart before it, as far as known.

    Those of the store were made when their time came; what this cycle knows between its scans is
    interpolated and changes too little from step to step.
    """
    frames = [rainfall.observed_rates[-1]]
    for back in range(1, _FRAMES):
        found = observed_rate(store, time - back * step)
        if found is None or found.shape != frames[0].shape:
            break
        frames.insert(0, found)
    if len(frames) < _FRAMES:
        log.degrade(
            f"scales of rain from {len(frames)} of {_FRAMES} analyses: their decay is a guess"
        )
    return np.stack(frames)


def probabilities(
    members: MemberRain, history: xr.Dataset, products: xr.Dataset, settings: Settings
) -> xr.Dataset:
    """Probabilities of rates and of amounts over windows, and quantiles of these.

    Parameters
    ----------
    members
        The ensemble.
    history
        Step amounts ``rainfall_amount(time, y, x)`` up to now.
    products
        Of the fast part: their coordinates are those of the result.
    settings
        Thresholds and quantiles.
    """
    of = settings.nowcast
    step = timedelta(minutes=of.step_min)
    amounts = np.stack([block_amounts(one, step, 1) for one in members.rates])
    per_hour = timedelta(hours=1) // step
    found = member_windows(
        history["rainfall_amount"].values,
        amounts,
        tuple(hours * per_hour for hours in WINDOWS_H),
        of.amount_thresholds_mm,
        of.quantiles,
    )
    _smooth(found, settings)
    lead = ("lead_time", "y", "x")
    return xr.Dataset(
        {
            "probability_of_exceedance": (
                ("window", "threshold", *lead),
                found.shares,
                attrs("probability_of_exceedance"),
            ),
            "rainfall_amount_quantile": (
                ("window", "quantile", *lead),
                found.quantiles_mm,
                attrs("rainfall_amount_quantile"),
            ),
            "probability_of_rate": (
                ("rate_threshold", *lead),
                members.rate_shares,
                attrs("probability_of_rate"),
            ),
        },
        coords={
            "threshold": ("threshold", np.array(of.amount_thresholds_mm), {"units": "mm"}),
            "rate_threshold": (
                "rate_threshold",
                np.array(of.rate_thresholds_mm_h),
                {"units": "mm h-1"},
            ),
            "quantile": ("quantile", np.array(of.quantiles), {"units": "1"}),
            **{name: products[name] for name in ("window", "lead_time", "x", "y")},
        },
    )


def _smooth(found: MemberWindows, settings: Settings) -> None:
    """Average the shares over the neighbourhood of each lead, in place."""
    windows, thresholds, leads, ny, nx = found.shares.shape
    for lead in range(1, leads):
        of_lead = found.shares[:, :, lead].reshape(windows * thresholds, ny, nx)
        smooth = neighbourhood(of_lead, _reach_cells(lead, settings))
        found.shares[:, :, lead] = smooth.reshape(windows, thresholds, ny, nx)


def _reach_cells(lead: int, settings: Settings) -> float:
    """Standard deviation of the neighbourhood of a lead in cells of the product grid."""
    of = settings.nowcast
    reach_km = of.neighbourhood_km_h * lead * of.step_min / 60.0
    return reach_km * 1e3 / settings.grid.product().spacing_m


def _members_dataset(members: MemberRain, products: xr.Dataset) -> xr.Dataset:
    names = ("lead_time", "x", "y", "lat", "lon", "crs", "time")
    return xr.Dataset(
        {"rainfall_rate": (("member", "lead_time", "y", "x"), members.rates,
                           attrs("rainfall_rate"))},
        coords={
            "member": np.arange(len(members.rates)),
            **{name: products[name] for name in names if name in products.coords},
        },
    )  # fmt: skip


def _encoding(whole: xr.Dataset) -> dict[str, dict[str, object]]:
    """Shares as integers; a chunk holds a lead of all thresholds: each costs a millisecond."""
    encoding = {}
    for name in ("probability_of_exceedance", "probability_of_rate"):
        shape = whole[name].shape
        chunks = (*(1,) * (len(shape) - 4), shape[-4], 1, *shape[-2:])
        encoding[name] = packed(_SHARE_SCALE, shape, chunks)
    return encoding
