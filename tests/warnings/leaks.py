"""Looking for known phone numbers in bytes: as text in any spelling, and as integers."""

import re
from pathlib import Path

import numpy as np
from sqlalchemy import Engine, select

from jinghu.warnings.tables import metadata

_DIGITS = re.compile(rb"\d{11,}")


def numbers(n, seed=0):
    """Different Chinese mobile numbers of eleven digits."""
    rng = np.random.default_rng(seed)
    found = rng.choice(np.arange(10_000_000, dtype=np.int64) * 100, n, replace=False)
    return [str(13_000_000_000 + int(k) + int(rng.integers(100))) for k in found]


def all_of(engine: Engine) -> str:
    """Every value of every table."""
    with engine.connect() as connection:
        rows = [list(connection.execute(select(table))) for table in metadata.sorted_tables]
    return repr(rows)


def leaked(data: bytes, known: set[bytes]) -> set[bytes]:
    """Which of the known numbers stand in the bytes, with or without separators or zeros between.

    Texts in UTF-16 have a zero between digits; SQLite stores integers in 6 or 8 bytes, the highest
    first.
    """
    texts = (data, data.replace(b"\0", b""), re.sub(rb"(?<=\d)[ \-](?=\d)", b"", data))
    found = {
        run[at : at + 11]
        for text in texts
        for run in _DIGITS.findall(text)
        for at in range(len(run) - 10)
    } & known
    values = np.frombuffer(data, np.uint8).astype(np.int64)
    if len(values) >= 6:
        parts = [values[k : len(values) - 5 + k] << 8 * (5 - k) for k in range(6)]
        window = np.sum(parts, axis=0)
        mobile = window[(window >= 13_000_000_000) & (window < 20_000_000_000)]
        found |= {str(k).encode() for k in mobile.tolist()} & known
    return found


def leaked_in(folder: Path, known: set[bytes]) -> dict[str, int]:
    """Numbers found in every file of a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = {str(path.relative_to(folder)): leaked(path.read_bytes(), known) for path in files}
    return {name: len(hits) for name, hits in found.items() if hits}
