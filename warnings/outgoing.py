"""One message to one person through one channel, with all that any channel needs to word it."""

import json
from dataclasses import dataclass

from sqlalchemy import Connection, Row, bindparam, select

from jinghu.grid.times import parse_time
from jinghu.warnings.acknowledge import Links
from jinghu.warnings.levels import Hazard, Level, Role
from jinghu.warnings.message import Silent, phone_text_en, phone_text_zh
from jinghu.warnings.tables import alert, escalation, event, outbox, recipient, task

_ABOVE, _BELOW = task.alias(), task.alias()
_SILENT = (  # made once: one is asked for every message to somebody above
    select(recipient.c.name, recipient.c.role, recipient.c.unit_name, escalation.c.reason)
    .select_from(escalation)
    .join(_ABOVE, _ABOVE.c.task_id == escalation.c.to_task_id)
    .join(_BELOW, _BELOW.c.task_id == escalation.c.from_task_id)
    .join(recipient, recipient.c.recipient_id == _BELOW.c.recipient_id)
    .where(
        _ABOVE.c.event_id == bindparam("event"),
        _ABOVE.c.recipient_id == bindparam("recipient"),
        escalation.c.at == bindparam("moment"),
    )
    .order_by(escalation.c.escalation_id)
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
        recipient.c.name,
        recipient.c.role,
        recipient.c.unit_code,
        recipient.c.unit_name,
        recipient.c.cell_id,
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
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def outgoing(connection: Connection, keys: list[int], links: Links) -> list[Outgoing]:
    """Word the messages of the outbox with these keys, the most urgent first."""
    rows = connection.execute(_DETAILS, {"keys": keys}).all()
    return [_outgoing(connection, row, links) for row in rows]


def _outgoing(connection: Connection, row: Row[tuple[object, ...]], links: Links) -> Outgoing:
    silent = _silent_below(connection, row) if row.kind == "ESCALATION" else []
    hazard, level, status = Hazard(row.hazard), Level(row.level), row.message_status
    issued = "warning.issued" if level else "warning.ended"
    content = Content(
        kind="task.escalated" if silent else issued,
        alert=row.identifier,
        event=row.event_id,
        status=status,
        hazard=hazard,
        level=level,
        sent=row.sent,
        expires=row.expires,
        person=row.person,
        name=row.name,
        role=Role(row.role),
        unit_code=row.unit_code,
        unit_name=row.unit_name,
        cell_id=row.cell_id,
        headline_zh=row.headline_zh,
        headline_en=row.headline_en,
        text_zh=phone_text_zh(status, hazard, level, row.unit_name, silent),
        text_en=phone_text_en(status, hazard, level, silent),
        answer_url=links.url(row.event_id, row.recipient_id, parse_time(row.created_at)),
    )
    return Outgoing(row.outbox_id, row.channel, row.message_id, row.attempts, content)


def _silent_below(connection: Connection, row: Row[tuple[object, ...]]) -> list[Silent]:
    """Who did not answer or could not handle it, of those because of whom a message was made."""
    asked = {"event": row.event_id, "recipient": row.recipient_id, "moment": row.created_at}
    return [
        Silent(r.name, Role(r.role), r.unit_name, r.reason == "CANNOT_HANDLE")
        for r in connection.execute(_SILENT, asked)
    ]
