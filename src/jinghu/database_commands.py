"""Moving the warnings database of an installation."""

from sqlalchemy.exc import SQLAlchemyError

from jinghu.configs.settings import Settings
from jinghu.grid.errors import DataError, StoreError
from jinghu.warnings.database import is_made, one_line, open_database, verify_audit
from jinghu.warnings.moving import move_all


def move_database(old: str, settings: Settings) -> dict[str, int]:
    """Copy a database into the one that the settings name; returns the rows of each table.

    Raises
    ------
    DataError
        Where there is nothing at the old address, or something in the new one.
    StoreError
        Where one of them cannot be opened, read or written, or the audit does not come whole.
    """
    try:
        if not is_made(old):
            raise DataError("the old database", "there is none at that address")
        source, target = open_database(old), open_database(settings.warnings.database)
        try:
            moved = move_all(source, target)
            broken = verify_audit(target)
        finally:
            source.dispose()
            target.dispose()
    except (SQLAlchemyError, ImportError) as error:
        raise StoreError(f"warnings database: {one_line(error)}") from None
    if broken is not None:
        raise StoreError(f"warnings database: the audit is broken at entry {broken}, as it was")
    return moved
