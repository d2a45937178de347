from starlette.requests import Request

from jinghu.api.http import accepts_gzip, matches, prefers


def request(**headers):
    raw = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return Request({"type": "http", "headers": raw})


def test_negotiation():
    assert accepts_gzip(request(accept_encoding="br, gzip;q=0.5"))
    assert accepts_gzip(request(accept_encoding="*"))
    assert not accepts_gzip(request(accept_encoding="gzip;q=0, *"))
    assert not accepts_gzip(request())
    cap, plain = "application/cap+xml", "application/json"
    assert prefers(request(accept=cap), cap, plain)
    assert not prefers(request(accept="*/*"), cap, plain)
    assert not prefers(request(accept=f"{cap};q=0.2, {plain}"), cap, plain)
    assert not prefers(request(accept=f"{cap};q=x"), cap, plain)


def test_entity_tags_compare_weakly():
    assert matches(request(if_none_match='"a", W/"b"'), 'W/"b"')
    assert matches(request(if_none_match='"b"'), 'W/"b"')
    assert matches(request(if_none_match="*"), 'W/"b"')
    assert not matches(request(if_none_match='"a"'), 'W/"b"')
    assert not matches(request(), 'W/"b"')
