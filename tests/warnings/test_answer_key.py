"""The key that signs answer links."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jinghu.grid.errors import ConfigError
from jinghu.warnings.acknowledge import answer_key_path, load_answer_key


def test_lies_beside_the_database():
    store = Path("/store")
    assert answer_key_path(None, "sqlite:////var/w/warnings.db", store) == Path("/var/w/answer.key")
    assert answer_key_path(None, "postgresql://host/w", store) == Path("/store/answer.key")
    assert answer_key_path(None, "sqlite://", store) == Path("/store/answer.key")
    assert answer_key_path(Path("/k"), "sqlite://", store) == Path("/k")


def test_made_once_for_its_owner_only(tmp_path):
    path = tmp_path / "new" / "answer.key"
    key = load_answer_key(path)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_answer_key(path) == key
    assert load_answer_key(tmp_path / "other.key") != key
    assert [p.name for p in path.parent.iterdir()] == ["answer.key"]


def test_two_that_make_it_agree(tmp_path):
    path = tmp_path / "answer.key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_answer_key(path), range(16)))
    assert len(keys) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["answer.key"]


def test_a_short_key_is_refused(tmp_path):
    path = tmp_path / "answer.key"
    path.write_bytes(b"password")
    with pytest.raises(ConfigError, match="8 bytes"):
        load_answer_key(path)
