"""One message to one person through one channel, with all that any channel needs to word it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson
from sqlalchemy import Connection, Row, String, bindparam, cast, func, select

from jinghu.grid.times import parse_time
from jinghu.warnings.acknowledge import Links
from jinghu.warnings.digest import digest_id
from jinghu.warnings.levels import Hazard, Level, Role
from jinghu.warnings.message import (
    digest_title_en,
    digest_title_zh,
    phone_text_en,
    phone_text_zh,
)
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
_EVERYTHING = (  # the CAP text of an alert is large and no channel's matter
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
)
_DETAILS = _EVERYTHING.where(outbox.c.outbox_id.in_(bindparam("keys", expanding=True))).order_by(
    outbox.c.priority, outbox.c.outbox_id
)
_MERGED = _EVERYTHING.where(
    outbox.c.digest_id.in_(bindparam("keys", expanding=True)), outbox.c.status == "MERGED"
).order_by(outbox.c.level.desc(), outbox.c.outbox_id)


@dataclass(frozen=True, slots=True)
class Content:
    """What is said to whom; times are UTC text, ``text_zh`` and ``text_en`` without the link.

    ``items`` are the messages of a digest, the most urgent first; what the digest says of itself is
    said of the first. Their links stand in its text, but for the last one's, which is its own.
    """

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
    items: tuple["Content", ...] = ()

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
    """One message to one recipient through one channel; ``attempts`` counts the one that begins.

    ``members`` are the messages that go out with it.
    """

    outbox_id: int
    channel: str
    message_id: str
    attempts: int
    content: Content
    members: tuple[int, ...] = ()

    @property
    def status(self) -> str:
        """Actual, Exercise or Test."""
        return self.content.status

    @property
    def body(self) -> bytes:
        """All of it as JSON, the same in every attempt."""
        c = self.content
        body: dict[str, object] = {
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
        if c.items:
            body["items"] = [one.public() | {"answer_url": one.answer_url} for one in c.items]
        return orjson.dumps(body)


def outgoing(connection: Connection, keys: list[int], links: Links) -> list[Outgoing]:
    """Word the messages of the outbox with these keys, which were taken; the most urgent first."""
    rows = connection.execute(_DETAILS, {"keys": keys}).all()
    merged: dict[int, list[Row[tuple[object, ...]]]] = {}
    for row in connection.execute(_MERGED, {"keys": keys}):
        merged.setdefault(row.digest_id, []).append(row)
    return [_outgoing(row, merged.get(row.outbox_id, ()), links) for row in rows]


def _outgoing(
    row: Row[tuple[object, ...]], merged: Sequence[Row[tuple[object, ...]]], links: Links
) -> Outgoing:
    content = _content(row, row.addressee, links)
    if not merged:
        return Outgoing(row.outbox_id, row.channel, row.message_id, row.attempts, content)
    items = (*(_content(one, row.addressee, links) for one in merged), content)
    return Outgoing(
        row.outbox_id,
        row.channel,
        digest_id([one.message_id for one in merged], row.message_id),
        row.attempts,
        _together(items),
        tuple(one.outbox_id for one in merged),
    )


def _together(items: tuple[Content, ...]) -> Content:
    first, last = items[0], items[-1]
    zh = [f"（{k}）{one.text_zh}" for k, one in enumerate(items, 1)]
    en = [f"({k}) {one.text_en}" for k, one in enumerate(items, 1)]
    links = [one.answer_url for one in items[:-1]] + [""]
    return replace(
        first,
        kind="warning.digest",
        headline_zh=digest_title_zh(first.status, first.level, len(items)),
        headline_en=digest_title_en(first.status, first.level, len(items)),
        text_zh="".join(f"{t} 回执 {u} " if u else t for t, u in zip(zh, links, strict=True)),
        text_en=" ".join(f"{t} Answer: {u}" if u else t for t, u in zip(en, links, strict=True)),
        answer_url=last.answer_url,
        items=items,
    )


def _content(row: Row[tuple[object, ...]], addressee: str, links: Links) -> Content:
    silence = from_json(row.silence) if row.silence is not None else None
    role, unit_code, cell_id, unit_name, name = addressee.split(_MARK, 4)
    hazard, level, status = Hazard(row.hazard), Level(row.level), row.message_status
    issued = "warning.issued" if level else "warning.ended"
    return Content(
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
