"""Requests that are done once: the same one again, with its key, gets the same answer."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from jinghu.grid.errors import DataError
from jinghu.grid.times import isoformat
from jinghu.warnings.tables import request

_KEPT = timedelta(days=7)


class OtherRequestError(DataError):
    """An idempotency key that was used for another request."""


def digest_of(path: str, body: Mapping[str, object]) -> str:
    """What makes two requests the same: where they go, and what they say."""
    text = json.dumps([path, body], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def recall(connection: Connection, actor: str, key: str, digest: str) -> dict[str, Any] | None:
    """The answer to a request that was done before, None where it was not.

    Raises
    ------
    OtherRequestError
        Where the key was used by the same actor for another request.
    """
    query = select(request).where(request.c.actor == actor, request.c.idempotency_key == key)
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.digest != digest:
        raise OtherRequestError("Idempotency-Key", "it was used for another request")
    answer: dict[str, Any] = json.loads(row.answer)
    return answer


def remember(
    connection: Connection,
    actor: str,
    key: str,
    digest: str,
    answer: Mapping[str, Any],
    now: datetime,
) -> None:
    """Keep an answer for a week, in the transaction of what was done."""
    connection.execute(delete(request).where(request.c.at < isoformat(now - _KEPT)))
    connection.execute(
        insert(request).values(
            actor=actor,
            idempotency_key=key,
            digest=digest,
            answer=json.dumps(answer, ensure_ascii=False),
            at=isoformat(now),
        )
    )
