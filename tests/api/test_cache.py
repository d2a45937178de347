from functools import partial

from jinghu.api.cache import Lru


def test_keeps_what_was_used_last():
    made: list[str] = []

    def make(value: str) -> str:
        made.append(value)
        return value

    cache: Lru[str, str] = Lru(10, len)
    for key in ("aaaa", "bbbb", "aaaa", "cccc", "aaaa", "bbbb"):
        assert cache.get(key, partial(make, key)) == key
    # Two of four bytes fit: bbbb went when cccc came, because aaaa had been used since.
    assert made == ["aaaa", "bbbb", "cccc", "bbbb"]
    assert cache.weight == 8


def test_a_value_larger_than_the_limit_is_still_answered():
    cache: Lru[str, bytes] = Lru(3, len)
    assert cache.get("k", lambda: b"12345") == b"12345"
    assert cache.get("l", lambda: b"1") == b"1"
    assert cache.weight == 1
