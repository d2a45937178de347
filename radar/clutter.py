"""Basic removal of what is not rain: ground clutter, speckle, blocked sectors (numba kernels)."""

from dataclasses import dataclass, field, replace

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.clutter_map import ClutterMap, MapParams, static_share
from jinghu.radar.fuzzy import FuzzyParams, has_evidence, score, without_non_weather
from jinghu.radar.geometry import gate_heights, ground_distance, slant_range
from jinghu.radar.interference import SpokeParams, without_spokes
from jinghu.radar.polar import DRY_DBZ, PolarSweep
from jinghu.radar.windows import nearest_rays


@dataclass(frozen=True, slots=True)
class ClutterParams:
    """Thresholds of the filters.

    Ground echo is shallow, does not move and is small: it vanishes in the sweep above
    (Steiner & Smith 2002, J. Atmos. Oceanic Technol. 19, 673-686), has no radial velocity and
    stands out of the gates around it. The core of a shower does too, but reaches the sweep above.
    """

    echo_dbz: float = 10.0
    steep_db: float = 25.0  # drop to the sweep above that rain does not show
    still_steep_db: float = 12.0  # the same where the echo stands still
    still_m_s: float = 1.0
    spike_db: float = 10.0  # above the median of the gates around
    spike_steep_db: float = 6.0  # the same drop where the echo is such a spike
    max_height_m: float = 3000.0  # above it the sweep above tells nothing about the ground
    speckle_share: float = 0.3  # of the 5 x 5 neighbourhood that must hold echo
    fuzzy: FuzzyParams = field(default_factory=FuzzyParams)
    spokes: SpokeParams = field(default_factory=SpokeParams)
    mapped: MapParams = field(default_factory=MapParams)

    def limits(self) -> NDArray[np.float64]:
        """Thresholds in the order in which the kernel takes them."""
        return np.array(
            [
                self.echo_dbz,
                self.steep_db,
                self.still_steep_db,
                self.still_m_s,
                self.spike_db,
                self.spike_steep_db,
                self.max_height_m,
            ]
        )


def clean(
    sweeps: list[PolarSweep], params: ClutterParams, known: ClutterMap | None = None
) -> list[PolarSweep]:
    """Return sweeps in which clutter is missing (the sweep above takes over) and speckle dry.

    Spokes of interference go first: they are no measure of what a sweep above ground clutter sees.
    Sweeps that hold more than reflectivity and velocity are judged by fuzzy membership first; of
    those with two polarisations it is the only judge, because a steep fall of their echo is one
    of its votes and attenuation makes others. Echo that a clutter map of the site knows goes as
    well, unless it is plainly weather.
    """
    out = []
    sweeps = [without_spokes(sweep, params.spokes) for sweep in sweeps]
    for k, sweep in enumerate(sweeps):
        dbz = sweep.dbz
        above = _seen_above(sweep, sweeps[k + 1]) if k + 1 < len(sweeps) else None
        drop = None if above is None else _drop(sweep, above, params)
        found = None
        if has_evidence(sweep):
            found = score(sweep, drop, params.fuzzy)
            dbz = without_non_weather(sweep, found, params.fuzzy)
        if known is not None:
            ground = static_share(known, sweep, params.mapped)
            doubtful = ~_weather(sweep, found, drop, ground, params.mapped)
            dbz = np.where((ground > 0) & doubtful, np.float32(np.nan), dbz)
        dbz = _without_speckle(dbz, params.echo_dbz, params.speckle_share)
        if above is not None and sweep.dual is None:
            dbz = _without_clutter(dbz, sweep.velocity_m_s, above, _heights(sweep), params.limits())
        out.append(replace(sweep, dbz=dbz))
    return out


def _weather(
    sweep: PolarSweep,
    found: NDArray[np.float32] | None,
    drop_db: NDArray[np.float32] | None,
    ground_share: NDArray[np.float32],
    params: MapParams,
) -> NDArray[np.bool_]:
    """Gates whose echo is of weather although the ground echoes there on some dry days."""
    if sweep.dual is not None and found is not None:
        return np.asarray(found < params.weather_score)
    if drop_db is None:
        return np.zeros(sweep.dbz.shape, bool)
    return np.asarray((drop_db < params.weather_drop_db) & (ground_share <= params.often_share))


def _drop(
    sweep: PolarSweep, above_dbz: NDArray[np.float32], params: ClutterParams
) -> NDArray[np.float32]:
    """Fall of echo to the sweep above in dB; NaN where the sweep above tells nothing."""
    drop = sweep.dbz - np.maximum(above_dbz, np.float32(-5.0))
    telling = (sweep.dbz > params.echo_dbz) & (_heights(sweep) <= params.max_height_m)[None, :]
    return np.where(telling, drop, np.float32(np.nan))


def _heights(sweep: PolarSweep) -> NDArray[np.float64]:
    """Height of the gates above the antenna in m."""
    return np.asarray(gate_heights(sweep.range_m, sweep.elevation_deg, 0.0))


def _seen_above(sweep: PolarSweep, above: PolarSweep) -> NDArray[np.float32]:
    """Reflectivity of the sweep above at the places of this one's gates; NaN beyond its range.

    The largest of the 3 x 3 gates around is taken, so that tilted rain shafts are not cut.
    """
    ray, _ = nearest_rays(above.azimuth_deg, sweep.azimuth_deg)
    slant = _slant_ranges(sweep.range_m, sweep.elevation_deg, above.elevation_deg)
    gate = np.rint((slant - above.first_gate_m) / above.gate_m).astype(np.int64)
    return _largest_around(above.dbz, ray, gate)


