"""Each channel against a real server: SMTP, MQTT, an SMS gateway, robots of groups."""

import asyncio
import base64
import email
import email.policy
import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from tests.warnings.letters import CONTENT, MESSAGE

from jinghu.grid.errors import ConfigError, DataError, DeliveryError
from jinghu.warnings.chat import ChatRobot, Vendor
from jinghu.warnings.contacts import ContactFile, ContactKind, read_contacts
from jinghu.warnings.levels import Level
from jinghu.warnings.mail import Encryption, MailServer
from jinghu.warnings.mqtt import MqttBroker
from jinghu.warnings.outbox import BusyError
from jinghu.warnings.sms import SmsGateway, Success

NOW = datetime(2026, 7, 1, tzinfo=UTC)
BOOK = ContactFile(
    {("P5", ContactKind.PHONE): "13800138000", ("P5", ContactKind.EMAIL): "p5@village.example"}
)


def send(channel, *messages):
    """Hand over messages in one run; the answers, or the errors."""

    async def run():
        async with channel.open(10) as hand_over:
            return await asyncio.gather(
                *(hand_over(m, NOW) for m in messages or (MESSAGE,)), return_exceptions=True
            )

    return asyncio.run(run())


def one(channel, message=MESSAGE):
    (found,) = send(channel, message)
    if isinstance(found, BaseException):
        raise found
    return found


@contextmanager
def http(answer):
    """A real HTTP server on loopback; yields its port and what it was asked."""
    seen: list[Any] = []
    ready, ended = threading.Event(), SimpleNamespace()

    async def take(request):
        body = await request.read()
        seen.append((request.method, request.path_qs, request.headers, body.decode()))
        return answer(request)

    async def run():
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ended.stop, ended.loop = asyncio.Event(), asyncio.get_running_loop()
        ended.port = runner.addresses[0][1]
        ready.set()
        await ended.stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(20)
    try:
        yield ended.port, seen
    finally:
        ended.loop.call_soon_threadsafe(ended.stop.set)
        thread.join(20)


# SMS


def gateway(port, **change):
    usual: dict[str, Any] = {
        "url": f"http://127.0.0.1:{port}/send?key=SECRET&to={{phone}}",
        "headers": {"Content-Type": "application/json", "X-Request-Id": "{id}"},
        "body": '{"PhoneNumbers":"{phone}","Text":"{text}","Level":"{level_zh}"}',
        "success": Success("Code", ("OK",), ("isv.BUSINESS_LIMIT_CONTROL",)),
        "allow_private": True,
    }
    return SmsGateway("sms", contacts=BOOK, **(usual | change))


def test_a_gateway_that_takes_json():
    with http(lambda _: web.json_response({"Code": "OK"})) as (port, seen):
        assert one(gateway(port)) == "HTTP 200 Code=OK"
    ((method, path, headers, body),) = seen
    assert (method, path) == ("POST", "/send?key=SECRET&to=13800138000")
    assert headers["X-Request-Id"] == "msg_1"
    said = json.loads(body)
    assert said["Text"] == f"{CONTENT.text_zh} 回执 {CONTENT.answer_url}"
    assert (said["PhoneNumbers"], said["Level"]) == ("13800138000", "红色")


def test_a_gateway_that_takes_forms_and_says_nothing():
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with http(lambda _: web.Response(status=202)) as (port, seen):
        channel = gateway(port, headers=form, body="to={phone}&msg={text_zh}", success=Success())
        assert one(channel) == "HTTP 202"
    assert parse_qs(seen[0][3]) == {"to": ["13800138000"], "msg": [CONTENT.text_zh]}


@pytest.mark.parametrize(
    ("answer", "retryable", "cause"),
    [
        ({"Code": "isv.BUSINESS_LIMIT_CONTROL"}, True, "Code=isv.BUSINESS_LIMIT_CONTROL"),
        ({"Code": "isv.MOBILE_NUMBER_ILLEGAL"}, False, "MOBILE_NUMBER_ILLEGAL"),
        ({}, False, "Code=None"),
        (["OK"], True, "not a JSON object"),
    ],
)
def test_what_a_gateway_answers_decides(answer, retryable, cause):
    with (
        http(lambda _: web.json_response(answer)) as (port, _),
        pytest.raises(DeliveryError, match=cause) as error,
    ):
        one(gateway(port))
    assert error.value.retryable is retryable


