"""From decoded volumes to mosaics and motion: where radar, nowcast and grid meet."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.calibrate import Seen, seen_by
from jinghu.configs.settings import RadarSettings
from jinghu.grid.advection import motion_array
from jinghu.grid.fields import Method, State, attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import from_numpy, to_numpy
from jinghu.melting import Level, setting
from jinghu.nowcast.background import filled_motion, no_motion, rests_on
from jinghu.nowcast.interpolate import Instant, rates_at
from jinghu.nowcast.motion import estimate_motion
from jinghu.radar.column_mosaic import column_mosaic
from jinghu.radar.columns import ColumnParams, columns_on_grid
from jinghu.radar.geometry import place
from jinghu.radar.monitor import Correction
from jinghu.radar.mosaic import NO_RADAR, MosaicParams, mosaic, source_flags
from jinghu.radar.qpe import QpeParams
from jinghu.radar.rain import UNKNOWN, RainParams, Surroundings, rain_and_scan, rain_on_grid
from jinghu.radar.volume import Volume
from jinghu.radar.vpr import VprParams
from jinghu.radar.zr import ZRRelation, ZRTable
from jinghu.stages import StageLog
from jinghu.surroundings import KnownSites

_WORKERS = 2
_SAME_MOTION_M_S = 0.7  # in the six minutes that scans are apart, half a cell of 500 m
_MOTION_GAP = timedelta(minutes=3)  # scans closer than this say nothing about motion


@dataclass(frozen=True, slots=True)
class Analysis:
    """The rain at the analysis time, and how it moves.

    Parameters
    ----------
    mosaic
        At the analysis time.
    motion
        ``motion_x``, ``motion_y`` in m s-1.
    earlier
        Mosaic of earlier scans, where there are any.
    """

    mosaic: xr.Dataset
    motion: xr.Dataset
    earlier: xr.Dataset | None

    def rates_at(self, times: Sequence[datetime]) -> NDArray[np.float32]:
        """Rain rates at given times, interpolated along the motion: (time, y, x) mm/h."""
        earlier = None if self.earlier is None else _instant(self.earlier)
        per_second = motion_array(self.motion, 1.0)
        return rates_at(times, earlier, _instant(self.mosaic), per_second)


@dataclass(frozen=True, slots=True)
class Scans:
    """What all volumes give.

    Parameters
    ----------
    rains
        One a volume, in order of time.
    columns, seen
        Of each radar's newest volume: its columns; what it tells of the radar's calibration.
    """

    rains: list[xr.Dataset]
    columns: list[xr.Dataset]
    seen: list[Seen]


def rain_of_radars(
    volumes: Iterable[Volume],
    spec: GridSpec,
    settings: RadarSettings,
    known: KnownSites | None = None,
    melting: Level | None = None,
) -> list[xr.Dataset]:
    """Rain of every volume on the working grid, in order of time; parameters: `scans_of_radars`."""

    def rain(volume: Volume) -> xr.Dataset:
        params = rain_params(settings, volume.time.month, melting)
        return rain_on_grid(volume, spec, params, _around(volume, known))

    with ThreadPoolExecutor(_WORKERS) as pool:
        rains = list(pool.map(rain, volumes))
    return in_order(rains)


def scans_of_radars(
    volumes: Sequence[Volume],
    spec: GridSpec,
    settings: RadarSettings,
    workers: int = _WORKERS,
    known: KnownSites | None = None,
    corrected: Mapping[str, Correction] | None = None,
    melting: Level | None = None,
) -> Scans:
    """Rain of every volume, and more of each radar's newest.

    Parameters
    ----------
    volumes, spec, settings, workers
        As decoded; the working grid; how rain is made; threads.
    known
        What is known of the sites' surroundings.
    corrected
        What is done about the calibration of radars, by their codes.
    melting
        The melting layer; that of the settings where None.
    """
    of_columns = _column_params(settings)
    newest = {volume.site.code: volume for volume in sorted(volumes, key=lambda v: v.time)}
    around = [_around(volume, known) for volume in volumes]
    for volume in volumes:  # here once: a projection is set up anew, slowly, in each thread
        place(volume.site, spec)

    def products(
        volume: Volume, surroundings: Surroundings
    ) -> tuple[xr.Dataset, xr.Dataset | None, Seen | None]:
        done = (corrected or {}).get(volume.site.code, Correction())
        params = rain_params(settings, volume.time.month, melting)
        rain, scan = rain_and_scan(volume, spec, params, surroundings, done.total_db)
        if newest[volume.site.code] is not volume:
            return rain, None, None
        columns = columns_on_grid(volume, scan, spec, of_columns)
        if settings.calibration == "none":
            return rain, columns, None
        bottom_m = params.qpe.melting_bottom_m
        return rain, columns, seen_by(volume, scan, spec, done.total_db, bottom_m)

    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(products, volumes, around))
    return Scans(
        in_order(rain for rain, _, _ in found),
        [columns for _, columns, _ in found if columns is not None],
        [seen for _, _, seen in found if seen is not None],
    )


def columns_at(
    columns: Sequence[xr.Dataset],
    time: datetime,
    motion: xr.Dataset,
    spec: GridSpec,
    settings: RadarSettings,
) -> xr.Dataset:
    """Columns of all radars at the analysis time."""
    merge = MosaicParams(stale_after_s=settings.stale_after_min * 60.0)
    return column_mosaic(columns, time, motion, spec, (_column_params(settings), merge))


def rain_params(settings: RadarSettings, month: int, melting: Level | None = None) -> RainParams:
    """Return how the settings of an installation make rain in a month, under a melting layer."""
    level = setting(settings) if melting is None else melting
    relations = settings.relation(month)
    table = ZRTable(*(ZRRelation(of.a, of.b, settings.hail_cap_dbz) for of in relations))
    return RainParams(
        zr=table,
        qpe=QpeParams(melting_bottom_m=level.bottom_m),
        vpr=VprParams(layer_m=level.layer_m),
        max_range_m=settings.max_range_km * 1000.0,
    )


def _around(volume: Volume, known: KnownSites | None) -> Surroundings:
    return UNKNOWN if known is None else known.around(volume)


def _column_params(settings: RadarSettings) -> ColumnParams:
    return ColumnParams(max_range_m=settings.max_range_km * 1000.0)


def weighed(rains: Iterable[xr.Dataset], corrected: Mapping[str, Correction]) -> list[xr.Dataset]:
    """Rain of scans in order of time, that of radars in doubt with less quality."""
    found = []
    for rain in rains:
        trust = np.float32(corrected.get(rain.attrs["radar"], Correction()).trust)
        if trust != 1:
            quality = rain["quality"]
            rain = rain.assign(quality=(quality.dims, quality.values * trust, quality.attrs))
        found.append(rain)
    return in_order(found)


def in_order(rains: Iterable[xr.Dataset]) -> list[xr.Dataset]:
    """Rain of scans in order of time, then of radar."""
    return sorted(rains, key=_order)


def _order(rain: xr.Dataset) -> tuple[datetime, str]:
    return from_numpy(rain["time"].values), str(rain.attrs["radar"])


def analyse(
    rains: Sequence[xr.Dataset],
    time: datetime,
    previous_motion: xr.Dataset | None,
    stale_after_s: float,
    log: StageLog,
    steering: xr.Dataset | None = None,
) -> Analysis:
    """Estimate the motion and build the mosaics.

    The motion is taken from mosaics of the same radars at two times, so that a radar that joins or
    falls out does not look like moving rain; it is estimated twice, the second time from mosaics
    whose radars were brought to common times along the first estimate, or once where these were
    brought along much the same motion already. Where there is no echo to take it from, it is
    filled by the motion of the cycle before and by the steering wind.
    """
    params = MosaicParams(stale_after_s=stale_after_s)
    latest = {rain.attrs["radar"]: rain for rain in rains}
    first: dict[str, xr.Dataset] = {}
    for rain in rains:
        first.setdefault(rain.attrs["radar"], rain)
    moved = [code for code in latest if _gap(first[code], latest[code]) >= _MOTION_GAP]
    motion = filled_motion(no_motion(rains[0], to_numpy(time)), previous_motion, steering)
    guess = motion if any(rests_on(motion).values()) else None
    earlier_time = _median_time([first[code] for code in moved]) if moved else None
    if earlier_time is not None:
        for _ in range(2):
            before = mosaic([first[c] for c in moved], earlier_time, guess, params)
            after = mosaic([latest[c] for c in moved], time, guess, params)
            measured = estimate_motion(before, after)
            motion = filled_motion(measured, previous_motion, steering)
            if guess is not None and _alike(guess, motion):
                break
            guess = motion
    elif not rests_on(motion)["previous"]:
        how = "rain stands still"
        if steering is not None:
            stations = steering.attrs["stations"]
            how = f"rain moves with the steering wind of profile stations {stations}"
        log.degrade(f"no radar has two scans and there is no earlier motion: {how}")
    earlier = None
    if earlier_time is not None:
        scans = [rain for rain in first.values() if _gap(rain, None, time) >= _MOTION_GAP]
        earlier = mosaic(scans, earlier_time, motion, params)
    return Analysis(mosaic(list(latest.values()), time, motion, params), motion, earlier)


def _alike(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Whether scans that are brought along two motions come to lie on much the same cells."""
    apart = [one[name].values - other[name].values for name in ("motion_x", "motion_y")]
    mean_square = float(np.mean(apart[0] ** 2 + apart[1] ** 2))
    return bool(np.sqrt(mean_square) < _SAME_MOTION_M_S)


