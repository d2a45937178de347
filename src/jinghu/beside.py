"""A process beside the one that runs the cycles, and the line to it.

Each is forked from a server of processes, which imports once what all of them need: as much work as
half a cycle, that each would do again. The server has no threads, whose locks a fork would copy.
"""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

from jinghu.grid.errors import JinghuError

_PATIENCE_S = 5.0
_IMPORTED = ["jinghu.drill"]  # with it comes all that a drill runs


@dataclass(frozen=True, slots=True)
class Beside:
    """A running process: what is sent to it, and what it sends."""

    line: Connection
    process: BaseProcess

    def receive(self) -> Any:
        """Wait for the next that it sends.

        Raises
        ------
        JinghuError
            Where it ended, or failed with that.
        """
        try:
            found = self.line.recv()
        except EOFError:
            raise self._ended() from None
        if isinstance(found, Exception):
            raise found
        return found

    def ask(self, question: object) -> Any:
        """Send something and wait for the answer; raises as `receive` does."""
        try:
            self.line.send(question)
        except BrokenPipeError:
            raise self._ended() from None
        return self.receive()

    def require_alive(self) -> None:
        """Raise as `receive` does where it has ended, which is before it should."""
        if not self.process.is_alive():
            self.receive()
            raise self._ended()

    def _ended(self) -> JinghuError:
        self.process.join(_PATIENCE_S)
        return JinghuError(f"the process {self.process.name!r} ended, {self.process.exitcode}")


def _processes() -> ForkServerContext | SpawnContext:
    """How a process is started: forked from a server where the system has that."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    return context


def import_beside() -> None:
    """Let the server of processes import from now on, while this process does so itself."""
    if sys.platform != "win32":
        from multiprocessing.forkserver import ensure_running

        _processes()
        ensure_running()


@contextmanager
def beside(name: str, task: Callable[..., None], *args: object) -> Iterator[Beside]:
    """Run a task in a process of its own for as long as the block lasts.

    Parameters
    ----------
    name
        Of the process, for messages.
    task
        Called with its end of the line and ``args``; an error of it is sent as the last.
    args
        What it is given, pickled.
    """
    context = _processes()
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(task, theirs, args), name=name, daemon=True)
    process.start()
    theirs.close()  # so that its end is noticed here
    try:
        yield Beside(ours, process)
    finally:
        ours.close()
        process.terminate()
        process.join(_PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()


def _run(task: Callable[..., None], line: Connection, args: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other process to answer
    try:
        task(line, *args)
    except (BrokenPipeError, EOFError):
        pass  # nobody listens any more
    except Exception as error:  # it is raised again where somebody waits for it
        line.send(error)
