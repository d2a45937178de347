"""What comes back from the place with an answer: words, depth of water, a photo, a position."""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Row, Select, insert, select

from jinghu.grid import durable
from jinghu.grid.times import isoformat
from jinghu.warnings.photos import cleaned
from jinghu.warnings.tables import feedback, task

_KEEP = insert(feedback)  # made once: making a statement takes as long as running it


@dataclass(frozen=True, slots=True)
class Report:
    """One report; ``photo`` is the name of its file, lon and lat are WGS-84."""

    answer: str
    note: str = ""
    water_depth_cm: int | None = None
    people_moved: int | None = None
    lon: float | None = None
    lat: float | None = None
    photo: str | None = None

    @property
    def empty(self) -> bool:
        """Whether it says nothing that the answer alone does not."""
        facts = (self.water_depth_cm, self.people_moved, self.lon, self.photo)
        return not self.note and all(fact is None for fact in facts)


def store_photo(folder: Path, data: bytes) -> str:
    """Write a photograph, rid of all but the picture; returns its name.

    The name is that of the content: the same picture sent twice is one file.

    Raises
    ------
    DataError
        Where it is no picture.
    """
    picture, ending = cleaned(data)
    name = f"{hashlib.sha256(picture).hexdigest()[:32]}.{ending}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).exists():
        durable.write_atomic(folder / name, picture)
    return name


def add_report(connection: Connection, task_id: int, report: Report, now: datetime) -> None:
    """Keep a report beside the answer; every one is kept."""
    connection.execute(_KEEP, asdict(report) | {"task_id": task_id, "at": isoformat(now)})


def reports_of(connection: Connection, event_id: str, recipient_id: int) -> list[Report]:
    """Reports of one person about one event, the newest first."""
    mine = _of_event(event_id).where(task.c.recipient_id == recipient_id)
    rows = connection.execute(mine.order_by(feedback.c.feedback_id.desc()))
    return [_report(row) for row in rows]


def reports_of_event(connection: Connection, event_id: str) -> list[Report]:
    """All reports about one event, in their order."""
    rows = connection.execute(_of_event(event_id).order_by(feedback.c.feedback_id))
    return [_report(row) for row in rows]


def _of_event(event_id: str) -> Select[tuple[object, ...]]:
    return (
        select(*feedback.c)
        .join(task, task.c.task_id == feedback.c.task_id)
        .where(task.c.event_id == event_id)
    )


def _report(row: Row[tuple[object, ...]]) -> Report:
    return Report(
        row.answer, row.note, row.water_depth_cm, row.people_moved, row.lon, row.lat, row.photo
    )
