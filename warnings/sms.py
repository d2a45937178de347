"""The SMS channel: any gateway over HTTP, described by a template."""

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from urllib.parse import quote

from jinghu.grid.errors import ConfigError, DeliveryError
from jinghu.warnings.contacts import ContactKind, Contacts, required
from jinghu.warnings.delivery import Send
from jinghu.warnings.http_lines import HttpLines
from jinghu.warnings.http_target import HttpTarget, json_of
from jinghu.warnings.outgoing import Outgoing
from jinghu.warnings.purposes import Purpose

_PLACE = re.compile(r"\{(\w+)\}")
_WORDS = ("phone", "text", "text_zh", "text_en", "url", "id", "time", "level", "level_zh")


@dataclass(frozen=True, slots=True)
class Success:
    """What an answer must say besides its status: a field of its JSON with one of some values.

    A value in ``retry`` is a fault that may pass (the gateway is busy); any other is a refusal.
    """

    field: str = ""
    values: tuple[str, ...] = ()
    retry: tuple[str, ...] = ()

    def check(self, channel: str, body: bytes) -> str:
        """Return what the field says; DeliveryError where that is no success."""
        if not self.field:
            return ""
        found: object = json_of(channel, body)
        for name in self.field.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        said = str(found)
        if said not in self.values:
            raise DeliveryError(
                f"{channel}: the gateway answered {self.field}={said[:40]}",
                retryable=said in self.retry,
            )
        return f" {self.field}={said}"


@dataclass(frozen=True, slots=True)
class SmsGateway:
    """One gateway.

    ``{phone}``, ``{text}`` (Chinese text and link), ``{text_zh}``, ``{text_en}``, ``{url}``,
    ``{id}`` (the same in every retry), ``{time}`` (Unix seconds), ``{level}``, ``{level_zh}`` in
    the address, the headers and the body are filled in, encoded as the place demands: percent in
    addresses and forms, JSON within JSON.

    Parameters
    ----------
    name, purpose
        Name of the channel in the outbox, and what it is for.
    url, method, headers, body
        The request.
    success
        When its answer means that the message was taken.
    contacts
        Where numbers are looked up.
    allow_private
        Whether the gateway may stand on loopback or a private network, and there use plain HTTP.

    Raises
    ------
    ConfigError
        Where the template names what there is not, or the address can never work.
    """

    name: str
    url: str = field(repr=False)
    contacts: Contacts
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str = field(default="", repr=False)
    success: Success = Success()
    allow_private: bool = False
    purpose: Purpose = Purpose.PRODUCTION
    _target: HttpTarget = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse at once what would fail with every message."""
        for template in (self.url, self.body, *self.headers.values()):
            for word in _PLACE.findall(template):
                if word not in _WORDS:
                    raise ConfigError(f"sms {self.name}: {{{word}}} is none of {', '.join(_WORDS)}")
        target = HttpTarget.of(self.name, self.url, self.allow_private)
        object.__setattr__(self, "_target", target)

    @asynccontextmanager
    async def open(self, concurrent: int) -> AsyncIterator[Send]:
        """Open the channel for one run."""
        async with self._target.lines() as lines:
            yield partial(self._send, lines)

    async def _send(self, lines: HttpLines, message: Outgoing, now: datetime) -> str:
        words = self._words(message, now)
        kind = {k.lower(): v for k, v in self.headers.items()}.get("content-type", "")
        encode = _json if "json" in kind else _form if "urlencoded" in kind else _plain
        status, answer = await self._target.send(
            lines,
            _filled(self.url, words, _form),
            _filled(self.body, words, encode).encode("utf-8"),
            {name: _filled(value, words, _plain) for name, value in self.headers.items()},
            self.method,
        )
        return f"HTTP {status}{self.success.check(self.name, answer)}"

    def _words(self, message: Outgoing, now: datetime) -> dict[str, str]:
        content = message.content
        return {
            "phone": required(self.contacts, self.name, content.person, ContactKind.PHONE),
            "text": f"{content.text_zh} 回执 {content.answer_url}",
            "text_zh": content.text_zh,
            "text_en": content.text_en,
            "url": content.answer_url,
            "id": message.message_id,
            "time": str(int(now.timestamp())),
            "level": content.level.en,
            "level_zh": content.level.zh,
        }


def _filled(template: str, words: Mapping[str, str], encode: Callable[[str], str]) -> str:
    return _PLACE.sub(lambda m: encode(words[m.group(1)]), template)


def _form(value: str) -> str:
    return quote(value, safe="")


def _json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _plain(value: str) -> str:
    return " ".join(value.split())
