"""Merging gauges with radar: kriging with the radar amount as external drift."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial import cKDTree

from jinghu.grid.fields import attrs, check
from jinghu.grid.kriging import krige
from jinghu.grid.spec import GridSpec


@dataclass(frozen=True, slots=True)
class MergeParams:
    """Parameters of the merge; the defaults were fitted on the Lekima hour (docs/skill.md)."""

    drift_smooth_m: float = 4_000.0  # rain drifts with the wind on its way from beam to gauge
    neighbours: int = 16
    length_m: float = 30_000.0
    nugget: float = 0.15
    reach_m: float = 40_000.0  # farther from any gauge the radar stands alone
    # A blocked gauge reports too little; too much may be the core of the storm.
    suspect_low_ratio: float = 4.0
    suspect_high_ratio: float = 8.0
    suspect_mm: float = 4.0
    factor_min: float = 0.2
    factor_max: float = 5.0


@dataclass(frozen=True, slots=True)
class Skill:
    """Scores of estimates at gauges: mm, 1, 1."""

    rmse_mm: float
    bias: float
    r: float
    n: int


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merge used and how good it is.

    ``gauges`` holds, over ``station``, ``rainfall_amount``, ``leave_one_out``, ``radar``, ``drift``
    (the smoothed radar that the merge used; all mm) and ``trusted``.
    """

    used: int
    rejected: tuple[str, ...]
    gauges: xr.Dataset

    def leave_one_out(self, box: tuple[float, float, float, float] | None = None) -> Skill | None:
        """Skill of the merge at gauges left out; ``box`` is west, south, east, north in degrees."""
        return self._skill("leave_one_out", box)

    def radar_alone(self, box: tuple[float, float, float, float] | None = None) -> Skill | None:
        """Skill of the radar amount without gauges."""
        return self._skill("radar", box)

    def _skill(self, name: str, box: tuple[float, float, float, float] | None) -> Skill | None:
        gauges = self.gauges
        inside = np.ones(gauges.sizes["station"], bool)
        if box is not None:
            lon, lat = gauges["lon"].values, gauges["lat"].values
            inside = (lon > box[0]) & (lon < box[2]) & (lat > box[1]) & (lat < box[3])
        estimate = gauges[name].values.astype(np.float64)[inside]
        return skill(estimate, gauges["rainfall_amount"].values.astype(np.float64)[inside])


def suspects(gauges: xr.Dataset, params: MergeParams) -> NDArray[np.bool_]:
    """Mark gauges that contradict all their neighbours (blocked, stuck or tipped).

    A gauge is suspect where it differs from the median of its eight nearest neighbours by more
    than ``suspect_mm`` and by more than ``suspect_low_ratio`` (below it) or
    ``suspect_high_ratio`` (above it) times their mean absolute deviation, at least 1 mm. A gauge
    without a value is suspect.
    """
    amount = gauges["rainfall_amount"].values.astype(np.float64)
    silent = ~np.isfinite(amount)
    if (~silent).sum() < 9:
        return silent
    points = _points(gauges)
    _, index = cKDTree(points[~silent]).query(points, list(range(1, 10)))
    around = np.sort(amount[~silent][np.asarray(index)[:, 1:]], axis=1)
    median = np.median(around, axis=1)
    spread = np.maximum(np.abs(around - median[:, None]).mean(axis=1), 1.0)
    off = amount - median
    limit = spread * np.where(off < 0, params.suspect_low_ratio, params.suspect_high_ratio)
    return np.asarray(silent | ((np.abs(off) > limit) & (np.abs(off) > params.suspect_mm)))


