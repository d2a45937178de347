"""Quarantine: refused inputs are kept with the reason, once each."""

import hashlib
import os
from datetime import datetime
from pathlib import Path

from jinghu.grid import durable
from jinghu.grid.errors import DataError
from jinghu.grid.store import Store
from jinghu.grid.times import isoformat

_MAX_COPY_BYTES = 64 * 2**20
_MAX_NAME_BYTES = 180  # what is added to it must still fit into a file name


def quarantine(store: Store, file: Path, error: DataError, now: datetime) -> Path:
    """Copy a refused input into the quarantine beside a ``.reason.json``; returns the reason.

    The same content under the same name is kept once. Of files over 64 MiB, and of those that
    cannot be read, only the reason is kept. The input itself is left where it was: it may be on
    a read-only archive.
    """
    name = os.fsencode(file.name)
    content = _content(file)
    identity = name if content is None else content
    digest = hashlib.sha256(identity).hexdigest()
    short = os.fsdecode(name[-_MAX_NAME_BYTES:])
    kept = store.root / "quarantine" / f"{digest[:12]}-{short}"
    reason = kept.with_name(f"{kept.name}.reason.json")
    if reason.exists():
        return reason
    if content is not None:
        durable.write_atomic(kept, content)
    entry = {
        "file": str(file),
        "cause": error.cause,
        "refused_at": isoformat(now),
        "bytes": _size(file),
        "sha256": None if content is None else digest,
    }
    durable.write_atomic(reason, durable.json_bytes(entry))
    return reason


def _content(file: Path) -> bytes | None:
    """Bytes of a file that can be read and is not too large."""
    try:
        return file.read_bytes() if file.stat().st_size <= _MAX_COPY_BYTES else None
    except OSError:
        return None


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None
