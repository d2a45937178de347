"""API keys: who may do what, for which part of the city, until when.

A key is 256 random bits, told once and stored as its SHA-256. Its scope says what it may do, its
unit for whom: the unit of that code and those below it. Keys of drills work where the service
warns of a drill, and nowhere else.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, Row, insert, select, update

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.database import record
from jinghu.warnings.purposes import Purpose
from jinghu.warnings.tables import api_key

_UNIT = re.compile(r"(\d{2}|\d{4}|\d{6}|\d{9}|\d{12}|\d{15})?")
_SHOWN = 6  # characters of the random part by which a key is known
_LONGEST_NAME = 40
_PREFIXES = {Purpose.PRODUCTION: "jh_live_", Purpose.DRILL: "jh_drill_"}


class Right(StrEnum):
    """What can be done with a key."""

    READ = "read"
    PEOPLE = "people"
    ROSTER = "roster"
    PHONE = "phone"
    TASKS = "tasks"
    ANSWER = "answer"
    WHAT_IF = "what-if"
    ISSUE = "issue"
    APPROVE = "approve"
    KEYS = "keys"
    AUDIT = "audit"


class Scope(StrEnum):
    """Who holds a key."""

    VIEWER = "viewer"
    WATER = "water"
    DUTY = "duty"
    FORECASTER = "forecaster"
    APPROVER = "approver"
    ADMIN = "admin"
    AUDITOR = "auditor"

    @property
    def rights(self) -> frozenset[Right]:
        """What they may do; an admin has no say in warnings, an auditor changes nothing."""
        return _RIGHTS[self]

    @property
    def zh(self) -> str:
        """Chinese name."""
        return {
            "viewer": "查看",
            "water": "水利系统",
            "duty": "值班",
            "forecaster": "预报员",
            "approver": "审批",
            "admin": "管理",
            "auditor": "审计",
        }[self.value]


_RIGHTS = {
    Scope.VIEWER: frozenset({Right.READ}),
    Scope.WATER: frozenset({Right.READ, Right.TASKS, Right.ANSWER, Right.WHAT_IF}),
    Scope.DUTY: frozenset(
        {Right.READ, Right.PEOPLE, Right.PHONE, Right.TASKS, Right.ANSWER, Right.ROSTER}
    ),
    Scope.FORECASTER: frozenset({Right.READ, Right.TASKS, Right.WHAT_IF, Right.ISSUE}),
    Scope.APPROVER: frozenset({Right.READ, Right.TASKS, Right.WHAT_IF, Right.ISSUE, Right.APPROVE}),
    Scope.ADMIN: frozenset({Right.READ, Right.PEOPLE, Right.ROSTER, Right.KEYS}),
    Scope.AUDITOR: frozenset({Right.READ, Right.AUDIT}),
}


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key is made for; an empty unit is the whole city, ``expires`` None for ever."""

    name: str
    scope: Scope
    unit: str = ""
    purpose: Purpose = Purpose.PRODUCTION
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is known: by its first characters."""

    prefix: str
    name: str
    scope: Scope
    unit: str
    purpose: Purpose
    created_at: str
    expires_at: str | None
    revoked_at: str | None

    @property
    def actor(self) -> str:
        """As the audit names its holder."""
        return f"{self.prefix} {self.name}"[:64]

    def may(self, right: Right) -> bool:
        """Whether its scope lets it do something."""
        return right in self.scope.rights

    def covers(self, unit_code: str) -> bool:
        """Whether a unit is the key's or below it."""
        return unit_code.startswith(self.unit)


class KeyRefusedError(DataError):
    """A key that does not open anything: unknown, revoked or expired."""


