"""The printed bulletin of a unit: what stands there, who is responsible, whether they answered."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Row, func, select

from jinghu.grid.errors import DataError
from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.levels import Hazard, Level, Role, Tier
from jinghu.warnings.queries import Filters, list_warnings
from jinghu.warnings.tables import event, recipient, task
from jinghu.warnings.tallies import URGENT_FIRST, TierCount, tally
from jinghu.warnings.units import County, Units

_MOST_WARNINGS = 500
_MOST_PEOPLE = 60  # more than a page holds
_UNIT = re.compile(r"\d{6}(\d{3}){0,2}")


class Names(StrEnum):
    """How people are named: not at all, by their family name, or in full."""

    NONE = "none"
    MASKED = "masked"
    FULL = "full"

    def show(self, name: str) -> str:
        """A name as it is printed.

        >>> Names.MASKED.show("王小明"), Names.NONE.show("王小明")
        ('王＊＊', '—')
        """
        if self is Names.NONE:
            return "—"
        return name if self is Names.FULL else name[:1] + "＊" * min(len(name[1:]), 2)


@dataclass(frozen=True, slots=True)
class Standing:
    """One warning in force; the level is that of the unit, times are UTC."""

    hazard: Hazard
    level: Level
    place_zh: str
    place_en: str
    text_zh: str
    text_en: str
    sent: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class Responsible:
    """Somebody who was asked to act, and how that stands."""

    name: str
    role: Role
    unit_name: str
    level: Level
    said_zh: str
    said_en: str


@dataclass(frozen=True, slots=True)
class Bulletin:
    """All that is printed of one unit.

    ``cells`` are the warned cells of the county and their levels, ``own`` those of the unit's
    people where the unit is smaller than a county. ``people`` are fewer than ``asked`` where there
    are many: those who cannot act and those who are silent come first.
    """

    unit: str
    county: int
    name_zh: str
    name_en: str
    status: str
    at: datetime
    standing: tuple[Standing, ...]
    cells: dict[int, Level]
    own: frozenset[int]
    answers: tuple[TierCount, ...]
    people: tuple[Responsible, ...]
    asked: int


@dataclass(frozen=True, slots=True)
class Press:
    """Where, of what status, when and with which names of people bulletins are made."""

    units: Units
    city_zh: str
    city_en: str
    status: str
    now: datetime
    names: Names


def read_bulletin(connection: Connection, press: Press, unit: str) -> Bulletin:
    """Read what stands in a unit: a county (6 digits), a town (9) or a village (12).

    Raises
    ------
    DataError
        Where it is none of this city, or nobody of it is known.
    """
    index = _county(press.units, unit)
    county = press.units.counties[index]
    own: frozenset[int] = frozenset()
    name_zh, name_en = f"{press.city_zh}{county.name_zh}", f"{county.name_en}, {press.city_en}"
    if len(unit) > Tier.COUNTY.digits:
        own, smaller = _smaller(connection, unit)
        name_zh += smaller.removeprefix(county.name_zh)
        name_en = f"{smaller} ({unit}), {name_en}"
    standing, cells = _standing(connection, press, county, own)
    of_unit = _of_unit(press.status, unit)
    answers = tally(connection, of_unit)
    return Bulletin(
        unit,
        index,
        name_zh,
        name_en,
        press.status,
        press.now,
        standing,
        cells,
        own,
        answers,
        _people(connection, of_unit, press.names),
        sum(tier.told for tier in answers),
    )


def _county(units: Units, unit: str) -> int:
    if _UNIT.fullmatch(unit):
        for index, county in enumerate(units.counties):
            if county.code == unit[: Tier.COUNTY.digits]:
                return index
    raise DataError(f"unit {unit}", "it is no county, town or village of this city")


def _smaller(connection: Connection, unit: str) -> tuple[frozenset[int], str]:
    """Cells of the people of a town or village, and its name as its own people have it."""
    query = select(recipient.c.unit_code, recipient.c.unit_name, recipient.c.cell_id).where(
        func.substr(recipient.c.unit_code, 1, len(unit)) == unit,
        recipient.c.removed_at.is_(None),
    )
    rows = connection.execute(query).all()
    if not rows:
        raise DataError(f"unit {unit}", "nobody of it is in the roster")
    names = [row.unit_name for row in rows if row.unit_code == unit]
    return frozenset(int(row.cell_id) for row in rows), names[0] if names else unit


def _standing(
    connection: Connection, press: Press, county: County, own: frozenset[int]
) -> tuple[tuple[Standing, ...], dict[int, Level]]:
    """Warnings in force, the highest first, and the warned cells of the county."""
    filters = Filters(active=True, area=county.code)
    features, _ = list_warnings(connection, filters, isoformat(press.now), limit=_MOST_WARNINGS)
    found: list[Standing] = []
    cells: dict[int, Level] = {}
    for feature in features:
        said = feature["properties"]
        if said["status"] != press.status:
            continue
        mine = {int(cell): Level(level) for cell, level in said["cells"].items() if level > 0}
        cells |= {c: max(level, cells.get(c, Level.NONE)) for c, level in mine.items()}
        level = Level[said["level"].upper()]
        if own:
            level = max((mine.get(c, Level.NONE) for c in own), default=Level.NONE)
        if level > Level.NONE:
            found.append(_one(said, level, county))
    found.sort(key=lambda one: (-one.level, one.hazard.value, one.place_zh))
    return tuple(found), cells


def _one(said: dict[str, object], level: Level, county: County) -> Standing:
    areas = said["areas"]
    words = areas[0] if isinstance(areas, list) and areas else {}
    return Standing(
        Hazard(str(said["hazard"])),
        level,
        str(said["place_zh"] or county.name_zh),
        str(said["place_en"] or county.name_en),
        words.get("description_zh", ""),
        words.get("description_en", ""),
        parse_time(str(said["sent"])),
        parse_time(str(said["expires"])),
    )


def _of_unit(status: str, unit: str) -> tuple[ColumnElement[bool], ...]:
    return (
        event.c.closed_at.is_(None),
        event.c.status == status,
        task.c.level > 0,
        func.substr(recipient.c.unit_code, 1, len(unit)) == unit,
    )


def _people(
    connection: Connection, of_unit: Sequence[ColumnElement[bool]], names: Names
) -> tuple[Responsible, ...]:
    query = (
        select(task, recipient.c.name, recipient.c.role, recipient.c.unit_name)
        .join(recipient, recipient.c.recipient_id == task.c.recipient_id)
        .join(event, event.c.event_id == task.c.event_id)
        .where(*of_unit)
        .order_by(URGENT_FIRST, task.c.level.desc(), task.c.tier.desc(), task.c.task_id)
        .limit(_MOST_PEOPLE)
    )
    return tuple(
        Responsible(
            names.show(row.name), Role(row.role), row.unit_name, Level(row.level), *_said(row)
        )
        for row in connection.execute(query)
    )


def _said(row: Row[tuple[object, ...]]) -> tuple[str, str]:
    """How a task stands, in both languages."""
    if row.status == "TOLD":
        if row.raised_at is not None:
            return "未答复，已上报", "silent, passed on"
        if row.due_at is not None:
            return "待答复", "awaited"
        return "已通知", "told"
    return {
        "ACKNOWLEDGED": ("已确认", "acknowledged"),
        "HANDLED": ("已处置", "handled"),
        "CANNOT_HANDLE": ("无法处置", "cannot handle"),
        "RELIEVED": ("由他人负责", "relieved"),
        "CLOSED": ("已结束", "closed"),
    }[row.status]
