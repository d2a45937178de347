"""Recipients as an office sees them: lists with masked numbers, looks at a number, new keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, bindparam, func, select, update

from jinghu.grid.errors import ConfigError, DataError
from jinghu.warnings.database import record
from jinghu.warnings.levels import Role
from jinghu.warnings.phones import PhoneKeys, masked, parse_phone, without_numbers
from jinghu.warnings.tables import recipient

_BATCH = 2000  # numbers a transaction: others may write in between
_REASON = (4, 200)  # characters
NO_KEYS = (
    "phone numbers need a key: set warnings.phone_keys_file (jinghu audience rotate-key makes it)"
    " or warnings.phone_keys"
)


@dataclass(frozen=True, slots=True)
class Person:
    """A recipient without their number: ``phone`` is masked, and None where there is none."""

    recipient_id: int
    person: str
    name: str
    role: Role
    unit_code: str
    unit_name: str
    lon: float
    lat: float
    cell_id: int
    phone: str | None
    holder: str


def list_people(
    connection: Connection,
    keys: PhoneKeys | None,
    unit: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[Person]:
    """Return people of a unit and of those below it, in order of ``recipient_id``.

    A number whose key is missing is shown as ``****``.
    """
    query = (
        _present(unit)
        .where(recipient.c.recipient_id > after)
        .order_by(recipient.c.recipient_id)
        .limit(limit)
    )
    return [_person(row, keys) for row in connection.execute(query)]


def get_person(
    connection: Connection, keys: PhoneKeys | None, person: str, unit: str | None = None
) -> Person:
    """One of them; DataError where there is nobody of that id in the unit."""
    return _person(_row(connection, person, unit), keys)


def find_phone(
    connection: Connection, keys: PhoneKeys, phone: str, unit: str | None = None
) -> list[Person]:
    """Whose number this is, by the blind index.

    Raises
    ------
    DataError
        Where it is no number.
    """
    try:
        indexes = keys.indexes(parse_phone(phone))
    except ValueError as error:
        raise DataError("phone", str(error)) from None
    query = _present(unit).where(recipient.c.phone_index.in_(indexes))
    return [_person(row, keys) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class Look:
    """Who looks at a number, why, and when."""

    actor: str
    reason: str
    at: datetime


def show_phone(
    connection: Connection, keys: PhoneKeys, person: str, look: Look, unit: str | None = None
) -> str:
    """Return a number in full (E.164) and write down who looked at it and why.

    Raises
    ------
    ConfigError
        Where no reason is given.
    DataError
        Where there is no such person in the unit, or they have no number.
    """
    reason = " ".join(look.reason.split())
    if not _REASON[0] <= len(reason) <= _REASON[1]:
        raise ConfigError(f"a look at a number needs a reason of {_REASON[0]}-{_REASON[1]} letters")
    row = _row(connection, person, unit)
    if row.phone_cipher is None:
        raise DataError(person, "there is no phone number of this person")
    phone = keys.unseal(row.person, row.phone_key, row.phone_cipher)
    record(
        connection,
        look.at,
        look.actor[:64],
        "phone shown",
        row.person,
        {"reason": without_numbers(reason), "unit": row.unit_code},
    )
    return phone


def phone_of(connection: Connection, keys: PhoneKeys, person: str) -> str | None:
    """Number (E.164) of somebody who is about to be sent a message; None where there is none."""
    found = connection.execute(
        select(recipient.c.phone_key, recipient.c.phone_cipher).where(
            recipient.c.person == person, recipient.c.phone_cipher.is_not(None)
        )
    ).one_or_none()
    return None if found is None else keys.unseal(person, found.phone_key, found.phone_cipher)


def seal_anew(engine: Engine, keys: PhoneKeys, actor: str, now: datetime) -> int:
    """Encrypt with the current key what is encrypted with others; returns how many numbers.

    Each transaction is whole in itself: where this is stopped, the next call goes on.
    """
    done = 0
    old = select(recipient).where(
        recipient.c.phone_key.is_not(None), recipient.c.phone_key != keys.current.key_id
    )
    change = (
        update(recipient)
        .where(recipient.c.recipient_id == bindparam("key"))
        .values({n: bindparam(n) for n in ("phone_key", "phone_index", "phone_cipher")})
    )
    while True:
        with engine.begin() as connection:
            rows = connection.execute(old.limit(_BATCH)).all()
            if not rows:
                record(connection, now, actor[:64], "phone key changed", keys.current.key_id,
                       {"numbers": done})  # fmt: skip
                return done
            connection.execute(change, [_sealed_again(row, keys) for row in rows])
            done += len(rows)


def keys_in_use(connection: Connection) -> set[str]:
    """Ids of the keys that numbers are encrypted with."""
    query = select(recipient.c.phone_key).where(recipient.c.phone_key.is_not(None)).distinct()
    return set(connection.execute(query).scalars())


def _sealed_again(row: Row[tuple[object, ...]], keys: PhoneKeys) -> dict[str, object]:
    phone = keys.unseal(row.person, row.phone_key, row.phone_cipher)
    found = keys.seal(row.person, phone)
    return {
        "key": row.recipient_id,
        "phone_key": found.key_id,
        "phone_index": found.index,
        "phone_cipher": found.cipher,
    }


def _present(unit: str | None) -> Select[tuple[object, ...]]:
    query: Select[tuple[object, ...]] = select(recipient).where(recipient.c.removed_at.is_(None))
    if unit:
        inside = func.substr(recipient.c.unit_code, 1, len(unit)) == unit
        query = query.where(inside)
    return query


def _row(connection: Connection, person: str, unit: str | None) -> Row[tuple[object, ...]]:
    row = connection.execute(_present(unit).where(recipient.c.person == person)).first()
    if row is None:
        raise DataError(person, "there is nobody of this id")
    return row


def shown_phone(row: Row[Any], keys: PhoneKeys | None) -> str | None:
    """The masked number of a row of recipients: ``****`` where its key is missing."""
    if row.phone_cipher is None:
        return None
    if keys is None or keys.find(row.phone_key) is None:
        return "****"
    return masked(keys.unseal(row.person, row.phone_key, row.phone_cipher))


def _person(row: Row[Any], keys: PhoneKeys | None) -> Person:
    return Person(
        int(row.recipient_id),
        row.person,
        row.name,
        Role(row.role),
        row.unit_code,
        row.unit_name,
        row.lon,
        row.lat,
        int(row.cell_id),
        shown_phone(row, keys),
        row.holder or row.person,
    )
