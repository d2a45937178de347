"""Radars of a drill: volumes with their faults, and when each file arrives."""

import gzip
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

import numpy as np

from jinghu.drill_script import (
    DrillScript,
    RadarBias,
    RadarClock,
    RadarDelay,
    RadarFault,
    RadarLoss,
    radar_faults_at,
)
from jinghu.radar.encode import encode_standard
from jinghu.radar.simulator.faults import Fault, arrivals, clock_error, miscalibrated
from jinghu.radar.simulator.scan import RadarState, volume_name
from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Volume
from jinghu.simulate import (
    Frames,
    Network,
    make_network,
    packed_volume,
    scan_from,
    scan_random,
    scan_start,
)

_TAG = 0x5246
_DAMAGE = ("truncated", "corrupt")
_COMPRESSION = 1  # level of gzip: the files are read once
_AGAIN = ("_CAP_FMT", "_CAP_FMT-2")  # what a second copy of a file is called


# What rain is made from; a third of the bytes of a volume would be moments that nobody reads.
_MOMENTS = frozenset({"DBTH", "DBZH", "ZDR", "RHOHV", "PHIDP", "VRADH"})


@dataclass(frozen=True, slots=True)
class Coming:
    """A file that will be there at a time."""

    at: datetime
    name: str
    data: bytes


def drill_network(sites: Sequence[RadarSite], seed: int) -> Network:
    """Radars of a drill; they send what rain is made from."""
    network = make_network(sites, seed)
    radars = tuple(replace(radar, moments=_MOMENTS) for radar in network.radars)
    return replace(network, radars=radars)


def volumes_of(
    script: DrillScript, network: Network, frames: Frames, ready: datetime, workers: int
) -> list[Coming]:
    """Files of the volumes that would arrive by a time if nothing went wrong.

    Every radar has generators of its own, so that the number of workers changes nothing.

    Parameters
    ----------
    script
        Names the faults.
    network, frames
        The radars, and the rain they look at.
    ready
        When whole files have arrived.
    workers
        Threads.
    """
    minute = (ready - script.start).total_seconds() / 60.0
    work = []
    for radar in network.radars:
        faults = _drawn(script, radar, minute, ready)
        if all(fault.kind != "missing" for fault in faults):
            work.append((radar, faults, scan_start(radar, network.seed, ready)))
    if not work:
        return []
    truth = frames.during(min(start for *_, start in work), ready)

    def one(item: tuple[RadarState, tuple[Fault, ...], datetime]) -> list[Coming]:
        radar, faults, start = item
        state = replace(radar, receiver=miscalibrated(radar.receiver, faults))
        volume = _by_its_clock(scan_from(truth, network, state, start), clock_error(faults))
        name, data = _packed(volume, faults)
        random = scan_random(network.seed ^ _TAG, radar.site, ready)
        names = (name, name.replace(*_AGAIN))
        return [
            Coming(ready + arrival.delay, name, arrival.data)
            for name, arrival in zip(names, arrivals(data, faults, random), strict=False)
        ]

    with ThreadPoolExecutor(workers) as pool:
        return [coming for found in pool.map(one, work) for coming in found]


def _packed(volume: Volume, faults: Sequence[Fault]) -> tuple[str, bytes]:
    """Name and bytes of a volume as it is sent.

    gzip takes a quarter of the time of bzip2, and a fifth of it to read. What is damaged on its
    way is sent as bzip2 nevertheless: each of its blocks has a checksum, so that the centre can
    tell what is good of it.
    """
    if any(fault.kind in _DAMAGE for fault in faults):
        return volume.source, packed_volume(volume)
    data = gzip.compress(encode_standard(volume), _COMPRESSION, mtime=0)
    return volume.source.removesuffix(".bz2") + ".gz", data


def _drawn(
    script: DrillScript, radar: RadarState, minute: float, ready: datetime
) -> tuple[Fault, ...]:
    """Faults of one volume; those that strike a share of them are drawn by the seed."""
    code = radar.site.code
    found = []
    for number, fault in enumerate(radar_faults_at(script, code, minute)):
        seed = [script.seed, _TAG, zlib.crc32(code.encode("ascii")), int(ready.timestamp()), number]
        luck = float(np.random.default_rng(seed).uniform())
        if not isinstance(fault, RadarLoss) or luck < fault.share:
            found.append(_fault(fault, ready))
    return tuple(found)


def _fault(fault: RadarFault, ready: datetime) -> Fault:
    """Fault of the script as the simulator has it."""
    match fault:
        case RadarDelay():
            amount = fault.delay_s
        case RadarClock():
            amount = fault.offset_s
        case RadarBias():
            amount = fault.offset_db
        case RadarLoss():
            amount = 0.0  # as much as is usual
        case _:
            assert_never(fault)
    return Fault(fault.radar, fault.kind, ready, ready + timedelta(seconds=1), amount)


def _by_its_clock(volume: Volume, ahead: timedelta) -> Volume:
    """Volume as a radar stamps it whose clock is ahead: its name and every ray are wrong."""
    if not ahead:
        return volume
    seconds = ahead.total_seconds()
    sweeps = tuple(replace(s, time_s=s.time_s + seconds) for s in volume.sweeps)
    start = volume.time + ahead
    return replace(
        volume,
        time=start,
        end_time=volume.end_time + ahead,
        sweeps=sweeps,
        source=volume_name(volume.site, start),
    )


def due(waiting: Sequence[Coming], until: datetime) -> tuple[list[Coming], list[Coming]]:
    """Split files into those that have arrived by a time, and those still on their way."""
    return [c for c in waiting if c.at <= until], [c for c in waiting if c.at > until]
