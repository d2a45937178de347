"""What the service reads from the warnings database."""

from dataclasses import dataclass
from typing import Any

from lxml import etree
from sqlalchemy import Connection, Row, Select, func, select

from jinghu.grid.errors import DataError
from jinghu.warnings.cap_rules import NAMESPACE
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.tables import alert, alert_cell, event, outbox, task


@dataclass(frozen=True, slots=True)
class Filters:
    """What a reader asks for; None = any.

    ``bbox`` is west, south, east, north; ``since`` and ``now`` are UTC text as stored.
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
        UTC text; decides what is active.
    after, limit
        Cursor (``alert_id`` of the last one had) and page size.
    """
    query = _filtered(filters, now).where(alert.c.alert_id > after).order_by(alert.c.alert_id)
    features: list[dict[str, Any]] = []
    last = after
    for row in connection.execute(query):
        last = int(row.alert_id)
        found = _feature(connection, row, now)
        if filters.bbox is not None and not _meets(found["geometry"], filters.bbox):
            continue
        features.append(found)
        if len(features) == limit:
            return features, last
    return features, None


def get_warning(connection: Connection, identifier: str, now: str) -> dict[str, Any]:
    """Return one warning as a GeoJSON feature; DataError where there is none."""
    return _feature(connection, _one(connection, identifier), now)


def get_cap(connection: Connection, identifier: str) -> bytes:
    """Return one warning as CAP 1.2, byte for byte as it was issued."""
    return str(_one(connection, identifier).cap_xml).encode("utf-8")


def version(connection: Connection, now: str) -> str:
    """Text that changes whenever an answer of `list_warnings` can: for ETags."""
    newest = connection.execute(select(func.max(alert.c.alert_id))).scalar() or 0
    active = connection.execute(
        select(func.count()).select_from(alert).where(*_active(now))
    ).scalar_one()
    sent = connection.execute(
        select(func.count()).select_from(outbox).where(outbox.c.status == "SENT")
    ).scalar_one()
    answered = connection.execute(
        select(func.count()).select_from(task).where(task.c.answered_at.is_not(None))
    ).scalar_one()
    return f"{newest}-{active}-{sent}-{answered}"


def _one(connection: Connection, identifier: str) -> Row[Any]:
    query = _joined().where(alert.c.identifier == identifier)
    row = connection.execute(query).first()
    if row is None:
        raise DataError(identifier, "there is no such warning")
    return row


def _joined() -> Select[Any]:
    return select(alert, event.c.hazard, event.c.county, event.c.closed_at).join(
        event, event.c.event_id == alert.c.event_id
    )


def _active(now: str) -> tuple[Any, ...]:
    return (alert.c.superseded_at.is_(None), alert.c.expires > now, alert.c.action != "CAN")


def _filtered(filters: Filters, now: str) -> Select[Any]:
    query = _joined()
    if filters.active:
        query = query.where(*_active(now))
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


def _feature(connection: Connection, row: Row[Any], now: str) -> dict[str, Any]:
    geometry, areas = _geometry(str(row.cap_xml))
    level = Level(row.level)
    active = row.superseded_at is None and row.expires > now and row.action != "CAN"
    return {
        "type": "Feature",
        "id": row.identifier,
        "geometry": geometry,
        "properties": {
            "identifier": row.identifier,
            "event_id": row.event_id,
            "hazard": row.hazard,
            "county": row.county,
            "action": row.action,
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
    """Outlines and words of the Chinese infos, which name every area once."""
    root = etree.fromstring(cap_xml.encode("utf-8"))
    polygons: list[list[list[list[float]]]] = []
    areas: list[dict[str, str]] = []
    for info in root.findall(f"{{{NAMESPACE}}}info"):
        if info.findtext(f"{{{NAMESPACE}}}language") != "zh-CN":
            continue
        for area in info.findall(f"{{{NAMESPACE}}}area"):
            areas.append(
                {
                    "area": area.findtext(f"{{{NAMESPACE}}}areaDesc") or "",
                    "severity": info.findtext(f"{{{NAMESPACE}}}severity") or "",
                    "description": info.findtext(f"{{{NAMESPACE}}}description") or "",
                    "instruction": info.findtext(f"{{{NAMESPACE}}}instruction") or "",
                }
            )
            for polygon in area.findall(f"{{{NAMESPACE}}}polygon"):
                pairs = [word.split(",") for word in (polygon.text or "").split()]
                polygons.append([[[float(lon), float(lat)] for lat, lon in pairs]])
    return {"type": "MultiPolygon", "coordinates": polygons}, areas


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
