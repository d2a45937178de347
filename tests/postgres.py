"""A PostgreSQL server of Debian's for the tests, on a free port and in a folder of its own."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine

PASSWORD = "sesame-7"
_OPTIONS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",  # the server goes with the tests
    "full_page_writes=off",
    "shared_buffers=64MB",
    "max_connections=60",
)


def programs() -> Path | None:
    """Where initdb and postgres lie: Debian keeps them out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


@dataclass
class Server:
    """A running server; `database` makes a new, empty database and returns its address."""

    port: int
    numbers: Iterator[int] = field(default_factory=count)

    def url(self, name: str, user: str = "office", password: str = PASSWORD) -> str:
        return f"postgresql+pg8000://{user}:{password}@127.0.0.1:{self.port}/{name}"

    def run(self, *statements: str) -> None:
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    def database(self, template: str = "template0", name: str | None = None) -> str:
        name = name or f"warnings_{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Start a server that sorts Chinese by its sound, unlike SQLite; stopped at the end."""
    found = programs()
    if found is None:
        pytest.skip("needs the programs of a PostgreSQL server: apt-get install postgresql")
    # The server refuses to be root; the user that Debian's package makes is there for it.
    user = "postgres" if os.getuid() == 0 else None
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.getuid() and path != Path(folder.root):
            path.chmod(path.stat().st_mode | 0o055)
    data, secret = folder / "data", folder / "password"
    secret.write_text(PASSWORD)
    data.mkdir()
    if user is not None:
        shutil.chown(data, user, user)
    data.chmod(0o700)
    make = [
        str(found / "initdb"),
        "-D",
        str(data),
        "-U",
        "office",
        "--pwfile",
        str(secret),
        "-A",
        "scram-sha-256",
    ]
    make += ["-E", "UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=zh"]
    subprocess.run(
        [*make, "--no-sync"], check=True, capture_output=True, cwd=folder, user=user, group=user
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [part for option in (*_OPTIONS, f"port={port}") for part in ("-c", option)]
    with (folder / "log").open("wb") as log:
        start = [str(found / "postgres"), "-D", str(data), *options]
        process = subprocess.Popen(start, stdout=log, stderr=log, cwd=folder, user=user, group=user)
    try:
        _wait(found, port)
        yield Server(port)
    finally:
        process.send_signal(2)  # fast shutdown: connections are closed
        process.wait(60)


def _wait(found: Path, port: int) -> None:
    command = [str(found / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    for _ in range(200):
        if subprocess.run(command, check=False).returncode == 0:
            return
    raise AssertionError("postgres does not start")
