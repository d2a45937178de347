"""What radars report of a storm: genuine volume files of a small network."""

import bz2
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from jinghu.grid import durable
from jinghu.grid.spec import GridSpec
from jinghu.radar.encode import encode_standard
from jinghu.radar.simulator.ground import draw_ground
from jinghu.radar.simulator.scan import (
    S_DRILL,
    X_DRILL,
    RadarState,
    Strategy,
    default_receiver,
    scan,
    tables,
)
from jinghu.radar.simulator.scattering import RainScattering
from jinghu.radar.simulator.truth import DropField, RainTruth
from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Volume
from jinghu.storm import Storm

_COMPRESSION = 1  # level of bzip2: the files are read once
_FRAME = timedelta(minutes=1)
_CALIBRATION_DB = 0.7  # standard deviations among well-kept radars
_ZDR_CALIBRATION_DB = 0.1
_RADOME_DB = 1.5  # of X-band radars in 10 mm/h
_TRANSFER_S = (5.0, 25.0)
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Network:
    """Radars in the state in which they scan, and how drops scatter at their bands."""

    radars: tuple[RadarState, ...]
    scattering: Mapping[str, RainScattering]
    seed: int


def make_network(
    sites: Sequence[RadarSite],
    seed: int,
    strategies: Mapping[str, Strategy] | None = None,
) -> Network:
    """Place radars among hills that echo, behind what the table of sites says hides them.

    Parameters
    ----------
    sites, seed
        The same site and seed give the same surroundings, whatever other sites there are.
    strategies
        Scan pattern by band; those of drills where None.
    """
    patterns = {"S": S_DRILL, "X": X_DRILL} if strategies is None else strategies
    radars = []
    for site in sites:
        random = np.random.default_rng([seed, zlib.crc32(site.code.encode("ascii"))])
        strategy = patterns[site.band]
        ground = draw_ground(strategy.gate_m * strategy.gates, site.hidden, random)
        radome_db = _RADOME_DB if site.band == "X" else 0.0
        receiver = replace(
            default_receiver(site.band),
            offset_db=float(random.normal(0, _CALIBRATION_DB)),
            zdr_offset_db=float(random.normal(0, _ZDR_CALIBRATION_DB)),
            phidp_offset_deg=float(random.uniform(0, 360)),
        )
        radars.append(RadarState(site, strategy, ground, receiver, radome_db))
    return Network(tuple(radars), tables("".join({s.band for s in sites})), seed)


def truth_during(
    storm: Storm, drops: DropField, spec: GridSpec, first: datetime, last: datetime
) -> RainTruth:
    """Rain on a grid every minute from a minute's beginning before ``first`` until after ``last``.

    Parameters
    ----------
    storm, drops
        What rains.
    spec
        Grid of the fields.
    first, last
        Time that must be covered.
    """
    start = first.replace(second=0, microsecond=0)
    n = int(np.ceil((last - start) / _FRAME)) + 1
    times = [start + k * _FRAME for k in range(n)]
    return RainTruth(
        spec,
        start.timestamp(),
        _FRAME.total_seconds(),
        np.stack([storm.on_grid(spec, time) for time in times]),
        np.stack([drops.on_grid(spec, time.timestamp()) for time in times]),
        storm.motion(),
    )


def scan_all(
    storm: Storm, drops: DropField, spec: GridSpec, network: Network, ready: datetime
) -> list[Volume]:
    """Volumes that the radars have finished and sent by a time, in the order of the network.

    Each radar has a generator of its own, so that the number of threads changes nothing.

    Parameters
    ----------
    storm, drops, spec
        What rains, and the grid on which it is sampled.
    network, ready
        Who scans, and when the files have arrived.
    """
    starts = [_start(radar, network.seed, ready) for radar in network.radars]
    truth = truth_during(storm, drops, spec, min(starts), ready)

    def one(radar: RadarState, start: datetime) -> Volume:
        random = _generator(network.seed, radar.site, start)
        return scan(truth, radar, start, network.scattering[radar.site.band], random)[0]

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(one, network.radars, starts))


def scan_one(
    storm: Storm, drops: DropField, spec: GridSpec, network: Network, code: str, start: datetime
) -> Volume:
    """Volume that one radar of the network scans from a time on."""
    radar = next(r for r in network.radars if r.site.code == code)
    truth = truth_during(storm, drops, spec, start, start + radar.strategy.duration)
    random = _generator(network.seed, radar.site, start)
    return scan(truth, radar, start, network.scattering[radar.site.band], random)[0]


def _start(radar: RadarState, seed: int, ready: datetime) -> datetime:
    """When a volume begins that has arrived by a time; its transfer takes some seconds."""
    transfer = _generator(seed, radar.site, ready).uniform(*_TRANSFER_S)
    begin = ready - radar.strategy.duration - timedelta(seconds=float(transfer))
    return begin.replace(microsecond=0)


def _generator(seed: int, site: RadarSite, time: datetime) -> np.random.Generator:
    return np.random.default_rng(
        [seed, zlib.crc32(site.code.encode("ascii")), int(time.astimezone(UTC).timestamp())]
    )


def write_volume(volume: Volume, folder: Path) -> Path:
    """Write a volume file, whole or not at all; returns its path."""
    path = folder / volume.source
    durable.write_atomic(path, bz2.compress(encode_standard(volume), _COMPRESSION))
    return path