def test_errors_and_descriptions_keep_secrets_and_numbers_to_themselves():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        channel = gateway(taken.getsockname()[1])
        with pytest.raises(DeliveryError) as error:
            one(channel)
    for text in (str(error.value), repr(channel), repr(BOOK)):
        assert "SECRET" not in text
        assert "13800138000" not in text


def test_who_has_no_number_is_for_the_next_channel():
    message = replace(MESSAGE, content=replace(CONTENT, person="P6"))
    with pytest.raises(DeliveryError, match="P6 has no phone") as error:
        one(gateway(1), message)
    assert not error.value.retryable


def test_a_template_that_names_what_there_is_not():
    with pytest.raises(ConfigError, match=r"\{mobile\}"):
        gateway(1, body="{mobile}")


def test_numbers_and_addresses_of_a_file(tmp_path):
    path = tmp_path / "contacts.csv"
    path.write_text("person,phone,email\nP1,+8613800138000,\nP2,,p2@a.example\n", "utf-8")
    book = read_contacts(path)
    assert book.find("P1", ContactKind.PHONE) == "+8613800138000"
    assert book.find("P1", ContactKind.EMAIL) is None
    path.write_text("person,phone,email\nP1,138-0013-8000,\n", "utf-8")
    with pytest.raises(DataError, match="line 2: not a phone") as error:
        read_contacts(path)
    assert "0013" not in str(error.value)


# Robots


@pytest.mark.parametrize("vendor", list(Vendor))
def test_a_robot_tells_its_group_what_everybody_may_hear(vendor):
    with http(lambda _: web.json_response({vendor.code_field: 0})) as (port, seen):
        url = f"http://127.0.0.1:{port}/robot?token=T"
        one(ChatRobot("group", vendor, url, "SEC-1", allow_private=True))
    ((_, path, _, body),) = seen
    said = json.loads(body)
    text = said["content"]["text"] if vendor is Vendor.FEISHU else said["text"]["content"]
    assert text.startswith("越城区发布暴雨红色预警\n【暴雨红色预警】")
    for private in (CONTENT.answer_url, CONTENT.name, CONTENT.person):
        assert private not in text
    if vendor is Vendor.DINGTALK:  # as its page says: HMAC-SHA256 of "timestamp\nsecret"
        query = parse_qs(path.partition("?")[2])
        digest = hmac.digest(b"SEC-1", f"{query['timestamp'][0]}\nSEC-1".encode(), "sha256")
        assert query["sign"] == [base64.b64encode(digest).decode()]
        assert query["timestamp"] == ["1782864000000"]
    elif vendor is Vendor.FEISHU:  # "timestamp\nsecret" is the key, and the text is empty
        key = f"{said['timestamp']}\nSEC-1".encode()
        assert said["sign"] == base64.b64encode(hmac.digest(key, b"", hashlib.sha256)).decode()
    else:
        assert path == "/robot?token=T"


@pytest.mark.parametrize(
    ("vendor", "code", "busy"),
    [
        (Vendor.DINGTALK, 310000, False),
        (Vendor.DINGTALK, 130101, True),
        (Vendor.WECOM, 93000, False),
        (Vendor.WECOM, 45009, True),
        (Vendor.FEISHU, 19021, False),
        (Vendor.FEISHU, 11232, True),
    ],
)
def test_a_robot_that_refuses(vendor, code, busy):
    answer = {vendor.code_field: code, "errmsg": "no"}
    with (
        http(lambda _: web.json_response(answer)) as (port, _),
        pytest.raises(DeliveryError, match=str(code)) as error,
    ):
        one(ChatRobot("group", vendor, f"http://127.0.0.1:{port}/?key=K", allow_private=True))
    assert isinstance(error.value, BusyError) is busy
    assert "K" not in str(error.value).split("no")[0]


# Mail


