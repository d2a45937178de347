import hashlib
import json
import os

import pytest

from jinghu.grid import quarantine as module
from jinghu.grid.errors import DataError
from jinghu.grid.quarantine import quarantine

ERROR = DataError("Z9999.bin", "unknown site Z9999")


def kept(store):
    return sorted(p.name for p in (store.root / "quarantine").iterdir())


def test_the_input_is_kept_with_its_reason_and_stays_where_it_was(store, tmp_path, now):
    file = tmp_path / "Z9999.bin"
    file.write_bytes(b"radar")
    reason = quarantine(store, file, ERROR, now)
    entry = json.loads(reason.read_text())
    digest = hashlib.sha256(b"radar").hexdigest()
    assert entry == {
        "file": str(file),
        "cause": "unknown site Z9999",
        "refused_at": "2019-08-09T16:30:00Z",
        "bytes": 5,
        "sha256": digest,
    }
    copy = reason.with_name(reason.name.removesuffix(".reason.json"))
    assert copy.read_bytes() == b"radar"
    assert copy.name == f"{digest[:12]}-Z9999.bin"
    assert file.exists()


def test_once_each(store, tmp_path, now):
    file = tmp_path / "Z9999.bin"
    for content in (b"radar", b"radar", b"other"):
        file.write_bytes(content)
        quarantine(store, file, ERROR, now)
    assert len(kept(store)) == 4  # two contents with their reasons


def test_of_big_files_only_the_reason_is_kept(store, tmp_path, now, monkeypatch):
    monkeypatch.setattr(module, "_MAX_COPY_BYTES", 10)
    file = tmp_path / "big.bin"
    file.write_bytes(b"0" * 11)
    reason = quarantine(store, file, ERROR, now)
    assert kept(store) == [reason.name]
    assert json.loads(reason.read_text())["bytes"] == 11
    assert json.loads(reason.read_text())["sha256"] is None


def test_of_files_that_are_gone_the_reason_is_kept(store, tmp_path, now):
    reason = quarantine(store, tmp_path / "gone.bin", ERROR, now)
    assert kept(store) == [reason.name]
    assert json.loads(reason.read_text())["bytes"] is None


@pytest.mark.parametrize(
    "name", ["x" * 250, "台" * 80 + ".bin", os.fsdecode("台风.bin".encode("gbk")), "a b\n.bin"]
)
def test_names_of_any_length_and_encoding(store, tmp_path, now, name):
    file = tmp_path / name
    file.write_bytes(b"radar")
    reason = quarantine(store, file, ERROR, now)
    json.loads(reason.read_text(encoding="utf-8"))
    assert len(kept(store)) == 2
    assert quarantine(store, file, ERROR, now) == reason
