"""Running the application on a port."""

import errno
import socket
import sys
import threading

import uvicorn
from fastapi import FastAPI

from jinghu.grid.errors import ConfigError


def run_server(app: FastAPI, host: str, port: int) -> None:
    """Serve until interrupted; ``::`` serves IPv4 and IPv6. Port 0 takes a free one.

    Raises
    ------
    ConfigError
        Where the port is taken or the address is not this machine's.
    """
    listening = listen(host, port)
    name = "localhost" if host in ("::", "0.0.0.0") else f"[{host}]" if ":" in host else host
    # On stderr: with --json of other commands stdout carries data only.
    print(f"镜湖 Jinghu: http://{name}:{listening.getsockname()[1]}/", file=sys.stderr, flush=True)
    threading.Thread(target=app.state.context.warm, daemon=True).start()
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _at_once(listening: socket.socket) -> socket.socket:
    """Let the connections send what they have at once.

    asyncio does so only for sockets that were made with an explicit protocol. An answer is written
    in two parts, head and body: without it the second part waits 40 ms for the other side's
    delayed acknowledgement in every answer but the first ones of a connection.
    """
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket, so that a port that is taken is one line and no traceback."""
    if not 0 <= port <= 65535:  # the socket library finds out too late to close what it opened
        raise ConfigError(f"port {port} is not between 0 and 65535")
    everywhere = host == "::"
    dual = everywhere and socket.has_dualstack_ipv6()
    try:
        if everywhere and not dual:
            return _at_once(socket.create_server(("0.0.0.0", port), backlog=512))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return _at_once(
            socket.create_server((host, port), family=family, backlog=512, dualstack_ipv6=dual)
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            cause = "the port is in use; name another with --port"
        else:
            cause = error.strerror or str(error)
        raise ConfigError(f"cannot serve on {host} port {port}: {cause}") from None
