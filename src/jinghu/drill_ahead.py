"""Volumes of a drill made ahead, by a process of its own.

Scanning is as much work as half a cycle, and no part of what an installation does: the time and the
memory of the process that runs the cycles are then the cycles' own.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection

from jinghu.beside import beside
from jinghu.drill_radars import Coming, volumes_of
from jinghu.drill_script import DrillScript
from jinghu.simulate import Frames, Network

_NICE = 19  # what is made ahead fills what the cycles leave of the cores


@dataclass(frozen=True, slots=True)
class Scanning:
    """What scanning takes: the script, the radars, the rain that they look at, threads."""

    script: DrillScript
    network: Network
    frames: Frames
    workers: int

    def volumes(self, ready: datetime) -> list[Coming]:
        """Files of the volumes that are ready at a time; times must follow one another."""
        return volumes_of(self.script, self.network, self.frames, ready, self.workers)


@contextmanager
def made_ahead(
    scanning: Scanning, times: Sequence[datetime]
) -> Iterator[Callable[[], list[Coming]]]:
    """Scan in a process of its own; each call returns the files of the next of these times.

    The process is one step ahead: it goes on when a step is taken.

    Raises
    ------
    JinghuError
        From the call, where scanning failed.
    """
    with beside("observers", _scan, scanning, tuple(times)) as process:
        yield process.receive


def _scan(line: Connection, scanning: Scanning, times: Sequence[datetime]) -> None:
    """Send the files of one time after another."""
    if sys.platform == "linux":
        os.nice(_NICE)
    for time in times:
        line.send(scanning.volumes(time))
