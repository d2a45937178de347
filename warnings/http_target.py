"""Requests to a receiver over HTTP: to addresses it may have, no further, and what answers mean."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from jinghu.grid.errors import ConfigError, DeliveryError
from jinghu.warnings.addresses import GuardedResolver, literal_refusal
from jinghu.warnings.http_lines import HttpLines
from jinghu.warnings.outbox import BusyError, GoneError

_TIMEOUT_S = 10.0
_REFUSED = (400, 413, 415, 422)  # the receiver looked at the message and will not have it


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """One receiver.

    Parameters
    ----------
    channel
        Name of the channel, for errors.
    host
        Where it stands: scheme, host and port of its address, without what may be secret in it.
    allow_private
        Whether the receiver may stand on loopback or a private network, and there use plain HTTP.
    refused
        Why its address, written as a number, may not be connected to.
    """

    channel: str
    host: str
    allow_private: bool = False
    refused: str | None = None

    @classmethod
    def of(cls, channel: str, url: str, allow_private: bool) -> "HttpTarget":
        """Target of an address; ConfigError where it can never work."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"channel {channel}: {parts.netloc or url} is not an http(s) address")
        if parts.scheme == "http" and not allow_private:
            raise ConfigError(f"channel {channel}: {parts.netloc}: only https leaves the house")
        host = f"{parts.scheme}://{parts.netloc}"
        if "{" in host or url[: len(host)].lower() != host.lower():
            raise ConfigError(f"channel {channel}: {parts.netloc} is not written as a host")
        refused = literal_refusal(parts.hostname, parts.scheme == "http", allow_private)
        return cls(channel, host, allow_private, refused)

    @property
    def private_only(self) -> bool:
        """Plain HTTP never leaves the house."""
        return self.host.startswith("http:")

    def lines(self) -> HttpLines:
        """Connections to this receiver, to addresses that it may have and no others.

        Names are resolved, checked and connected to in one step: a name that resolves to another
        address a moment later (DNS rebinding) gains nothing.
        """
        return HttpLines(self.host, GuardedResolver(self.private_only, self.allow_private))

    async def send(
        self,
        lines: HttpLines,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        method: str = "POST",
    ) -> tuple[int, bytes]:
        """Make one request; returns the status and the answer where it was taken.

        Raises
        ------
        DeliveryError
            ``retryable`` for faults that may pass or be mended; not for refusals of the message.
            Its text never has the address, which may hold a secret.
        """
        if self.refused is not None:
            raise DeliveryError(self.refused, retryable=True)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                reply = await lines.request(method, url[len(self.host) :], body, headers)
        except (TimeoutError, OSError, EOFError, ValueError) as error:
            told = getattr(error, "strerror", None) or str(error)  # without the number
            cause = " ".join(told.split()) or type(error).__name__
            hidden = cause.replace(url, self.host)
            raise DeliveryError(f"{self.channel}: {hidden}", retryable=True) from None
        status, wait = reply.status, reply.headers.get("retry-after", "")
        if 200 <= status < 300:
            return status, reply.body
        answer = f"{self.channel}: HTTP {status}"
        if status == 410:
            raise GoneError(f"{answer}: the receiver is gone")
        if status in (429, 503) and wait.isdecimal():
            raise BusyError(answer, timedelta(seconds=int(wait[:6])))
        raise DeliveryError(answer, retryable=status not in _REFUSED)


def json_of(channel: str, body: bytes) -> dict[str, object]:
    """Answer of a receiver that answers in JSON; DeliveryError where it does not."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DeliveryError(f"{channel}: the answer is not a JSON object", retryable=True)
    return found
