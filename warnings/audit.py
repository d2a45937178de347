"""Checking the audit: its chain, and the anchors that lie outside the database.

The chain shows what was edited, removed or moved inside it. Who can write the database can also
cut entries off its end, or make the whole chain anew: that shows against anchors, which say what
the newest entry was at some time. Anchors are lines of a file a day, each naming the digest of the
one before it; copies of them belong where the operators of the database cannot write.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, make_url, select

from jinghu.grid import durable
from jinghu.grid.errors import StoreError
from jinghu.grid.times import isoformat
from jinghu.warnings.database import AuditLink, reading, walk_audit
from jinghu.warnings.tables import audit

_FIRST = "0" * 64
_FILES = "????-??-??.jsonl"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The newest entry at a time; ``previous`` is the digest of the anchor before this one."""

    at: str
    seq: int
    hash: str
    previous: str

    @property
    def digest(self) -> str:
        """What the next anchor names."""
        return hashlib.sha256(self.line.encode("ascii")).hexdigest()

    @property
    def line(self) -> str:
        """As it stands in its file."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Broken:
    """The first entry that is not as it was written, and what is wrong."""

    seq: int
    cause: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """How an audit stands: its entries, its newest digest, the anchors it was held against."""

    entries: int
    head: str
    anchors: int
    broken: Broken | None


def anchors_path(configured: Path | None, database: str, store: Path) -> Path:
    """Folder of the anchors: as configured, or beside the database."""
    if configured is not None:
        return configured
    url = make_url(database)
    beside = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return (Path(str(url.database)).parent if beside else store) / "audit-anchors"


def verify(connection: Connection, anchors: Sequence[Anchor]) -> AuditReport:
    """Hold the audit against its chain and the anchors; stops at the first broken entry."""
    wanted = {anchor.seq: anchor for anchor in anchors}
    entries, last, head = 0, 0, _FIRST
    for link in walk_audit(connection):
        if broken := _broken(link, last, wanted.get(link.seq)):
            return AuditReport(entries, head, len(anchors), broken)
        entries, last, head = entries + 1, link.seq, link.digest
    newest = max(anchors, key=lambda anchor: anchor.seq, default=None)
    cut = None
    if newest is not None and newest.seq > last:
        cut = Broken(last + 1, f"entries up to {newest.seq} were cut off: anchor of {newest.at}")
    return AuditReport(entries, head, len(anchors), cut)


def _broken(link: AuditLink, last: int, anchor: Anchor | None) -> Broken | None:
    """What is wrong with an entry that follows entry ``last``."""
    if not link.follows and link.seq > last + 1:
        return Broken(last + 1, "was removed or moved")
    if not link.genuine:
        return Broken(link.seq, "was changed")
    if not link.follows:
        return Broken(link.seq, "stands in the place of another one")
    if anchor is not None and anchor.hash != link.digest:
        return Broken(link.seq, f"is not the entry that the anchor of {anchor.at} names")
    return None


def read_anchors(folder: Path) -> list[Anchor]:
    """Read all anchors in their order.

    Raises
    ------
    StoreError
        Where a line is damaged, or one before it was changed or removed.
    """
    found: list[Anchor] = []
    for path in sorted(folder.glob(_FILES)):
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"audit anchors {path}: {error}") from None
        for number, line in enumerate(lines, 1):
            anchor = _parse(line, f"audit anchors {path}: line {number}")
            if anchor.previous != (found[-1].digest if found else _FIRST):
                raise StoreError(
                    f"audit anchors {path}: line {number}: what stood before it was changed or"
                    " removed"
                )
            found.append(anchor)
    return found


def _parse(line: str, place: str) -> Anchor:
    try:
        value = json.loads(line)
        return Anchor(
            str(value["at"]), int(value["seq"]), str(value["hash"]), str(value["previous"])
        )
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{place} is damaged") from None


def drop_anchor(engine: Engine, folder: Path, now: datetime) -> Anchor | None:
    """Write down what the newest entry is; None where it is that of the last anchor still.

    Raises
    ------
    StoreError
        Where the entry of the last anchor is gone or another one now: the audit has to be looked
        at before anything is built on it. Also where the last anchors are damaged or cannot be
        written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder), reading(engine) as connection:
            return _drop(connection, folder, now)
    except OSError as error:
        raise StoreError(f"audit anchors {folder}: {error.strerror}") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time; the lock goes with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _drop(connection: Connection, folder: Path, now: datetime) -> Anchor | None:
    files = sorted(folder.glob(_FILES))
    lines = files[-1].read_text(encoding="ascii").splitlines() if files else []
    last = _parse(lines[-1], f"audit anchors {files[-1]}: line {len(lines)}") if lines else None
    columns = select(audit.c.seq, audit.c.hash)
    newest = connection.execute(columns.order_by(audit.c.seq.desc()).limit(1)).first()
    if last is not None:
        row = connection.execute(columns.where(audit.c.seq == last.seq)).first()
        if row is None or row.hash != last.hash:
            raise StoreError(
                f"the audit does not have entry {last.seq} of the anchor of {last.at}: run jinghu"
                " audit verify"
            )
    if newest is None or (last is not None and last.seq == newest.seq):
        return None
    anchor = Anchor(isoformat(now), int(newest.seq), newest.hash, last.digest if last else _FIRST)
    path = folder / f"{anchor.at[:10]}.jsonl"
    if files and files[-1] > path:  # the clock was set back: the order of the files is theirs
        path = files[-1]
    before = path.read_bytes() if path.exists() else b""
    durable.write_atomic(path, before + anchor.line.encode("ascii") + b"\n")
    return anchor