@numba.njit(cache=True, nogil=True)
def _slant_ranges(
    range_m: NDArray[np.float64], elevation_deg: float, other_deg: float
) -> NDArray[np.float64]:
    """Ranges (gate,) at another elevation above the same ground."""
    out = np.empty(len(range_m))
    for gate in range(len(range_m)):
        out[gate] = slant_range(ground_distance(range_m[gate], elevation_deg), other_deg)
    return out


@numba.njit(cache=True, nogil=True)
def _largest_around(
    dbz: NDArray[np.float32], ray: NDArray[np.int64], gate: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Largest known value of the 3 x 3 gates around each of these rays and gates; NaN outside."""
    n_rays, n_gates = dbz.shape
    out = np.full((len(ray), len(gate)), np.float32(np.nan))
    around = np.empty(n_gates, np.float32)
    for i in range(len(ray)):
        rows = dbz[(ray[i] - 1) % n_rays], dbz[ray[i]], dbz[(ray[i] + 1) % n_rays]
        for k in range(n_gates):
            largest = np.float32(-np.inf)
            for row in rows:  # no comparison holds for what is missing
                largest = row[k] if row[k] > largest else largest
            around[k] = largest
        for j in range(len(gate)):
            k = gate[j]
            if k < 0 or k >= n_gates:
                continue
            largest = max(around[max(k - 1, 0)], around[k], around[min(k + 1, n_gates - 1)])
            if largest > -np.inf:
                out[i, j] = largest
    return out


@numba.njit(cache=True, nogil=True)
def _without_speckle(
    dbz: NDArray[np.float32], echo_dbz: float, share: float
) -> NDArray[np.float32]:
    """Echo with too little echo around it becomes dry."""
    n_rays, n_gates = dbz.shape
    out = dbz.copy()
    echo, seen = np.zeros(n_gates + 4, np.int32), np.zeros(n_gates + 4, np.int32)
    for ray in range(n_rays):
        echo[:], seen[:] = 0, 0  # of the five rays around, with nothing beyond the ends
        for i in range(-2, 3):
            row = dbz[(ray + i) % n_rays]
            for gate in range(n_gates):
                seen[gate + 2] += not np.isnan(row[gate])
                echo[gate + 2] += row[gate] > DRY_DBZ
        for gate in range(n_gates):
            if dbz[ray, gate] > DRY_DBZ:
                around = echo[gate : gate + 5].sum()
                if around < share * seen[gate : gate + 5].sum():
                    out[ray, gate] = DRY_DBZ
    return out


@numba.njit(cache=True, nogil=True)
def _without_clutter(
    dbz: NDArray[np.float32],
    velocity_m_s: NDArray[np.float32],
    above_dbz: NDArray[np.float32],
    height_m: NDArray[np.float64],
    limits: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Echo that drops too steeply to the sweep above becomes missing."""
    echo_dbz, steep_db, still_steep_db, still_m_s, spike_db, spike_steep_db, max_height_m = limits
    n_rays, n_gates = dbz.shape
    out = dbz.copy()
    for ray in range(n_rays):
        for gate in range(n_gates):
            value = dbz[ray, gate]
            above = above_dbz[ray, gate]
            if not value > echo_dbz or height_m[gate] > max_height_m or np.isnan(above):
                continue
            drop = value - max(above, np.float32(-5.0))
            still = velocity_m_s[ray, gate] < still_m_s
            clutter = drop > steep_db or (still and drop > still_steep_db)
            if not clutter and drop > spike_steep_db:
                clutter = value > _median_around(dbz, ray, gate) + spike_db
            if clutter:
                out[ray, gate] = np.nan
    return out


@numba.njit(cache=True, nogil=True)
def _median_around(dbz: NDArray[np.float32], ray: int, gate: int) -> float:
    """Median of the known gates in the 5 x 5 around; dry ones count as no echo."""
    n_rays, n_gates = dbz.shape
    values = np.empty(25, np.float32)
    n = 0
    for i in range(-2, 3):
        row = (ray + i) % n_rays
        for j in range(max(gate - 2, 0), min(gate + 3, n_gates)):
            if not np.isnan(dbz[row, j]):
                values[n] = dbz[row, j]
                n += 1
    return float(np.median(values[:n]))


def blocked_rays(sweeps: list[PolarSweep], params: ClutterParams) -> list[NDArray[np.bool_]]:
    """Mark rays of each sweep that terrain hides: far gates hold much less echo than above.

    A ray is blocked where, between 40 and 150 km, the sweep above holds echo in at least 30 % of
    the gates and, in those, this sweep is on average more than 8 dB weaker than its median ray is.
    """
    blocked = []
    for k, sweep in enumerate(sweeps):
        if k + 1 == len(sweeps):
            blocked.append(np.zeros(len(sweep.azimuth_deg), bool))
            continue
        slant = sweep.first_gate_m + np.arange(sweep.dbz.shape[1]) * sweep.gate_m
        far = (slant > 40e3) & (slant < 150e3)
        above = _seen_above(sweep, sweeps[k + 1])[:, far]
        here = np.maximum(np.nan_to_num(sweep.dbz[:, far], nan=DRY_DBZ), 0.0)
        echo = above > params.echo_dbz + 5.0
        enough = echo.mean(axis=1) >= 0.3
        drop = np.where(echo, np.nan_to_num(above) - here, 0).sum(1) / np.maximum(echo.sum(1), 1)
        usual = np.median(drop[enough]) if enough.any() else 0.0
        blocked.append(np.asarray(enough & (drop > usual + 8.0)))
    return blocked