def merge(
    radar: xr.Dataset, gauges: xr.Dataset, params: MergeParams
) -> tuple[xr.Dataset, MergeReport]:
    """Merge one hour of radar rain with the gauges of that hour.

    Parameters
    ----------
    radar
        ``rainfall_amount(y, x)`` in mm, NaN where no radar saw.
    gauges
        As `jinghu.grid.stations.hourly_rain_on` gives them.
    params
        Parameters.

    Returns
    -------
    Dataset with ``rainfall_amount`` (merged, mm) and ``adjustment`` (merged over radar, 1) on
    (y, x), and the report with leave-one-out skill over all gauges, rejected ones included.
    """
    check(radar, "rainfall_amount", dims=("y", "x"))
    check(gauges, "rainfall_amount", dims=("station",))
    seen = radar["rainfall_amount"].values.astype(np.float64)
    amount = _smoothed(seen, params.drift_smooth_m / GridSpec.of(radar).spacing_m)
    suspect = suspects(gauges, params)
    trusted = gauges.isel(station=~suspect)
    if trusted.sizes["station"] < 3:
        report = MergeReport(0, (), _at_gauges(gauges, np.nan, np.nan, ~suspect))
        return _result(radar, seen, np.ones_like(seen)), report
    drift = sample(_with_amount(radar, amount), gauges)
    merged = _on_grid(radar, amount, trusted, drift[~suspect], params)
    factor = _adjustment(merged, amount, params)
    estimate = leave_one_out(gauges, drift, ~suspect, params)
    report = MergeReport(
        int(trusted.sizes["station"]),
        tuple(str(s) for s in gauges["station"].values[suspect]),
        _at_gauges(gauges, estimate, sample(radar, gauges), ~suspect, drift),
    )
    return _result(radar, merged, factor), report


def sample(radar: xr.Dataset, gauges: xr.Dataset) -> NDArray[np.float64]:
    """Radar amount at the gauges in mm, bilinear between cell centres; NaN where not seen."""
    at = radar["rainfall_amount"].interp(
        x=xr.DataArray(gauges["x"].values, dims="station"),
        y=xr.DataArray(gauges["y"].values, dims="station"),
    )
    return np.asarray(at.values, np.float64)


def leave_one_out(
    gauges: xr.Dataset,
    drift: NDArray[np.float64],
    trusted: NDArray[np.bool_],
    params: MergeParams,
) -> NDArray[np.float64]:
    """Estimate every gauge from the trusted others, never from itself or from its own place."""
    points = _points(gauges)
    values = gauges["rainfall_amount"].values.astype(np.float64)
    neighbours = _neighbours(points, points, trusted, params, exclude_self=True)
    estimate = krige(
        points, drift, points, drift, values, neighbours, params.length_m, params.nugget
    )
    return np.asarray(np.maximum(estimate, 0.0))


def skill(estimate: NDArray[np.float64], observed: NDArray[np.float64]) -> Skill | None:
    """RMSE, bias as a ratio of sums, correlation; None where fewer than three pairs are known."""
    known = np.isfinite(estimate) & np.isfinite(observed)
    e, o = estimate[known], observed[known]
    if e.size < 3 or o.sum() == 0 or e.std() == 0 or o.std() == 0:
        return None
    rmse = float(np.sqrt(np.mean((e - o) ** 2)))
    return Skill(rmse, float(e.sum() / o.sum()), float(np.corrcoef(e, o)[0, 1]), int(e.size))


def _on_grid(
    radar: xr.Dataset,
    amount: NDArray[np.float64],
    gauges: xr.Dataset,
    drift: NDArray[np.float64],
    params: MergeParams,
) -> NDArray[np.float64]:
    """Kriged amount in every cell within reach of a gauge; the radar's beyond."""
    spec = GridSpec.of(radar)
    targets = np.stack([c.ravel() for c in np.meshgrid(spec.x, spec.y)], axis=1)
    points = _points(gauges)
    values = gauges["rainfall_amount"].values.astype(np.float64)
    neighbours = _neighbours(targets, points, np.ones(len(points), bool), params)
    estimate = krige(
        targets,
        amount.ravel(),
        points,
        drift,
        values,
        neighbours,
        params.length_m,
        params.nugget,
    ).reshape(spec.shape)
    share = _gauge_share(targets, points, params.reach_m).reshape(spec.shape)
    faded = share * np.maximum(estimate, 0.0) + (1.0 - share) * amount
    only_gauges = np.where(share > 0, np.maximum(estimate, 0.0), np.nan)
    return np.where(np.isnan(estimate), amount, np.where(np.isnan(amount), only_gauges, faded))


