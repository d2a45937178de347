"""The webhook channel: signed as Standard Webhooks 1.0.0 says, guarded against misuse."""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import socket
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp

from jinghu.grid.errors import ConfigError, DeliveryError
from jinghu.warnings.outbox import Outgoing

_TIMEOUT = aiohttp.ClientTimeout(total=20)
_PREFIX = "whsec_"


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Signature of a message: ``v1,`` and the base64 of HMAC-SHA256 over id.timestamp.body."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode("ascii")


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
        Where to, and the shared secret (``whsec_...``).
    allow_private
        Whether the receiver may stand on loopback or a private network.
    """

    name: str
    url: str
    secret: str
    allow_private: bool = False

    async def send(self, session: aiohttp.ClientSession, message: Outgoing, now: datetime) -> str:
        """Hand over one message; returns the receiver's answer.

        The id is the same in every retry, so that the receiver can tell a repetition.

        Raises
        ------
        DeliveryError
            ``retryable`` for faults that may pass; not for refusals.
        """
        await self._check_address()
        timestamp = int(now.timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": message.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self.secret, message.message_id, timestamp, message.body),
        }
        try:
            async with session.post(
                self.url,
                data=message.body,
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}", retryable=True) from None
        if 200 <= status < 300:
            return f"HTTP {status}"
        retryable = status >= 500 or status in (408, 425, 429)
        raise DeliveryError(f"HTTP {status}", retryable=retryable)

    async def _check_address(self) -> None:
        """Refuse private addresses unless they are allowed, and plain HTTP to anywhere else."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise DeliveryError(f"{self.url} is not an http(s) address", retryable=False)
        if self.allow_private:
            return
        if parts.scheme != "https":
            raise DeliveryError(f"{self.url}: only https leaves the house", retryable=False)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(parts.hostname, parts.port or 443)
        except socket.gaierror as error:
            raise DeliveryError(f"{parts.hostname}: {error.strerror}", retryable=True) from None
        for *_, address in found:
            if not ipaddress.ip_address(address[0]).is_global:
                cause = f"{parts.hostname} is {address[0]}, a private address"
                raise DeliveryError(cause, retryable=False)
