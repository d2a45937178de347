"""The service of a drill in a process of its own, as `jinghu serve` is one of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import uvicorn

from jinghu.api.app import create_app
from jinghu.beside import Beside, beside
from jinghu.configs.settings import Settings
from jinghu.desk import desk_of
from jinghu.dispatch import dispatcher
from jinghu.exports import FlowService
from jinghu.simulated_public import SimulatedClock


@contextmanager
def service(
    settings: Settings, clock: SimulatedClock, listening: socket.socket
) -> Iterator[Beside]:
    """Serve for as long as the block lasts; whoever asks before it has started waits for it.

    Parameters
    ----------
    settings
        Of the drill.
    clock
        Its time.
    listening
        The socket, which is the service's from then on.

    Raises
    ------
    JinghuError
        Where the service cannot start, or has ended before its time.
    """
    with beside("service", _serve, settings, clock, listening) as process:
        listening.close()
        yield process
        process.require_alive()


def _serve(
    line: Connection, settings: Settings, clock: SimulatedClock, listening: socket.socket
) -> None:
    desk, jobs = desk_of(settings, clock), FlowService(settings)
    app = create_app(settings, clock, dispatcher(settings), desk, jobs)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    sockets = {"sockets": [listening]}
    threading.Thread(target=server.run, kwargs=sockets, daemon=True).start()
    line.recv()  # ends with the drill
