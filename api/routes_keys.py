"""API keys and the audit, for those who look after them."""

from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from jinghu.api.deps import ContextDep, DatabaseDep, NowDep
from jinghu.api.guard import AnyKey, AuditKey, KeysKey, unit_within
from jinghu.api.people_schemas import (
    AuditEntry,
    AuditPage,
    KeyEntry,
    KeyList,
    KeyMade,
    KeyRequest,
)
from jinghu.api.problems import ProblemError, responses
from jinghu.grid.errors import ConfigError
from jinghu.grid.times import parse_time
from jinghu.warnings.keys import ApiKey, NewKey, create_key, list_keys, revoke_key
from jinghu.warnings.purposes import Purpose
from jinghu.warnings.queries import list_audit

router = APIRouter(
    prefix="/api/v1", tags=["keys"], responses=responses(401, 403, 404, 422, 429, 503)
)


@router.get("/keys/me", summary="What this key may do")
def me(key: AnyKey) -> KeyEntry:
    """Return what is known of the key that asks."""
    return _entry(key)


@router.get("/keys", summary="Keys of a unit")
def keys(key: KeysKey, connection: DatabaseDep, response: Response) -> KeyList:
    """List the keys of the unit of an administrator, and of those below it."""
    response.headers["Cache-Control"] = "no-store"
    return KeyList(keys=[_entry(found) for found in list_keys(connection, key.unit)])


@router.post("/keys", summary="Make a key", status_code=201)
def create(
    key: KeysKey, asked: KeyRequest, context: ContextDep, now: NowDep, response: Response
) -> KeyMade:
    """Make a key for the administrator's unit or one below; it is told this once."""
    response.headers["Cache-Control"] = "no-store"
    unit = unit_within(key, asked.unit or None)
    if key.purpose is Purpose.DRILL and asked.purpose is not Purpose.DRILL:
        raise ProblemError(403, "a drill key makes drill keys alone")
    expires = asked.expires.astimezone(UTC) if asked.expires else None
    wanted = NewKey(asked.name, asked.scope, unit, asked.purpose, expires)
    try:
        with context.engine.begin() as connection:
            made, token = create_key(connection, wanted, key.actor, now)
    except ConfigError as error:
        raise ProblemError(422, str(error)) from None
    return KeyMade(key=token, known_as=_entry(made))


@router.delete("/keys/{prefix}", summary="End a key", status_code=204)
def revoke(
    key: KeysKey,
    prefix: Annotated[str, Path(max_length=24)],
    context: ContextDep,
    now: NowDep,
) -> None:
    """End a key of the administrator's unit, or of one below it, at once."""
    with context.engine.begin() as connection:
        revoke_key(connection, prefix, key.actor, now, key.unit)


@router.get("/audit", summary="Who did what")
def entries(
    _: AuditKey,
    connection: DatabaseDep,
    response: Response,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AuditPage:
    """Page through the audit in its order."""
    response.headers["Cache-Control"] = "no-store"
    found = [AuditEntry.model_validate(e) for e in list_audit(connection, after, limit + 1)]
    more = found[limit - 1].seq if len(found) > limit else None
    return AuditPage(entries=found[:limit], next=more)


def _entry(key: ApiKey) -> KeyEntry:
    return KeyEntry(
        prefix=key.prefix,
        name=key.name,
        scope=key.scope,
        scope_zh=key.scope.zh,
        unit=key.unit,
        purpose=key.purpose,
        rights=sorted(key.scope.rights),
        created_at=parse_time(key.created_at),
        expires_at=parse_time(key.expires_at) if key.expires_at else None,
        revoked_at=parse_time(key.revoked_at) if key.revoked_at else None,
    )