def dry_analysis(spec: GridSpec, time: datetime) -> xr.Dataset:
    """Return an analysis in which nothing was seen: no radar at all."""
    nothing = np.full(spec.shape, np.nan, np.float32)
    dims = ("y", "x")
    return xr.Dataset(
        {
            "rainfall_rate": (dims, nothing, attrs("rainfall_rate")),
            "quality": (dims, np.zeros(spec.shape, np.float32), attrs("quality")),
            "age": (dims, nothing, attrs("age")),
            "state": (dims, np.full(spec.shape, State.MISSING, np.uint8), attrs("state")),
            "source_radar": (
                dims,
                np.full(spec.shape, NO_RADAR, np.uint8),
                attrs("source_radar") | source_flags([]),
            ),
            "method": (dims, np.full(spec.shape, Method.NONE, np.uint8), attrs("method")),
            "radar_count": (dims, np.zeros(spec.shape, np.uint8), attrs("radar_count")),
        },
        coords={"time": np.datetime64(time.replace(tzinfo=None), "ns"), **spec.coords()},
        attrs={"radars": ""},
    )


def _instant(dataset: xr.Dataset) -> Instant:
    return Instant(from_numpy(dataset["time"].values), dataset["rainfall_rate"].values)


def _gap(earlier: xr.Dataset, later: xr.Dataset | None, time: datetime | None = None) -> timedelta:
    """Time between a scan and a later one, or a later time."""
    end = from_numpy(later["time"].values) if later is not None else time
    assert end is not None
    return end - from_numpy(earlier["time"].values)


def _median_time(rains: Sequence[xr.Dataset]) -> datetime:
    """Median time of scans, to the second."""
    times = sorted(from_numpy(rain["time"].values) for rain in rains)
    return times[len(times) // 2].replace(microsecond=0)