class Post:
    """A mail server: just the commands of RFC 5321 that a client sends, each answered as told."""

    def __init__(self, answers=None, drop_after=None):
        self.answers = answers or {}
        self.drop_after = drop_after
        self.mails: list[tuple[str, email.message.EmailMessage]] = []
        self.connections = 0

    def __enter__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._open = False
        self._socket.close()

    def _accept(self):
        while self._open:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line):
        with line, line.makefile("rwb") as file:

            def say(text):
                file.write(text.encode() + b"\r\n")
                file.flush()

            say("220 post.example ESMTP")
            to = ""
            while command := file.readline().decode().strip():
                verb = command.split(" ")[0].split(":")[0].upper()
                if verb == "RCPT":
                    to = command.partition("<")[2].partition(">")[0]
                if verb == "DATA":
                    say(self.answers.get("BEFORE", "354 go on"))
                    lines = iter(file.readline, b".\r\n")
                    mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                    if self.drop_after == len(self.mails):
                        self.drop_after = None
                        return
                    if not self.answers.get("DATA"):
                        self.mails.append((to, mail))
                say(self.answers.get(verb, "221 bye" if verb == "QUIT" else "250 ok"))
                if verb == "QUIT":
                    return


def mail(port, **change):
    usual: dict[str, Any] = {"encryption": Encryption.NONE}
    return MailServer("mail", "127.0.0.1", port, "duty@sx.example", BOOK, **(usual | change))


def test_mail_is_read_as_it_was_written():
    with Post() as post:
        assert one(mail(post.port)) == "SMTP 250"
    ((to, found),) = post.mails
    assert to == found["To"] == "p5@village.example"
    assert found["Subject"] == "越城区发布暴雨红色预警"
    assert found["Message-ID"] == "<msg_1@sx.example>"
    assert found["Importance"] == "high"
    text = found.get_content()
    assert CONTENT.text_zh in text
    assert CONTENT.answer_url in text


def test_many_mails_go_over_few_connections():
    with Post() as post:
        found = send(mail(post.port), *(replace(MESSAGE, message_id=f"m{k}") for k in range(40)))
    assert found == ["SMTP 250"] * 40
    assert {m["Message-ID"] for _, m in post.mails} == {f"<m{k}@sx.example>" for k in range(40)}
    assert post.connections <= 4


@pytest.mark.parametrize(
    ("answers", "retryable", "cause"),
    [
        ({"RCPT": "550 no such user"}, False, "SMTP 550 no such user"),
        ({"RCPT": "450 mailbox busy"}, True, "SMTP 450"),
        ({"DATA": "554 spam"}, False, "SMTP 554"),
        ({"DATA": "451 try later"}, True, "SMTP 451"),
        ({"MAIL": "530 login first"}, True, "SMTP 530"),
    ],
)
def test_what_a_mail_server_answers_decides(answers, retryable, cause):
    with Post(answers) as post, pytest.raises(DeliveryError, match=cause) as error:
        one(mail(post.port))
    assert error.value.retryable is retryable


def test_a_connection_that_breaks_is_made_anew():
    with Post(drop_after=0) as post:
        with pytest.raises(DeliveryError) as error:
            one(mail(post.port))
        assert error.value.retryable
        assert one(mail(post.port)) == "SMTP 250"


def test_no_line_of_a_header_is_made_from_a_text():
    message = replace(MESSAGE, content=replace(CONTENT, headline_zh="a\r\nBcc: x@y.example"))
    with Post() as post:
        one(mail(post.port), message)
    assert post.mails[0][1]["Bcc"] is None


def test_a_password_is_not_said_in_the_open():
    with pytest.raises(ConfigError, match="starttls or tls"):
        mail(1, username="u", password="p")
    assert "hush" not in repr(mail(1, encryption=Encryption.TLS, username="u", password="hush"))


# MQTT

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


@contextmanager
def broker(folder, options="allow_anonymous true"):
    """Debian's mosquitto on a free port; yields the port."""
    if not shutil.which(MOSQUITTO):
        pytest.skip("needs mosquitto")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\n{options}\n")
    process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


