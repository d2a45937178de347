"""What radars report of a storm: genuine volume files of a small network."""

import bz2
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jinghu.drill_truth import RainTruth as Rain
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


@dataclass(slots=True)
class Frames:
    """Rain on a grid at whole minutes, each made once: scans that follow one another share them.

    Parameters
    ----------
    rain, drops
        What rains.
    spec
        Grid of the fields.
    """

    rain: Rain
    drops: DropField
    spec: GridSpec
    _kept: dict[datetime, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(
        default_factory=dict
    )

    def during(self, first: datetime, last: datetime) -> RainTruth:
        """Rain every minute from a minute's beginning before ``first`` until after ``last``.

        Frames before ``first`` are forgotten.
        """
        start = first.replace(second=0, microsecond=0)
        n = int(np.ceil((last - start) / _FRAME)) + 1
        times = [start + k * _FRAME for k in range(n)]
        self._kept = {time: self._kept.get(time) or self._made(time) for time in times}
        return RainTruth(
            self.spec,
            start.timestamp(),
            _FRAME.total_seconds(),
            np.stack([self._kept[time][0] for time in times]),
            np.stack([self._kept[time][1] for time in times]),
            self.rain.motion(),
        )

    def _made(self, time: datetime) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        drops = self.drops.on_grid(self.spec, time.timestamp())
        return self.rain.on_grid(self.spec, time), drops


def scan_all(
    rain: Rain, drops: DropField, spec: GridSpec, network: Network, ready: datetime
) -> list[Volume]:
    """Volumes that the radars have finished and sent by a time, in the order of the network.

    Each radar has a generator of its own, so that the number of threads changes nothing.

    Parameters
    ----------
    rain, drops, spec
        What rains, and the grid on which it is sampled.
    network, ready
        Who scans, and when the files have arrived.
    """
    starts = [scan_start(radar, network.seed, ready) for radar in network.radars]
    truth = Frames(rain, drops, spec).during(min(starts), ready)

    def one(radar: RadarState, start: datetime) -> Volume:
        return scan_from(truth, network, radar, start)

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(one, network.radars, starts))


def scan_one(
    rain: Rain, drops: DropField, spec: GridSpec, network: Network, code: str, start: datetime
) -> Volume:
    """Volume that one radar of the network scans from a time on."""
    radar = next(r for r in network.radars if r.site.code == code)
    truth = Frames(rain, drops, spec).during(start, start + radar.strategy.duration)
    return scan_from(truth, network, radar, start)


def scan_from(truth: RainTruth, network: Network, radar: RadarState, start: datetime) -> Volume:
    """Volume that a radar scans from a time on; the truth must cover it."""
    random = scan_random(network.seed, radar.site, start)
    return scan(truth, radar, start, network.scattering[radar.site.band], random)[0]


def scan_start(radar: RadarState, seed: int, ready: datetime) -> datetime:
    """When a volume begins that has arrived by a time; its transfer takes some seconds."""
    transfer = scan_random(seed, radar.site, ready).uniform(*_TRANSFER_S)
    begin = ready - radar.strategy.duration - timedelta(seconds=float(transfer))
    return begin.replace(microsecond=0)


def scan_random(seed: int, site: RadarSite, time: datetime) -> np.random.Generator:
    """Generator of one radar at one time: the others change nothing in it."""
    return np.random.default_rng(
        [seed, zlib.crc32(site.code.encode("ascii")), int(time.astimezone(UTC).timestamp())]
    )


def packed_volume(volume: Volume) -> bytes:
    """File of a volume as stations send it."""
    return bz2.compress(encode_standard(volume), _COMPRESSION)


def write_volume(volume: Volume, folder: Path) -> Path:
    """Write a volume file, whole or not at all; returns its path."""
    path = folder / volume.source
    durable.write_atomic(path, packed_volume(volume))
    return path
