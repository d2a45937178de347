"""The webhook channel: signed as Standard Webhooks 1.0.0 says, guarded against misuse."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import aiohttp

from jinghu.grid.errors import ConfigError
from jinghu.warnings.delivery import Send
from jinghu.warnings.http_target import HttpTarget
from jinghu.warnings.outgoing import Outgoing
from jinghu.warnings.purposes import Purpose

_PREFIX = "whsec_"


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Signature of a message: ``v1,`` and the base64 of HMAC-SHA256 over id.timestamp.body.

    While a secret is rotated there are two, separated by a space, and so are the signatures.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = [hmac.new(_key(s), signed, hashlib.sha256).digest() for s in secret.split()]
    return " ".join("v1," + base64.b64encode(d).decode("ascii") for d in digests)


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise ConfigError("a webhook secret is whsec_ and base64") from None


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver.

    Parameters
    ----------
    name
        Name of the channel in the outbox.
    url, secret
        Where to, and the shared secret (``whsec_...``; two while it is rotated).
    allow_private
        Whether the receiver may stand on loopback or a private network, and there use plain HTTP.
    purpose
        Whether real warnings go there or those of drills.

    Raises
    ------
    ConfigError
        Where the secret or the address can never work.
    """

    name: str
    url: str
    secret: str = field(repr=False)
    allow_private: bool = False
    purpose: Purpose = Purpose.PRODUCTION

    def __post_init__(self) -> None:
        """Refuse at once what would fail with every message."""
        for secret in self.secret.split() or [""]:
            if not secret.startswith(_PREFIX) or len(_key(secret)) < 16:
                raise ConfigError(f"webhook {self.name}: a secret is whsec_ and base64 of 24 bytes")
        self._target()

    def _target(self) -> HttpTarget:
        return HttpTarget.of(self.name, self.url, self.allow_private)

    def session(self, concurrent: int) -> aiohttp.ClientSession:
        """Open a session that connects only to addresses that this receiver may have."""
        return self._target().session(concurrent)

    @asynccontextmanager
    async def open(self, concurrent: int) -> AsyncIterator[Send]:
        """Open the channel for one run."""
        async with self.session(concurrent) as session:
            yield partial(self.send, session)

    async def send(self, session: aiohttp.ClientSession, message: Outgoing, now: datetime) -> str:
        """Hand over one message; returns the receiver's answer.

        The id is the same in every retry, so that the receiver can tell a repetition.

        Raises
        ------
        DeliveryError
            As `HttpTarget.send` does.
        """
        timestamp, body = int(now.timestamp()), message.body
        headers = {
            "content-type": "application/json",
            "webhook-id": message.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self.secret, message.message_id, timestamp, body),
        }
        status, _ = await self._target().send(session, self.url, body, headers)
        return f"HTTP {status}"