def subtree(unit: str) -> str:
    """Leading digits that all units of a subtree share: a city's code ends with zeros.

    >>> subtree("330600"), subtree("330602"), subtree("330602001")
    ('3306', '330602', '330602001')

    Raises
    ------
    ConfigError
        Where it is no unit code.
    """
    if not _UNIT.fullmatch(unit):
        raise ConfigError(f"unit {unit!r} is no unit code: wanted 2, 4, 6, 9, 12 or 15 digits")
    while len(unit) in (4, 6) and unit.endswith("00"):
        unit = unit[:-2]
    return unit


def create_key(
    connection: Connection, wanted: NewKey, actor: str, now: datetime
) -> tuple[ApiKey, str]:
    """Make a key; returns what is known of it, and the key itself, which nobody can tell again.

    Raises
    ------
    ConfigError
        Where the name, the unit or the end is none.
    """
    name = " ".join(wanted.name.split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise ConfigError(f"the name of a key has 1 to {_LONGEST_NAME} characters")
    if wanted.expires is not None and wanted.expires <= now:
        raise ConfigError(f"the key would have expired at {isoformat(wanted.expires)}")
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode("ascii")
    token = _PREFIXES[wanted.purpose] + secret
    made = ApiKey(
        _PREFIXES[wanted.purpose] + secret[:_SHOWN],
        name,
        wanted.scope,
        subtree(wanted.unit),
        wanted.purpose,
        isoformat(now),
        isoformat(wanted.expires) if wanted.expires else None,
        None,
    )
    connection.execute(
        insert(api_key).values(
            prefix=made.prefix,
            digest=_digest(token),
            name=made.name,
            scope=made.scope.value,
            unit=made.unit,
            purpose=made.purpose.value,
            created_at=made.created_at,
            expires_at=made.expires_at,
        )
    )
    detail = {"scope": made.scope.value, "unit": made.unit, "expires": made.expires_at}
    record(connection, now, actor[:64], "key created", f"{made.prefix} {made.name}", detail)
    return made, token


def list_keys(connection: Connection, within: str = "") -> list[ApiKey]:
    """All keys of a subtree, oldest first."""
    rows = connection.execute(select(api_key).order_by(api_key.c.key_id))
    return [key for key in map(_key, rows) if key.unit.startswith(within)]


def revoke_key(
    connection: Connection, prefix: str, actor: str, now: datetime, within: str = ""
) -> ApiKey:
    """End a key at once.

    Raises
    ------
    DataError
        Where there is no such key in the subtree.
    """
    found = [k for k in list_keys(connection, within) if k.prefix == prefix]
    if len(found) != 1:
        raise DataError(prefix, "there is no such key" if not found else "several keys begin so")
    if found[0].revoked_at is None:
        connection.execute(
            update(api_key).where(api_key.c.prefix == prefix).values(revoked_at=isoformat(now))
        )
        record(connection, now, actor[:64], "key revoked", f"{prefix} {found[0].name}", {})
    return found[0]


def authenticate(connection: Connection, token: str, now: datetime) -> ApiKey:
    """Whose key it is.

    Raises
    ------
    KeyRefusedError
        Where it is unknown, revoked or expired; the key is not repeated.
    """
    row = connection.execute(select(api_key).where(api_key.c.digest == _digest(token))).first()
    if row is None:
        raise KeyRefusedError("API key", "it is not known here")
    key = _key(row)
    if key.revoked_at is not None:
        raise KeyRefusedError("API key", f"{key.prefix} was revoked at {key.revoked_at}")
    if key.expires_at is not None and parse_time(key.expires_at) <= now:
        raise KeyRefusedError("API key", f"{key.prefix} expired at {key.expires_at}")
    return key


def _digest(token: str) -> str:
    # Plain SHA-256 is enough: 256 random bits cannot be guessed, whatever it costs to try.
    return hashlib.sha256(token.encode("utf-8")).hexdigest()


def _key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        row.prefix,
        row.name,
        Scope(row.scope),
        row.unit,
        Purpose(row.purpose),
        row.created_at,
        row.expires_at,
        row.revoked_at,
    )
