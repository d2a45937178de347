import os
import subprocess
import sys

import pytest

from jinghu.grid import durable


@pytest.fixture
def dead_pid():
    """Number of a process that no longer runs."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_a_reader_sees_the_old_or_the_new(tmp_path):
    target = tmp_path / "LATEST"
    durable.write_atomic(target, b"old")
    with target.open("rb") as reader:
        durable.write_atomic(target, b"new and longer")
        assert reader.read() == b"old"
    assert target.read_bytes() == b"new and longer"
    assert os.listdir(tmp_path) == ["LATEST"]


def test_a_failed_write_leaves_the_old(tmp_path, monkeypatch):
    target = tmp_path / "LATEST"
    durable.write_atomic(target, b"old")

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "fsync_path", full)
    with pytest.raises(OSError, match="No space"):
        durable.write_atomic(target, b"new")
    assert target.read_bytes() == b"old"


def test_a_tree_is_flushed_whole_files_before_folders(tmp_path, monkeypatch):
    for root in ("a", "b"):
        for k in range(20):
            (tmp_path / root / f"{k}").mkdir(parents=True)
            (tmp_path / root / f"{k}" / "c").write_text("x")
    flushed = []
    monkeypatch.setattr(durable, "fsync_path", flushed.append)
    durable.fsync_tree(tmp_path / "a", tmp_path / "b", tmp_path / "there is none")
    everything = [
        p for root in ("a", "b") for p in (tmp_path / root, *(tmp_path / root).rglob("*"))
    ]
    assert sorted(flushed) == sorted(everything)
    assert [p.is_file() for p in flushed] == [True] * 40 + [False] * 42


def test_a_disk_that_does_not_flush_is_told(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("x")

    def broken(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(durable, "fsync_path", broken)
    with pytest.raises(OSError, match="Input/output"):
        durable.fsync_tree(tmp_path)


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_kept(tmp_path, dead_pid):
    dead_file = tmp_path / f".tmp-LATEST-{dead_pid}"
    dead_folder = tmp_path / f".tmp-fast-{dead_pid}"
    mine = durable.temporary_beside(tmp_path / "full")
    parent = tmp_path / f".tmp-full-{os.getppid()}"
    nameless = tmp_path / ".tmp-what"
    dead_file.write_text("x")
    (dead_folder / "inside").mkdir(parents=True)
    mine.mkdir()
    parent.mkdir()
    nameless.mkdir()
    (tmp_path / "fast").mkdir()
    assert durable.remove_leftovers(tmp_path) == 3
    assert {p.name for p in tmp_path.iterdir()} == {"fast", mine.name, parent.name}


def test_checksum_of_a_tree_depends_on_names_and_bytes_only(tmp_path):
    def tree(name, files):
        for path, content in files:
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_bytes(content)
        return durable.sha256_tree(tmp_path / name)

    same = tree("a", [("x/1", b"one"), ("2", b"two")])
    assert tree("b", [("2", b"two"), ("x/1", b"one")]) == same
    assert tree("c", [("x/1", b"onf"), ("2", b"two")]) != same
    assert tree("d", [("x1", b"one"), ("2", b"two")]) != same
    assert tree("e", [("x/1", b"one"), ("2", b"two"), ("3", b"")]) != same


def test_checksum_of_a_file_is_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, example B.1
    wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert durable.sha256_tree(tmp_path / "abc") == wanted


def test_json_takes_names_that_are_not_unicode():
    gbk = os.fsdecode("台风.bin".encode("gbk"))
    text = durable.json_bytes({"file": gbk, "city": "绍兴"}).decode("utf-8")
    assert "绍兴" in text
    assert "\\udc" in text
