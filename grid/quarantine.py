"""Quarantine: refused inputs are kept with the reason, once each."""

import hashlib
import json
import shutil
from datetime import datetime
from pathlib import Path

from jinghu.grid import durable
from jinghu.grid.errors import DataError
from jinghu.grid.store import Store
from jinghu.grid.times import isoformat

_MAX_COPY_BYTES = 64 * 2**20


def quarantine(store: Store, file: Path, error: DataError, now: datetime) -> Path:
    """Copy a refused input into the quarantine beside a ``.reason.json``; returns the reason.

    The same content under the same name is kept once. Of files over 64 MiB only the reason is
    kept. The input itself is left where it was: it may be on a read-only archive.
    """
    folder = store.root / "quarantine"
    digest = hashlib.sha256()
    size = file.stat().st_size
    if size <= _MAX_COPY_BYTES:
        digest.update(file.read_bytes())
    else:
        digest.update(f"{file.name} {size}".encode())
    kept = folder / f"{digest.hexdigest()[:12]}-{file.name}"
    reason = kept.with_name(f"{kept.name}.reason.json")
    if reason.exists():
        return reason
    if size <= _MAX_COPY_BYTES:
        temporary = durable.temporary_beside(kept)
        shutil.copyfile(file, temporary)
        durable.fsync_path(temporary)
        durable.rename_durable(temporary, kept)
    entry = {
        "file": str(file),
        "cause": error.cause,
        "refused_at": isoformat(now),
        "bytes": size,
        "sha256": digest.hexdigest() if size <= _MAX_COPY_BYTES else None,
    }
    text = json.dumps(entry, ensure_ascii=False, indent=1)
    durable.write_atomic(reason, (text + "\n").encode("utf-8"))
    return reason
