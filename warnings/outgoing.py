"""One message to one person through one channel, with all that any channel needs to word it."""

from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, Row, String, bindparam, cast, func, select

from jinghu.grid.times import parse_time
from jinghu.warnings.acknowledge import Links
from jinghu.warnings.levels import Hazard, Level, Role
from jinghu.warnings.message import phone_text_en, phone_text_zh
from jinghu.warnings.silence import from_json
from jinghu.warnings.tables import alert, event, outbox, recipient

_MARK = "\x1f"  # between the parts of an addressee
# Whom a message goes to, as the roster has it when the message is first taken: kept until it is
# sent, because what goes out under one id is the same in every attempt.
ADDRESSEE = func.coalesce(
    outbox.c.addressee,
    select(
        recipient.c.role
        + _MARK
        + recipient.c.unit_code
        + _MARK
        + cast(recipient.c.cell_id, String)
        + _MARK
        + recipient.c.unit_name
        + _MARK
        + recipient.c.name
    )
    .where(recipient.c.recipient_id == outbox.c.recipient_id)
    .scalar_subquery(),
)
_DETAILS = (  # the CAP text of an alert is large and no channel's matter
    select(
        outbox,
        alert.c.event_id,
        alert.c.identifier,
        alert.c.sent,
        alert.c.expires,
        alert.c.headline_zh,
        alert.c.headline_en,
        event.c.hazard,
        recipient.c.person,
    )
    .join(alert, alert.c.alert_id == outbox.c.alert_id)
    .join(event, event.c.event_id == alert.c.event_id)
    .join(recipient, recipient.c.recipient_id == outbox.c.recipient_id)
    .where(outbox.c.outbox_id.in_(bindparam("keys", expanding=True)))
    .order_by(outbox.c.priority, outbox.c.outbox_id)
)


@dataclass(frozen=True, slots=True)
class Content:
    """What is said to whom; times are UTC text, ``text_zh`` and ``text_en`` without the link."""

    kind: str
    alert: str
    event: str
    status: str
    hazard: Hazard
    level: Level
    sent: str
    expires: str
    person: str
    name: str
    role: Role
    unit_code: str
    unit_name: str
    cell_id: int
    headline_zh: str
    headline_en: str
    text_zh: str
    text_en: str
    answer_url: str

    def public(self) -> dict[str, object]:
        """What may be heard by anybody: no names, and no link by which others could answer."""
        return {
            "type": self.kind,
            "alert": self.alert,
            "event": self.event,
            "status": self.status,
            "hazard": self.hazard.value,
            "level": self.level.en,
            "sent": self.sent,
            "expires": self.expires,
            "unit_code": self.unit_code,
            "unit_name": self.unit_name,
            "headline_zh": self.headline_zh,
            "headline_en": self.headline_en,
            "text_zh": self.text_zh,
            "text_en": self.text_en,
        }


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one recipient through one channel; ``attempts`` counts the one that begins."""

    outbox_id: int
    channel: str
    message_id: str
    attempts: int
    content: Content

    @property
    def status(self) -> str:
        """Actual, Exercise or Test."""
        return self.content.status

    @property
    def body(self) -> bytes:
        """All of it as JSON, the same in every attempt."""
        c = self.content
        body = {
            "type": c.kind,
            "id": self.message_id,
            "alert": c.alert,
            "event": c.event,
            "status": c.status,
            "hazard": c.hazard.value,
            "level": c.level.en,
            "sent": c.sent,
            "expires": c.expires,
            "recipient": {
                "person": c.person,
                "name": c.name,
                "role": c.role.value,
                "role_zh": c.role.zh,
                "unit_code": c.unit_code,
                "unit_name": c.unit_name,
                "cell_id": c.cell_id,
            },
            "headline_zh": c.headline_zh,
            "headline_en": c.headline_en,
            "text_zh": f"{c.text_zh} 回执 {c.answer_url}",
            "text_en": f"{c.text_en} Answer: {c.answer_url}",
            "answer_url": c.answer_url,
        }
        return orjson.dumps(body)


def outgoing(connection: Connection, keys: list[int], links: Links) -> list[Outgoing]:
    """Word the messages of the outbox with these keys, which were taken; the most urgent first."""
    rows = connection.execute(_DETAILS, {"keys": keys}).all()
    return [_outgoing(row, links) for row in rows]


def _outgoing(row: Row[tuple[object, ...]], links: Links) -> Outgoing:
    silence = from_json(row.silence) if row.silence is not None else None
    role, unit_code, cell_id, unit_name, name = row.addressee.split(_MARK, 4)
    hazard, level, status = Hazard(row.hazard), Level(row.level), row.message_status
    issued = "warning.issued" if level else "warning.ended"
    content = Content(
        kind=issued if silence is None else "task.escalated",
        alert=row.identifier,
        event=row.event_id,
        status=status,
        hazard=hazard,
        level=level,
        sent=row.sent,
        expires=row.expires,
        person=row.person,
        name=name,
        role=Role(role),
        unit_code=unit_code,
        unit_name=unit_name,
        cell_id=int(cell_id),
        headline_zh=row.headline_zh,
        headline_en=row.headline_en,
        text_zh=phone_text_zh(status, hazard, level, unit_name, silence),
        text_en=phone_text_en(status, hazard, level, silence),
        answer_url=links.url(row.event_id, row.recipient_id, parse_time(row.created_at)),
    )
    return Outgoing(row.outbox_id, row.channel, row.message_id, row.attempts, content)
