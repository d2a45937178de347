from jinghu.api.cache import Lru


def test_keeps_what_was_used_last():
    made = []

    def make(value):
        made.append(value)
        return value

    cache = Lru(10, len)
    for key in ("aaaa", "bbbb", "aaaa", "cccc", "aaaa", "bbbb"):
        assert cache.get(key, lambda key=key: make(key)) == key
    # Two of four bytes fit: bbbb went when cccc came, because aaaa had been used since.
    assert made == ["aaaa", "bbbb", "cccc", "bbbb"]
    assert cache.weight == 8


def test_a_value_larger_than_the_limit_is_still_answered():
    cache = Lru(3, len)
    assert cache.get("k", lambda: b"12345") == b"12345"
    assert cache.get("l", lambda: b"1") == b"1"
    assert cache.weight == 1
