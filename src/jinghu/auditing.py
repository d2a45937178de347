"""The audit of an installation: checking it, and dropping the anchors it is checked against."""

from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from jinghu.configs.settings import Settings
from jinghu.grid.errors import StoreError
from jinghu.stages import StageLog
from jinghu.warnings.audit import (
    Anchor,
    AuditReport,
    anchors_path,
    drop_anchor,
    read_anchors,
    verify,
)
from jinghu.warnings.database import one_line, open_database, reading


def anchors_of(settings: Settings) -> Path:
    """Folder of the anchors of this installation."""
    warnings = settings.warnings
    return anchors_path(warnings.audit_anchors, warnings.database, settings.store)


def verify_audit_of(settings: Settings) -> AuditReport:
    """Check the chain and the anchors.

    Raises
    ------
    StoreError
        Where the database or the anchors cannot be read.
    """
    anchors = read_anchors(anchors_of(settings))
    engine = open_database(settings.warnings.database)
    try:
        with reading(engine) as connection:
            return verify(connection, anchors)
    except SQLAlchemyError as error:
        raise StoreError(f"warnings database: {one_line(error)}") from None
    finally:
        engine.dispose()


def anchor_audit_of(settings: Settings, now: datetime) -> Anchor | None:
    """Drop an anchor; None where nothing is new since the last one."""
    engine = open_database(settings.warnings.database)
    try:
        return drop_anchor(engine, anchors_of(settings), now)
    except SQLAlchemyError as error:
        raise StoreError(f"warnings database: {one_line(error)}") from None
    finally:
        engine.dispose()


def anchor_cycle(engine: Engine, settings: Settings, now: datetime, log: StageLog) -> None:
    """Drop the anchor of a cycle; what is wrong with the audit stops no warning, it is named."""
    try:
        drop_anchor(engine, anchors_of(settings), now)
    except StoreError as error:
        log.degrade(str(error))
