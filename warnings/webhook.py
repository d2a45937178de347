"""The webhook channel: signed as Standard Webhooks 1.0.0 says, guarded against misuse."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import aiohttp

from jinghu.grid.errors import ConfigError, DeliveryError
from jinghu.warnings.addresses import GuardedResolver, check_literal
from jinghu.warnings.outbox import BusyError, Outgoing
from jinghu.warnings.purposes import Purpose

_TIMEOUT = aiohttp.ClientTimeout(total=10)
_PREFIX = "whsec_"
_REFUSED = (400, 410, 413, 415, 422)  # the receiver looked at the message and will not have it


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
    secret: str
    allow_private: bool = False
    purpose: Purpose = Purpose.PRODUCTION

    def __post_init__(self) -> None:
        """Refuse at once what would fail with every message."""
        for secret in self.secret.split() or [""]:
            if not secret.startswith(_PREFIX) or len(_key(secret)) < 16:
                raise ConfigError(f"webhook {self.name}: a secret is whsec_ and base64 of 24 bytes")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"webhook {self.name}: {self.url} is not an http(s) address")
        if parts.scheme == "http" and not self.allow_private:
            raise ConfigError(f"webhook {self.name}: {self.url}: only https leaves the house")

    def session(self, concurrent: int) -> aiohttp.ClientSession:
        """Open a session that connects only to addresses that this receiver may have.

        Names are resolved, checked and connected to in one step: a name that resolves to another
        address a moment later (DNS rebinding) gains nothing.
        """
        resolver = GuardedResolver(self._private_only(), self.allow_private)
        connector = aiohttp.TCPConnector(limit=concurrent, resolver=resolver, use_dns_cache=False)
        return aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT)

    def _private_only(self) -> bool:
        return urlsplit(self.url).scheme == "http"

    async def send(self, session: aiohttp.ClientSession, message: Outgoing, now: datetime) -> str:
        """Hand over one message; returns the receiver's answer.

        The id is the same in every retry, so that the receiver can tell a repetition.

        Raises
        ------
        DeliveryError
            ``retryable`` for faults that may pass or be mended; not for refusals of the message.
        """
        check_literal(urlsplit(self.url).hostname or "", self._private_only(), self.allow_private)
        timestamp = int(now.timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": message.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self.secret, message.message_id, timestamp, message.body),
        }
        try:
            async with session.post(
                self.url, data=message.body, headers=headers, allow_redirects=False
            ) as answer:
                status, wait = answer.status, answer.headers.get("retry-after", "")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            cause = " ".join(str(error).split()) or type(error).__name__
            raise DeliveryError(f"{self.name}: {cause}", retryable=True) from None
        if 200 <= status < 300:
            return f"HTTP {status}"
        if status in (429, 503) and wait.isdecimal():
            raise BusyError(f"{self.name}: HTTP {status}", timedelta(seconds=int(wait[:6])))
        raise DeliveryError(f"{self.name}: HTTP {status}", retryable=status not in _REFUSED)
