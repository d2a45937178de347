"""Requests over connections that stay open, against servers that say exactly what they are told."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jinghu.warnings.addresses import GuardedResolver
from jinghu.warnings.http_lines import HttpLines

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


def talk(*answers, requests=1, path="/in", headers=None, user=""):
    """Make requests to a server that gives one answer after the other, None closing the line.

    Returns what came back, what arrived, and how many connections were made.
    """
    left, arrived, made = list(answers), [], 0

    async def serve(reader, writer):
        nonlocal made
        made += 1
        try:
            while left:
                head = await reader.readuntil(b"\r\n\r\n")
                arrived.append(head + await reader.readexactly(4))
                answer = left.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                if b"\r\nclose-after: me" in answer or b"length" not in answer.lower():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def run():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        resolver = GuardedResolver(True, True)
        found = []
        try:
            async with HttpLines(f"http://{user}127.0.0.1:{port}", resolver) as lines:
                for _ in range(requests):
                    found.append(await lines.request("POST", path, b"body", headers or {}))
                    await asyncio.sleep(0.01)  # what the server does next arrives
        finally:
            server.close()
            await asyncio.sleep(0.02)  # the server hears that we are gone
        return found

    return asyncio.run(run()), arrived, made


def test_one_connection_carries_many_requests():
    found, arrived, made = talk(*[OK] * 5, requests=5, headers={"webhook-id": "m1"})
    assert [(r.status, r.body) for r in found] == [(200, b"hi")] * 5
    assert made == 1
    assert arrived[0].startswith(b"POST /in HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"\r\nwebhook-id: m1\r\ncontent-length: 4\r\n\r\nbody" in arrived[0]


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", 204, b""),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, 200, b"hi"),
        (b"HTTP/1.1 200\r\nContent-Length:2\r\n\r\nhi", 200, b"hi"),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", 200, b"to the end"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx-length: 0\r\n\r\n"
            b"2;a=b\r\nhi\r\n3\r\n yo\r\n0\r\ntrailer: x\r\n\r\n",
            200,
            b"hi yo",
        ),
        (b"HTTP/1.1 500 X\r\ncontent-length: 90000\r\n\r\n" + b"x" * 90000, 500, b"x" * 20000),
    ],
)
def test_answers_of_every_shape(answer, status, body):
    (found,), _, _ = talk(answer)
    assert (found.status, found.body) == (status, body)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nclose-after: me\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nlength: " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nlen",
        None,
    ],
)
def test_what_is_no_whole_answer_is_a_fault(answer):
    with pytest.raises((OSError, EOFError, ValueError)):
        talk(answer)


def test_a_connection_that_was_closed_meanwhile_is_made_anew():
    closes = OK.replace(b"\r\n\r\n", b"\r\nclose-after: me\r\n\r\n")
    found, _, made = talk(closes, closes, OK, requests=3)
    assert [r.status for r in found] == [200, 200, 200]
    assert made == 3


def test_a_request_on_an_old_connection_that_breaks_is_made_again():
    found, arrived, made = talk(OK, None, OK, requests=2)
    assert [r.status for r in found] == [200, 200]
    assert (len(arrived), made) == (3, 2)


def test_what_nobody_asked_for_is_never_taken_for_an_answer():
    late = b"HTTP/1.1 408 Too slow\r\ncontent-length: 0\r\n\r\n"
    found, _, made = talk(OK + late, OK, requests=2)
    assert ([r.status for r in found], made) == ([200, 200], 2)


def test_a_wish_to_close_is_respected():
    said = b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 2\r\n\r\nhi"
    assert talk(said, said, requests=2)[2] == 2


def test_addresses_are_encoded_and_users_are_named():
    _, (asked,), _ = talk(OK, path="/发送?to=%2B86 1#part", user="me:se%40me@")
    assert asked.startswith(b"POST /%E5%8F%91%E9%80%81?to=%2B86%201 HTTP/1.1\r\n")
    assert b"\r\nauthorization: Basic bWU6c2VAbWU=\r\n" in asked
    assert b"se%40me" not in asked


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\0b"])
def test_a_header_holds_no_second_one(value):
    with pytest.raises(ValueError, match="line break"):
        talk(OK, headers={"name": value})


@pytest.fixture
def certificate(tmp_path):
    """A certificate for localhost that vouches for itself, and its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = tmp_path / "both.pem"
    path.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, *plain))
    return path


@pytest.mark.parametrize("trusted", [True, False])
def test_a_receiver_is_who_its_certificate_says(certificate, trusted):
    made = 0

    async def serve(reader, writer):
        nonlocal made
        made += 1
        try:
            while True:
                await reader.readuntil(b"body")
                writer.write(OK)
        except asyncio.IncompleteReadError:
            writer.close()

    async def run():
        ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ours.load_cert_chain(certificate)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ours)
        port = server.sockets[0].getsockname()[1]
        lines = HttpLines(f"https://localhost:{port}", GuardedResolver(False, True))
        assert lines._tls is not None
        if trusted:
            lines._tls.load_verify_locations(certificate)
        try:
            async with lines:
                return [(await lines.request("POST", "", b"body", {})).body for _ in range(3)]
        finally:
            server.close()
            await asyncio.sleep(0.05)

    if trusted:
        assert asyncio.run(run()) == [b"hi"] * 3
        assert made == 1
    else:
        with pytest.raises(ssl.SSLError, match="self-signed certificate"):
            asyncio.run(run())
