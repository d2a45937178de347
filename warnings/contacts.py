"""Under which number or address a person is reached; never in the warnings database or in logs."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from jinghu.grid.errors import DataError, DeliveryError
from jinghu.warnings.duty_ids import holder_of

_PHONE = re.compile(r"\+?\d{5,15}")
_EMAIL = re.compile(r"[^\s@<>,;\x00-\x1f]{1,64}@[A-Za-z0-9.-]{1,250}")


class ContactKind(StrEnum):
    """How somebody is reached."""

    PHONE = "phone"
    EMAIL = "email"


class Contacts(Protocol):
    """Where channels look up numbers and addresses."""

    def find(self, person: str, kind: ContactKind) -> str | None:
        """Return that of a person, None where there is none."""
        ...


def required(contacts: Contacts, channel: str, person: str, kind: ContactKind) -> str:
    """Return that of a person; DeliveryError where there is none: the next channel is tried."""
    found = contacts.find(person, kind)
    if found is None:
        raise DeliveryError(f"{channel}: {person} has no {kind}", retryable=False)
    return found


@dataclass(frozen=True, slots=True)
class ContactFile:
    """Numbers and addresses of a file: person, phone, email."""

    entries: Mapping[tuple[str, ContactKind], str] = field(repr=False)

    def find(self, person: str, kind: ContactKind) -> str | None:
        """Return that of a person, None where there is none; the file has people, not duties."""
        found = self.entries.get((person, kind))
        return found if found is not None else self.entries.get((holder_of(person), kind))


def read_contacts(path: Path) -> ContactFile:
    """Read a CSV of UTF-8 with the columns person, phone, email; the last two may be empty.

    Raises
    ------
    DataError
        Names the line, never the number.
    """
    entries: dict[tuple[str, ContactKind], str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"person", "phone", "email"} <= set(rows.fieldnames or ()):
                raise DataError(path, "the columns are person, phone, email")
            for row in rows:
                for kind, form in ((ContactKind.PHONE, _PHONE), (ContactKind.EMAIL, _EMAIL)):
                    value = (row[kind.value] or "").strip()
                    if value and not form.fullmatch(value):
                        raise DataError(path, f"line {rows.line_num}: not a {kind}")
                    if value:
                        entries[row["person"].strip(), kind] = value
    except OSError as error:
        raise DataError(path, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise DataError(path, "not UTF-8 text") from None
    return ContactFile(entries)


NOBODY = ContactFile({})
