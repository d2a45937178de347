"""Durable writes: what was renamed into place is whole, and survives a power cut."""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TEMPORARY = ".tmp-"
_AT_ONCE = 16  # flushes under way: a disk that is asked for many writes them with one of its own


def fsync_path(path: Path) -> None:
    """Flush one file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(*roots: Path) -> None:
    """Flush every file and folder below each root, and the roots themselves.

    All files first, then all folders, so that no name is on the disk before what it names. Many at
    once: one after another, the few hundred files of a cycle take more than a second of waiting.
    """
    files, folders = [], []
    for root in roots:
        for folder, _, names in os.walk(root):
            files += [Path(folder, name) for name in names]
            folders.append(Path(folder))
    fsync_paths(files)
    fsync_paths(folders)


def fsync_paths(paths: Sequence[Path]) -> None:
    """Flush files or folders to the disk, many at once."""
    with ThreadPoolExecutor(_AT_ONCE) as flushing:
        for _ in flushing.map(fsync_path, paths):
            pass


def temporary_beside(target: Path) -> Path:
    """Path of this process's temporary sibling of ``target``."""
    return target.with_name(f"{TEMPORARY}{target.name}-{os.getpid()}")


def json_bytes(value: object) -> bytes:
    """JSON in UTF-8, indented; what is not Unicode (file names of old archives) is escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return (text + "\n").encode("utf-8", "backslashreplace")


def write_atomic(target: Path, content: bytes) -> None:
    """Replace ``target`` so that a reader sees the old or the new content, whole."""
    temporary = temporary_beside(target)
    temporary.write_bytes(content)
    fsync_path(temporary)
    temporary.replace(target)
    fsync_path(target.parent)


def rename_durable(source: Path, target: Path) -> None:
    """Rename within one folder tree and flush the parent."""
    source.rename(target)
    fsync_path(target.parent)


def remove_leftovers(folder: Path) -> int:
    """Remove temporary siblings that processes which no longer run left behind; returns how many.

    A folder of a living process is left alone.
    """
    removed = 0
    for path in folder.glob(f"{TEMPORARY}*"):
        pid = path.name.rsplit("-", 1)[-1]
        if pid.isdigit() and (int(pid) == os.getpid() or Path(f"/proc/{pid}").exists()):
            continue
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        removed += 1
    return removed


def sha256_tree(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files of a folder."""
    digest = hashlib.sha256()
    if path.is_file():
        digest.update(path.read_bytes())
        return digest.hexdigest()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(str(file.relative_to(path)).encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
