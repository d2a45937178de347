"""The webhook channel: signed as Standard Webhooks 1.0.0 says, guarded against misuse."""

import base64
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from jinghu.grid.errors import ConfigError
from jinghu.warnings.delivery import Send
from jinghu.warnings.http_lines import HttpLines
from jinghu.warnings.http_target import HttpTarget
from jinghu.warnings.outgoing import Outgoing
from jinghu.warnings.purposes import Purpose

_PREFIX = "whsec_"


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Signature of a message: ``v1,`` and the base64 of HMAC-SHA256 over id.timestamp.body.

    While a secret is rotated there are two, separated by a space, and so are the signatures.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = [hmac.digest(_key(s), signed, "sha256") for s in secret.split()]
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
    _target: HttpTarget = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse at once what would fail with every message."""
        for secret in self.secret.split() or [""]:
            if not secret.startswith(_PREFIX) or len(_key(secret)) < 16:
                raise ConfigError(f"webhook {self.name}: a secret is whsec_ and base64 of 24 bytes")
        target = HttpTarget.of(self.name, self.url, self.allow_private)
        object.__setattr__(self, "_target", target)

    def lines(self) -> HttpLines:
        """Connections to the receiver, to addresses that it may have and no others."""
        return self._target.lines()

    @asynccontextmanager
    async def open(self, concurrent: int) -> AsyncIterator[Send]:
        """Open the channel for one run."""
        async with self.lines() as lines:
            yield partial(self.send, lines)

    async def send(self, lines: HttpLines, message: Outgoing, now: datetime) -> str:
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
        status, _ = await self._target.send(lines, self.url, body, headers)
        return f"HTTP {status}"
