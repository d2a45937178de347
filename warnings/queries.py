"""What the service reads from the warnings database."""

import json
from dataclasses import dataclass
from typing import Any

from lxml import etree
from sqlalchemy import Connection, Row, Select, and_, func, not_, or_, select

from jinghu.grid.errors import DataError
from jinghu.warnings.cap_cn import to_cn_xml
from jinghu.warnings.cap_rules import NAMESPACE
from jinghu.warnings.levels import Action, Hazard, Level, Role
from jinghu.warnings.tables import (
    alert,
    alert_cell,
    attempt,
    audit,
    event,
    outbox,
    recipient,
    task,
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a reader asks for; None = any.

    ``bbox`` is west, south, east, north; ``since`` is UTC text as stored.
    """

    active: bool | None = None
    level: Level | None = None
    hazard: Hazard | None = None
    area: str | None = None
    bbox: tuple[float, float, float, float] | None = None
    cell: int | None = None
    since: str | None = None


def list_warnings(
    connection: Connection, filters: Filters, now: str, after: int = 0, limit: int = 100
) -> tuple[list[dict[str, Any]], int | None]:
    """Return warnings as GeoJSON features, oldest first, and the cursor of the next page.

    Parameters
    ----------
    connection
        An open connection.
    filters
        What is wanted.
    now
        UTC text; decides what is active. An earlier time tells what was active then.
    after, limit
        Cursor (``alert_id`` of the last one had) and page size.
    """
    query = _filtered(filters, now).where(alert.c.alert_id > after).order_by(alert.c.alert_id)
    features: list[dict[str, Any]] = []
    last = after
    for row in connection.execute(query).all():
        geometry, areas = _geometry(str(row.cap_xml))
        if filters.bbox is not None and not _meets(geometry, filters.bbox):
            continue
        if len(features) == limit:
            return features, last
        features.append(_feature(connection, row, now, geometry, areas))
        last = int(row.alert_id)
    return features, None


def newest_warnings(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Return identity, times and headlines of the last messages, newest first: for feeds."""
    query = _joined().order_by(alert.c.alert_id.desc()).limit(limit)
    names = ("identifier", "sent", "expires", "headline_zh", "headline_en", "county", "hazard")
    return [
        {name: getattr(row, name) for name in names} | {"level": Level(row.level).en}
        for row in connection.execute(query)
    ]


def active_counts(connection: Connection, now: str) -> dict[str, int]:
    """Number of active warnings by level, every level named."""
    query = (
        select(alert.c.level, func.count())
        .select_from(alert)
        .where(*_active(now))
        .group_by(alert.c.level)
    )
    found = {int(level): int(n) for level, n in connection.execute(query)}
    return {level.en: found.get(level, 0) for level in Level if level is not Level.NONE}


def get_warning(connection: Connection, identifier: str, now: str) -> dict[str, Any]:
    """Return one warning as a GeoJSON feature; DataError where there is none."""
    row = _one(connection, identifier)
    return _feature(connection, row, now, *_geometry(str(row.cap_xml)))


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """What a warning is about; ``level`` is that which stands, none where it has ended."""

    event_id: str
    hazard: Hazard
    county: str
    subject: str
    level: Level


def open_event(connection: Connection, identifier: str, status: str) -> OpenEvent:
    """The event of a warning; DataError where there is no such warning of that status."""
    query = (
        select(event, alert.c.identifier)
        .join(alert, alert.c.event_id == event.c.event_id)
        .where(alert.c.identifier == identifier, event.c.status == status)
    )
    row = connection.execute(query).first()
    if row is None:
        raise DataError(identifier, "there is no such warning")
    level = Level(row.level) if row.closed_at is None else Level.NONE
    return OpenEvent(row.event_id, Hazard(row.hazard), row.county, row.subject, level)


def get_cap(connection: Connection, identifier: str) -> bytes:
    """Return one warning as CAP 1.2, byte for byte as it was issued."""
    return str(_one(connection, identifier).cap_xml).encode("utf-8")


def get_cap_cn(connection: Connection, identifier: str) -> bytes:
    """Return one warning with national identifiers and times; DataError where it has none."""
    row = _one(connection, identifier)
    if row.cn_identifier is None:
        raise DataError(identifier, "it has no national identifier: warnings.agency was not set")
    of_event = select(alert.c.identifier, alert.c.cn_identifier).where(
        alert.c.event_id == row.event_id, alert.c.cn_identifier.is_not(None)
    )
    names = {str(r.identifier): str(r.cn_identifier) for r in connection.execute(of_event)}
    return to_cn_xml(str(row.cap_xml).encode("utf-8"), names)


def version(connection: Connection, now: str) -> str:
    """Text that changes whenever an answer of `list_warnings` can: for ETags.

    Every message and every answer is in the audit chain, every attempt to deliver in its table;
    leases are counted because they are neither, and the active ones because they end by time.
    """
    parts = (
        select(func.max(audit.c.seq)),
        select(func.max(attempt.c.attempt_id)),
        select(func.count()).select_from(outbox).where(outbox.c.status == "LEASED"),
        select(func.count()).select_from(alert).where(*_active(now)),
    )
    return "-".join(str(connection.execute(part).scalar() or 0) for part in parts)


def list_audit(connection: Connection, after: int, limit: int) -> list[dict[str, Any]]:
    """Return entries of the audit in their order, from the one after ``after`` on."""
    query = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
    names = ("seq", "at", "actor", "action", "subject", "hash")
    return [
        {name: getattr(row, name) for name in names} | {"detail": json.loads(row.detail)}
        for row in connection.execute(query)
    ]


def get_task(connection: Connection, event_id: str, recipient_id: int) -> dict[str, Any]:
    """Return what one person is asked to do, and what they answered; DataError where nothing.

    The headline and the times are those of the event's newest message; ``told_at`` is that of the
    message by which the level became what it is.
    """
    told_by = alert.alias()
    query = (
        select(
            task.c.status,
            task.c.level,
            task.c.note,
            task.c.answered_at,
            task.c.due_at,
            recipient.c.unit_name,
            recipient.c.role,
            recipient.c.cell_id,
            event.c.hazard,
            event.c.county,
            event.c.closed_at,
            alert.c.headline_zh,
            alert.c.headline_en,
            alert.c.sent,
            alert.c.expires,
            alert.c.status.label("message_status"),
            told_by.c.sent.label("told_at"),
        )
        .join(recipient, recipient.c.recipient_id == task.c.recipient_id)
        .join(event, event.c.event_id == task.c.event_id)
        .join(alert, alert.c.event_id == task.c.event_id)
        .join(told_by, told_by.c.alert_id == task.c.alert_id)
        .where(task.c.event_id == event_id, task.c.recipient_id == recipient_id)
        .order_by(alert.c.alert_id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        raise DataError("answer link", "there is no such task")
    level = Level(row.level)
    words = {
        "level": level.en,
        "level_zh": level.zh,
        "hazard_zh": Hazard(row.hazard).zh,
        "role_zh": Role(row.role).zh,
    }
    return dict(row._mapping) | words


def _one(connection: Connection, identifier: str) -> Row[Any]:
    query = _joined().where(alert.c.identifier == identifier)
    row = connection.execute(query).first()
    if row is None:
        raise DataError(identifier, "there is no such warning")
    return row


def _joined() -> Select[Any]:
    of_event = (event.c.hazard, event.c.county, event.c.closed_at)
    subject = (event.c.subject, event.c.subject_zh, event.c.subject_en)
    return select(alert, *of_event, *subject).join(event, event.c.event_id == alert.c.event_id)


def _active(now: str) -> tuple[Any, ...]:
    """In force at ``now``, which may lie in the past: what was sent later does not count."""
    superseded = alert.c.superseded_at
    return (
        alert.c.sent <= now,
        or_(superseded.is_(None), superseded > now),
        alert.c.expires > now,
        alert.c.action != Action.CANCEL.value,
    )


def _filtered(filters: Filters, now: str) -> Select[Any]:
    query = _joined()
    if filters.active is not None:
        active = and_(*_active(now))
        query = query.where(active if filters.active else not_(active))
    if filters.level is not None:
        query = query.where(alert.c.level == int(filters.level))
    if filters.hazard is not None:
        query = query.where(event.c.hazard == filters.hazard.value)
    if filters.area is not None:
        query = query.where(event.c.county == filters.area)
    if filters.since is not None:
        query = query.where(alert.c.sent > filters.since)
    if filters.cell is not None:
        inside = select(alert_cell.c.alert_id).where(alert_cell.c.cell_id == filters.cell)
        query = query.where(alert.c.alert_id.in_(inside))
    return query


def _feature(
    connection: Connection,
    row: Row[Any],
    now: str,
    geometry: dict[str, Any],
    areas: list[dict[str, str]],
) -> dict[str, Any]:
    level = Level(row.level)
    superseded = row.superseded_at is not None and row.superseded_at <= now
    active = row.sent <= now < row.expires and not superseded and row.action != Action.CANCEL.value
    return {
        "type": "Feature",
        "id": row.identifier,
        "geometry": geometry,
        "properties": {
            "identifier": row.identifier,
            "event_id": row.event_id,
            "hazard": row.hazard,
            "county": row.county,
            "place": row.subject or None,
            "place_zh": row.subject_zh or None,
            "place_en": row.subject_en or None,
            "action": row.action,
            "action_zh": Action(row.action).zh,
            "hazard_zh": Hazard(row.hazard).zh,
            "cycle": row.cycle,
            "level": level.en,
            "level_zh": level.zh,
            "status": row.status,
            "active": active,
            "sent": row.sent,
            "expires": row.expires,
            "headline_zh": row.headline_zh,
            "headline_en": row.headline_en,
            "areas": areas,
            "cells": _cells(connection, int(row.alert_id)),
            "deliveries": _deliveries(connection, int(row.alert_id)),
            "answers": _answers(connection, str(row.event_id)),
        },
    }


def _geometry(cap_xml: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Outlines of the Chinese infos, and the words of both languages, an entry an info."""
    root = etree.fromstring(cap_xml.encode("utf-8"))
    infos = root.findall(f"{{{NAMESPACE}}}info")
    chinese = [i for i in infos if i.findtext(f"{{{NAMESPACE}}}language") == "zh-CN"]
    english = [i for i in infos if i.findtext(f"{{{NAMESPACE}}}language") == "en-US"]
    polygons = [
        [[[float(lon), float(lat)] for lat, lon in (p.split(",") for p in (e.text or "").split())]]
        for info in chinese
        for e in info.iterfind(f"{{{NAMESPACE}}}area/{{{NAMESPACE}}}polygon")
    ]
    words = [
        {"severity": info.findtext(f"{{{NAMESPACE}}}severity") or ""}
        | _words(info, "zh")
        | _words(twin, "en")
        for info, twin in zip(chinese, english, strict=True)
    ]
    return {"type": "MultiPolygon", "coordinates": polygons}, words


def _words(info: etree._Element, language: str) -> dict[str, str]:
    paths = {
        "area": f"{{{NAMESPACE}}}area/{{{NAMESPACE}}}areaDesc",
        "description": f"{{{NAMESPACE}}}description",
        "instruction": f"{{{NAMESPACE}}}instruction",
    }
    return {f"{name}_{language}": info.findtext(path) or "" for name, path in paths.items()}


def _meets(geometry: dict[str, Any], bbox: tuple[float, float, float, float]) -> bool:
    """Whether the box of any polygon meets the box."""
    for polygon in geometry["coordinates"]:
        lons = [point[0] for point in polygon[0]]
        lats = [point[1] for point in polygon[0]]
        if (
            min(lons) <= bbox[2]
            and max(lons) >= bbox[0]
            and min(lats) <= bbox[3]
            and max(lats) >= bbox[1]
        ):
            return True
    return False


def _cells(connection: Connection, alert_id: int) -> dict[str, int]:
    """Cells of the alert and their levels."""
    query = select(alert_cell.c.cell_id, alert_cell.c.level).where(
        alert_cell.c.alert_id == alert_id
    )
    return {str(cell): int(level) for cell, level in connection.execute(query)}


def _deliveries(connection: Connection, alert_id: int) -> dict[str, int]:
    query = (
        select(outbox.c.status, func.count())
        .where(outbox.c.alert_id == alert_id)
        .group_by(outbox.c.status)
    )
    return {str(status): int(n) for status, n in connection.execute(query)}


def _answers(connection: Connection, event_id: str) -> dict[str, int]:
    query = (
        select(task.c.status, func.count())
        .where(task.c.event_id == event_id)
        .group_by(task.c.status)
    )
    return {str(status): int(n) for status, n in connection.execute(query)}
