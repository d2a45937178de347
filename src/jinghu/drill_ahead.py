"""Volumes of a drill made ahead, by a process of its own.

Scanning is as much work as half a cycle, and no part of what an installation does: the time and the
memory of the process that runs the cycles are then the cycles' own.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection

from jinghu.drill_radars import Coming, volumes_of
from jinghu.drill_script import DrillScript
from jinghu.grid.errors import JinghuError
from jinghu.simulate import Frames, Network

_NICE = 5  # what is made ahead is not due before the next step
_PATIENCE_S = 5.0


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
    # Not forked: the service's threads may hold locks.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_scan, args=(theirs, scanning, tuple(times)), name="observers", daemon=True
    )
    process.start()
    theirs.close()  # so that its end is noticed here

    def next_step() -> list[Coming]:
        try:
            found: list[Coming] | Exception = ours.recv()
        except EOFError:
            process.join(_PATIENCE_S)
            raise JinghuError(
                f"the process that scans ended with code {process.exitcode}"
            ) from None
        if isinstance(found, Exception):
            raise found
        return found

    try:
        yield next_step
    finally:
        ours.close()
        process.terminate()
        process.join()


def _scan(line: Connection, scanning: Scanning, times: Sequence[datetime]) -> None:
    """Send the files of one time after another; an error is the last that is sent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the drill's to answer
    if sys.platform == "linux":
        os.nice(_NICE)
    try:
        for time in times:
            line.send(scanning.volumes(time))
    except BrokenPipeError:
        pass  # nobody listens any more
    except Exception as error:  # it is raised again where the drill waits for it
        line.send(error)