def _gauge_share(
    targets: NDArray[np.float64], points: NDArray[np.float64], reach_m: float
) -> NDArray[np.float64]:
    """Weight of the gauges: 1 to half their reach, fading to 0 at it, so that no edge shows."""
    nearest = cKDTree(points).query(targets)[0]
    return np.asarray(np.clip(2.0 * (1.0 - nearest / reach_m), 0.0, 1.0))


def _neighbours(
    targets: NDArray[np.float64],
    points: NDArray[np.float64],
    trusted: NDArray[np.bool_],
    params: MergeParams,
    *,
    exclude_self: bool = False,
) -> NDArray[np.int64]:
    """Return the nearest trusted points within reach, -1 after the last."""
    candidates = np.flatnonzero(trusted)
    k = min(params.neighbours + exclude_self, len(candidates))
    tree = cKDTree(points[candidates])
    distance, index = tree.query(
        targets, list(range(1, k + 1)), distance_upper_bound=params.reach_m
    )
    found = np.where(np.isfinite(distance), np.append(candidates, -1)[index], -1)
    if exclude_self:
        own = found == np.arange(len(targets))[:, None]
        order = np.argsort(own | (found < 0), axis=1, kind="stable")
        found = np.take_along_axis(np.where(own, -1, found), order, axis=1)[:, : params.neighbours]
    return found.astype(np.int64)


def _smoothed(amount: NDArray[np.float64], cells: float) -> NDArray[np.float64]:
    """Gaussian mean over the known cells; missing stays missing."""
    known = np.isfinite(amount)
    weight = gaussian_filter(known.astype(np.float64), cells)
    total = gaussian_filter(np.where(known, amount, 0), cells)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, total / weight, np.nan)


def _with_amount(radar: xr.Dataset, amount: NDArray[np.float64]) -> xr.Dataset:
    values = amount.astype(np.float32)
    return radar.assign(rainfall_amount=(("y", "x"), values, attrs("rainfall_amount")))


def _adjustment(
    merged: NDArray[np.float64], radar: NDArray[np.float64], params: MergeParams
) -> NDArray[np.float64]:
    """Bounded factor from radar to merged amount, damped where both are small.

    Where the radar's hour is not known the factor is that of the nearest cell where it is: a
    radar's bias does not end there. Without any it is 1.
    """
    damping_mm = 0.2
    factor = np.clip(
        (merged + damping_mm) / (radar + damping_mm), params.factor_min, params.factor_max
    )
    known = np.isfinite(factor)
    if not known.any():
        return np.ones_like(factor)
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(factor[tuple(nearest)])


def _at_gauges(
    gauges: xr.Dataset,
    leave_one_out: NDArray[np.float64] | float,
    radar: NDArray[np.float64] | float,
    trusted: NDArray[np.bool_],
    drift: NDArray[np.float64] | float = np.nan,
) -> xr.Dataset:
    shape = gauges["rainfall_amount"].shape
    return gauges.assign(
        leave_one_out=("station", np.broadcast_to(leave_one_out, shape), {"units": "mm"}),
        radar=("station", np.broadcast_to(radar, shape), {"units": "mm"}),
        drift=("station", np.broadcast_to(drift, shape), {"units": "mm"}),
        trusted=("station", trusted),
    )


def _points(gauges: xr.Dataset) -> NDArray[np.float64]:
    return np.stack([gauges["x"].values, gauges["y"].values], axis=1).astype(np.float64)


def _result(
    radar: xr.Dataset, merged: NDArray[np.float64], factor: NDArray[np.float64]
) -> xr.Dataset:
    return _with_amount(radar, merged).assign(
        adjustment=(
            ("y", "x"),
            factor.astype(np.float32),
            {"units": "1", "long_name": "merged over radar amount"},
        ),
    )
