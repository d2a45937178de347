"""Signatures against an independent reading of Standard Webhooks 1.0.0, and the address guard."""

import asyncio
import base64
import hashlib
import hmac
import socket
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.warnings.letters import MESSAGE

from jinghu.grid.errors import ConfigError, DeliveryError
from jinghu.warnings.addresses import GuardedResolver, is_public
from jinghu.warnings.outbox import BusyError, GoneError
from jinghu.warnings.webhook import Webhook, sign

NOW = datetime(2026, 7, 1, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


def verify(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """The specification's text: base64 of HMAC-SHA256 over "id.timestamp.body", any of several."""
    key = base64.b64decode(secret[len("whsec_") :])
    signed = b".".join(
        [headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body]
    )
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    found = [s.split(",", 1) for s in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(s, expected) for version, s in found)


def test_the_specifications_own_example():
    """From the text of Standard Webhooks: secret, id, timestamp, payload and signature."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(max_size=60), st.binary(min_size=24, max_size=64))
def test_what_we_sign_verifies_and_nothing_else_does(body, key):
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": "1782864000",
        "webhook-signature": sign(secret, "m1", 1782864000, body),
    }
    assert verify(secret, headers, body)
    assert not verify(secret, headers, body + b" ")
    assert not verify(secret, headers | {"webhook-timestamp": "1782864001"}, body)
    assert not verify(SECRET + "AA==", headers, body)


def test_two_secrets_while_rotating():
    other = "whsec_" + base64.b64encode(b"b" * 24).decode()
    signature = sign(f"{SECRET} {other}", "m1", 1, b"x")
    headers = {"webhook-id": "m1", "webhook-timestamp": "1", "webhook-signature": signature}
    assert verify(SECRET, headers, b"x")
    assert verify(other, headers, b"x")


@pytest.mark.parametrize(
    ("url", "secret", "private", "cause"),
    [
        ("https://a.example", "hello", True, "whsec_"),
        ("https://a.example", "whsec_!!", True, "whsec_"),
        ("https://a.example", "", True, "whsec_"),
        ("https://a.example", "whsec_AAAA", True, "whsec_"),
        ("ftp://a.example", SECRET, True, "not an http"),
        ("https://", SECRET, True, "not an http"),
        ("http://a.example", SECRET, False, "only https leaves the house"),
    ],
)
def test_what_can_never_work_is_refused_at_once(url, secret, private, cause):
    with pytest.raises(ConfigError, match=cause):
        Webhook("sms", url, secret, private)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.9.9", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_private_addresses_in_every_dress(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_addresses(address):
    assert is_public(address)


class Names:
    """Answers one address after the other, the last for ever: a name that is rebound."""

    def __init__(self, *addresses: str):
        self.addresses = list(addresses)

    async def __call__(self, host: str, port: int) -> list[str]:
        return [self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]]


def resolve(resolver, host="a.example"):
    return asyncio.run(resolver.addresses(host, 443))


def test_names_that_lead_inside_are_refused():
    with pytest.raises(OSError, match=r"a\.example: 127\.0\.0\.1 is a private address"):
        resolve(GuardedResolver(False, False, Names("127.0.0.1")))
    assert resolve(GuardedResolver(False, True, Names("127.0.0.1")))


def test_plain_http_never_leaves_the_house():
    with pytest.raises(OSError, match="only https leaves the house"):
        resolve(GuardedResolver(True, True, Names("1.1.1.1")))


def post(hook: Webhook, message=MESSAGE, now=NOW, names: Names | None = None):
    async def run():
        async with hook.lines() as lines:
            if names is not None:
                lines.resolver.inner = names
            return await hook.send(lines, message, now)

    return asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:1/", "https://[::1]:1/", "https://169.254.169.254/latest/meta-data",
        "https://2130706433:1/", "https://0x7f.1:1/", "https://localhost:1/",
        "https://[::ffff:127.0.0.1]:1/",
    ],
)  # fmt: skip
def test_no_spelling_of_an_inner_address_is_connected_to(url):
    with pytest.raises(DeliveryError, match=r"private address|not a canonical") as error:
        post(Webhook("sms", url, SECRET))
    assert error.value.retryable  # the operator can mend it; until then nothing is given up


def serve(handler, then):
    """Run a real server on loopback and call ``then`` with its address in a thread."""

    async def run():
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            return await asyncio.to_thread(then, port)
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_a_name_that_is_rebound_is_connected_to_where_it_was_checked():
    """The check sees the first answer and the connection uses it: there is no second look-up.

    The first answer is allowed here and is where the server listens; a second look-up would lead
    to an address that nobody answers on.
    """
    seen = []

    async def handler(request):
        seen.append(request.headers["host"])
        return web.Response()

    def then(port):
        hook = Webhook("sms", f"http://a.example:{port}/", SECRET, allow_private=True)
        return post(hook, names=Names("127.0.0.1", "127.9.9.9"))

    assert serve(handler, then) == "HTTP 200"
    assert seen[0].startswith("a.example")


def test_the_receiver_gets_a_signed_message():
    seen = []

    async def handler(request):
        seen.append((dict(request.headers), await request.read()))
        return web.Response(status=204)

    def then(port):
        return post(Webhook("sms", f"http://127.0.0.1:{port}/in", SECRET, allow_private=True))

    assert serve(handler, then) == "HTTP 204"
    ((headers, body),) = seen
    lower = {name.lower(): value for name, value in headers.items()}
    assert verify(SECRET, lower, body)
    assert lower["webhook-id"] == "msg_1"
    assert lower["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert body == MESSAGE.body


@pytest.mark.parametrize(
    ("status", "headers", "retryable"),
    [
        (400, {}, False), (410, {}, True), (413, {}, False), (422, {}, False),
        (401, {}, True), (404, {}, True), (429, {}, True), (500, {}, True), (503, {}, True),
        (302, {"location": "/inner"}, True),
    ],
)  # fmt: skip
def test_refusals_are_final_and_faults_are_not(status, headers, retryable):
    asked = []

    async def handler(request):
        asked.append(request.path)
        return web.Response(status=status, headers=headers)

    def then(port):
        return post(Webhook("sms", f"http://127.0.0.1:{port}/in", SECRET, allow_private=True))

    with pytest.raises(DeliveryError, match=f"HTTP {status}") as error:
        serve(handler, then)
    assert error.value.retryable is retryable
    assert isinstance(error.value, GoneError) is (status == 410)  # it waits for another receiver
    assert asked == ["/in"]  # redirects are not followed


def test_retry_after_is_heard():
    async def handler(_):
        return web.Response(status=503, headers={"retry-after": "120"})

    def then(port):
        return post(Webhook("sms", f"http://127.0.0.1:{port}/in", SECRET, allow_private=True))

    with pytest.raises(BusyError) as error:
        serve(handler, then)
    assert error.value.wait == timedelta(seconds=120)


def test_nobody_there_can_be_tried_again():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        hook = Webhook("sms", f"http://127.0.0.1:{taken.getsockname()[1]}/", SECRET, True)
        with pytest.raises(DeliveryError) as error:
            post(hook)
    assert error.value.retryable
    assert "\n" not in str(error.value)
