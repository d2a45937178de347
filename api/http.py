"""Small things of HTTP: caching, negotiation, entity tags, headers of every answer."""

import hashlib
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    # The viewer loads nothing from elsewhere; answer links must not leak by referrers.
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline';"
        " frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
    ),
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class HeadersMiddleware:
    """Adds headers that every answer has unless it says otherwise.

    ``private``: answers depend on a key, so caches that many use do not keep them.
    """

    def __init__(self, app: ASGIApp, private: bool = False) -> None:
        self.app = app
        self.private = private

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if self.private:
                    kept = headers["cache-control"]
                    headers["cache-control"] = kept.replace("public", "private")
            await send(message)

        await self.app(scope, receive, add if scope["type"] == "http" else send)


def cached(response: Response, seconds: int) -> None:
    """Let an answer be kept for some time; 0 = ask again each time."""
    value = f"public, max-age={seconds}" if seconds else "no-cache"
    response.headers["Cache-Control"] = value


def immutable(etag: str) -> dict[str, str]:
    """Headers of something that never changes."""
    return {"Cache-Control": "public, max-age=31536000, immutable", "ETag": etag}


def weak_etag(*parts: object) -> str:
    """Entity tag of what the parts determine."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode("utf-8")).hexdigest()
    return f'W/"{digest[:24]}"'


def matches(request: Request, etag: str) -> bool:
    """Whether the client has this version (RFC 9110, 13.1.2: weak comparison)."""
    header = request.headers.get("if-none-match", "")
    known = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in known or etag.removeprefix("W/") in known


def accepts_gzip(request: Request) -> bool:
    """Whether the client takes gzip."""
    return _quality(request.headers.get("accept-encoding", ""), "gzip", "*") > 0


def prefers(request: Request, wanted: str, default: str) -> bool:
    """Whether the client would rather have ``wanted`` than ``default`` (media types)."""
    accept = request.headers.get("accept", "")
    mine = _quality(accept, wanted)
    return mine > 0 and mine >= _quality(accept, default)


def not_modified(headers: Mapping[str, str]) -> Response:
    """Answer without a body."""
    return Response(status_code=304, headers=dict(headers))


def _quality(header: str, *names: str) -> float:
    """Quality of the first of the names that the header lists, 0 where it lists none."""
    found: dict[str, Any] = {}
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        found[name] = weight
    return next((found[name] for name in names if name in found), 0.0)