class Speaker:
    """A loudspeaker: subscribes, and takes what comes (MQTT 3.1.1, quality of service 0)."""

    def __init__(self, port, topic):
        self.line = socket.create_connection(("127.0.0.1", port), 20)
        self.line.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00")
        assert self._packet()[0] == 0x20
        name = topic.encode()
        body = b"\x00\x01" + len(name).to_bytes(2, "big") + name + b"\x00"
        self.line.sendall(bytes((0x82, len(body))) + body)
        self.heard = []
        assert self._until(0x90)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.line.close()

    def _packet(self):
        kind, length, shift = self._exactly(1)[0], 0, 0
        while True:
            digit = self._exactly(1)[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if digit < 128:
                return kind & 0xF0, kind & 1, self._exactly(length)

    def _exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.line.recv(n - len(data))
            assert more
            data += more
        return data

    def _until(self, kind):
        while True:
            found, retained, body = self._packet()
            if found == 0x30:
                size = int.from_bytes(body[:2], "big")
                message = json.loads(body[2 + size :])
                self.heard.append((body[2 : 2 + size].decode(), bool(retained), message))
            if found == kind:
                return True

    def hear(self):
        self._until(0x30)
        return self.heard[-1]


def test_loudspeakers_hear_it_and_screens_that_come_later_as_well(tmp_path):
    with broker(tmp_path) as port:
        channel = MqttBroker("speakers", "127.0.0.1", port, tls=False)
        with Speaker(port, "jinghu/actual/330602001001/#") as early:
            assert one(channel) == "MQTT PUBACK"
            topic, retained, message = early.hear()
        assert (topic, retained) == ("jinghu/actual/330602001001/rainstorm", False)
        assert (message["id"], message["level"], message["text_zh"]) == (
            "msg_1", "red", CONTENT.text_zh,
        )  # fmt: skip
        assert not {"recipient", "answer_url", "person", "name"} & message.keys()
        over = replace(MESSAGE, content=replace(CONTENT, level=Level.NONE, kind="warning.ended"))
        assert one(channel, over) == "MQTT PUBACK"
        with Speaker(port, "jinghu/actual/+/rainstorm") as late:
            assert late.hear()[1:] == (True, over.content.public() | {"id": "msg_1"})


def test_a_thousand_messages_over_one_connection(tmp_path):
    with broker(tmp_path) as port:
        channel = MqttBroker("speakers", "127.0.0.1", port, tls=False)
        found = send(channel, *(replace(MESSAGE, message_id=f"m{k}") for k in range(1000)))
    assert found == ["MQTT PUBACK"] * 1000


def test_a_broker_that_refuses_and_one_that_is_gone(tmp_path):
    with broker(tmp_path, "allow_anonymous false") as port:
        channel = MqttBroker("speakers", "127.0.0.1", port, tls=False)
        with pytest.raises(DeliveryError, match="not authorised") as error:
            one(channel)
        assert error.value.retryable
    with pytest.raises(DeliveryError) as error:
        one(channel)
    assert error.value.retryable


def test_a_broker_that_dies_in_the_middle_fails_what_waits():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk():
            line, _ = server.accept()
            line.recv(100)
            line.sendall(b"\x20\x02\x00\x00")
            line.recv(2000)
            line.close()

        threading.Thread(target=talk, daemon=True).start()
        channel = MqttBroker("speakers", "127.0.0.1", server.getsockname()[1], tls=False)
        found = send(channel, MESSAGE, replace(MESSAGE, message_id="m2"))
    assert all(isinstance(f, DeliveryError) and f.retryable for f in found)


@pytest.mark.parametrize("topic", ["", "a/#", "a/+/b", "a/{person}"])
def test_topics_that_cannot_be_published_to(topic):
    with pytest.raises(ConfigError):
        MqttBroker("speakers", "a.example", topic=topic)


def test_retry_after_of_a_robot_is_a_minute():
    with http(lambda _: web.json_response({"errcode": 45009})) as (port, _):
        (found,) = send(
            ChatRobot("g", Vendor.WECOM, f"http://127.0.0.1:{port}/", allow_private=True)
        )
    assert isinstance(found, BusyError)
    assert found.wait == timedelta(minutes=1)
