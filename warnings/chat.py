"""Robots of DingTalk, WeCom and Feishu: a message to a group of the office.

Addresses, payloads, signatures and error codes are those of the vendors' pages on custom robots.
A group hears what everybody may hear: nobody's name and no answer link.
"""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from urllib.parse import quote_plus

import orjson

from jinghu.grid.errors import DeliveryError
from jinghu.warnings.delivery import Send
from jinghu.warnings.http_lines import HttpLines
from jinghu.warnings.http_target import HttpTarget, json_of
from jinghu.warnings.outbox import BusyError
from jinghu.warnings.outgoing import Content, Outgoing
from jinghu.warnings.purposes import Purpose

_JSON = {"content-type": "application/json; charset=utf-8"}
_PAUSE = timedelta(minutes=1)  # robots take about twenty messages a minute


class Vendor(StrEnum):
    """Whose robot it is."""

    DINGTALK = "dingtalk"
    WECOM = "wecom"
    FEISHU = "feishu"

    @property
    def code_field(self) -> str:
        """Field of the answer that tells how it went; 0 is good."""
        return "code" if self is Vendor.FEISHU else "errcode"

    @property
    def too_many(self) -> tuple[int, ...]:
        """Codes that ask for fewer messages a minute."""
        return {"dingtalk": (130101, 410100), "wecom": (45009,), "feishu": (9499, 11232)}[self]


@dataclass(frozen=True, slots=True)
class ChatRobot:
    """One robot of a group.

    Parameters
    ----------
    name, purpose
        Name of the channel in the outbox, and what it is for.
    vendor
        DingTalk, WeCom or Feishu.
    url
        Address of the robot; its token or key is a secret.
    secret
        That of signed robots (DingTalk, Feishu); empty where the robot has none.
    allow_private
        Whether the robot may stand on a private network (a proxy of the office).
    """

    name: str
    vendor: Vendor
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    allow_private: bool = False
    purpose: Purpose = Purpose.PRODUCTION
    _target: HttpTarget = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse at once what would fail with every message."""
        target = HttpTarget.of(self.name, self.url, self.allow_private)
        object.__setattr__(self, "_target", target)

    @asynccontextmanager
    async def open(self, concurrent: int) -> AsyncIterator[Send]:
        """Open the channel for one run; a robot takes one message after the other."""
        async with self._target.lines() as lines:
            yield partial(self._send, lines)

    async def _send(self, lines: HttpLines, message: Outgoing, now: datetime) -> str:
        text = group_text(message.content)
        payload: dict[str, object] = {"msgtype": "text", "text": {"content": text}}
        url = self.url
        if self.vendor is Vendor.FEISHU:
            payload = {"msg_type": "text", "content": {"text": text}}
            if self.secret:
                payload |= feishu_signature(self.secret, int(now.timestamp()))
        elif self.vendor is Vendor.DINGTALK and self.secret:
            url += dingtalk_signature(self.secret, int(now.timestamp() * 1000))
        _, answer = await self._target.send(lines, url, orjson.dumps(payload), _JSON)
        self._check(json_of(self.name, answer))
        return f"{self.vendor} {self.vendor.code_field}=0"

    def _check(self, answer: dict[str, object]) -> None:
        code = answer.get(self.vendor.code_field)
        if code == 0:
            return
        said = answer.get("errmsg") or answer.get("msg") or ""
        cause = f"{self.name}: {self.vendor} {self.vendor.code_field}={code} {str(said)[:120]}"
        if code in self.vendor.too_many:
            raise BusyError(cause, _PAUSE)
        raise DeliveryError(cause, retryable=True)


def group_text(content: Content) -> str:
    """What a group is told."""
    return f"{content.headline_zh}\n{content.text_zh}\n{content.text_en}"


def dingtalk_signature(secret: str, timestamp_ms: int) -> str:
    """Timestamp and signature as they are put behind the address."""
    signed = f"{timestamp_ms}\n{secret}".encode()
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"&timestamp={timestamp_ms}&sign={quote_plus(base64.b64encode(digest))}"


def feishu_signature(secret: str, timestamp_s: int) -> dict[str, object]:
    """Timestamp and signature as they are put into the payload; the text signed is empty."""
    digest = hmac.new(f"{timestamp_s}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return {"timestamp": str(timestamp_s), "sign": base64.b64encode(digest).decode("ascii")}
