"""What goes wrong between a radar and the centre, on demand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from jinghu.radar.simulator.receiver import Receiver

FaultKind = Literal[
    "late", "missing", "truncated", "corrupt", "duplicate", "wrong_clock", "miscalibrated"
]
_DAMAGED_BYTES = 3e-5  # share of the bytes of a corrupt file that arrive changed, by default


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong with a radar for a while.

    Parameters
    ----------
    radar
        Code of the site.
    kind
        ``late``: files come ``amount`` s late. ``missing``: they do not come. ``truncated``: the
        last ``amount`` of the file (0 to 1) is cut off. ``corrupt``: the share ``amount`` of the
        bytes is changed. ``duplicate``: files come twice. ``wrong_clock``: the radar's clock is
        ``amount`` s ahead. ``miscalibrated``: reflectivity reads ``amount`` dB too high.
    start, end
        Volumes that begin from ``start`` until before ``end`` suffer.
    amount
        See ``kind``.
    """

    radar: str
    kind: FaultKind
    start: datetime
    end: datetime
    amount: float = 0.0

    def holds(self, radar: str, time: datetime) -> bool:
        """Whether a volume of that radar which begins then suffers."""
        return radar == self.radar and self.start <= time < self.end


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that arrives: its bytes, and how long after it was written."""

    data: bytes
    delay: timedelta


def faults_of(faults: Sequence[Fault], radar: str, time: datetime) -> tuple[Fault, ...]:
    """List what is wrong with a volume of a radar that begins then."""
    return tuple(fault for fault in faults if fault.holds(radar, time))


def miscalibrated(receiver: Receiver, faults: Sequence[Fault]) -> Receiver:
    """Receiver as the faults leave it."""
    off = sum(fault.amount for fault in faults if fault.kind == "miscalibrated")
    return replace(receiver, offset_db=receiver.offset_db + off)


def clock_error(faults: Sequence[Fault]) -> timedelta:
    """How far the radar's clock is ahead."""
    return timedelta(seconds=sum(f.amount for f in faults if f.kind == "wrong_clock"))


def arrivals(
    data: bytes, faults: Sequence[Fault], random: np.random.Generator
) -> tuple[Arrival, ...]:
    """What arrives of a file: nothing, once or twice, damaged or late.

    Parameters
    ----------
    data
        As written at the radar.
    faults
        Of this volume.
    random
        Where bytes are damaged.
    """
    kinds = {fault.kind: fault.amount for fault in faults}
    if "missing" in kinds:
        return ()
    if "truncated" in kinds:
        data = data[: int(len(data) * (1.0 - (kinds["truncated"] or 0.5)))]
    if "corrupt" in kinds:
        data = _damaged(data, kinds["corrupt"] or _DAMAGED_BYTES, random)
    delay = timedelta(seconds=kinds.get("late", 0.0))
    once = Arrival(data, delay)
    return (
        (once, replace(once, delay=delay + timedelta(seconds=30)))
        if ("duplicate" in kinds)
        else (once,)
    )


def _damaged(data: bytes, share: float, random: np.random.Generator) -> bytes:
    changed = np.frombuffer(data, np.uint8).copy()
    n = max(1, round(len(data) * share))
    places = random.integers(0, len(data), n)
    changed[places] ^= random.integers(1, 256, n).astype(np.uint8)
    return changed.tobytes()
