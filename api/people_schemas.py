"""Questions and answers about people, keys and the audit; numbers are masked but one asked for."""

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from jinghu.warnings.acknowledge import Answer
from jinghu.warnings.keys import Right, Scope
from jinghu.warnings.levels import Role
from jinghu.warnings.purposes import Purpose


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PersonEntry(_Model):
    """A responsible person; the number is masked."""

    person: str
    name: str
    role: Role
    role_zh: str
    unit_code: str
    unit_name: str
    lon: float
    lat: float
    cell_id: int
    phone: str | None = Field(description="masked: 138****1234; null where there is none")
    holder: str = Field(description="id of who holds it: the same for all duties of one person")


class PeoplePage(_Model):
    """People of a unit and of those below it."""

    people: list[PersonEntry]
    next: int | None = Field(description="value of `after` for the next page")


class PhoneQuestion(_Model):
    """A number, to find whose it is."""

    phone: str = Field(min_length=3, max_length=32)


class Reason(_Model):
    """Why somebody looks at a number; it is in the audit."""

    reason: str = Field(min_length=4, max_length=200)


class PhoneAnswer(_Model):
    """A number in full."""

    person: str
    phone: str = Field(description="E.164")


class OnBehalf(_Model):
    """An answer that somebody gave by telephone, and that is written down for them."""

    event: str = Field(max_length=64)
    answer: Answer
    note: str = Field("", max_length=1000)


class TaskEntry(_Model):
    """What one person was asked, and how it stands."""

    event: str
    person: str
    name: str
    role_zh: str
    unit_code: str
    unit_name: str
    level: str
    level_zh: str
    status: str
    due_at: str | None
    answered_at: str | None
    note: str
    phone: str | None = Field(description="masked")


class TaskPage(_Model):
    """Tasks of open events, those that nobody answered in time first."""

    tasks: list[TaskEntry]
    overdue: int = Field(description="of all tasks of the unit, not of this page alone")


class KeyEntry(_Model):
    """What is known of a key."""

    prefix: str
    name: str
    scope: Scope
    scope_zh: str
    unit: str = Field(description="empty: the whole city")
    purpose: Purpose
    rights: list[Right]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyList(_Model):
    """Keys of a unit and of those below it."""

    keys: list[KeyEntry]


class KeyRequest(_Model):
    """A key that is wanted."""

    name: str = Field(min_length=1, max_length=40)
    scope: Scope
    unit: str = Field("", max_length=16)
    purpose: Purpose = Purpose.PRODUCTION
    expires: AwareDatetime | None = None


class KeyMade(_Model):
    """A new key; it is not told again."""

    key: str
    known_as: KeyEntry


class AuditEntry(_Model):
    """One entry of the audit."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    hash: str


class AuditPage(_Model):
    """Entries of the audit in their order."""

    entries: list[AuditEntry]
    next: int | None = Field(description="value of `after` for the next page")
