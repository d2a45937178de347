"""Bulletins of an installation as a file."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinghu.alerting import units_of
from jinghu.configs.settings import Settings
from jinghu.desk import reading_database
from jinghu.grid import durable
from jinghu.warnings.bulletin import Names, Press, read_bulletin
from jinghu.warnings.bulletin_pdf import bulletin_pdf


def write_bulletins(settings: Settings, wanted: Sequence[str], names: Names, out: Path) -> int:
    """Write a PDF of a page a unit, of all counties where none is wanted; returns the pages.

    Raises
    ------
    DataError
        Where a unit is none of this city.
    StoreError
        Where the database cannot be read.
    OSError
        Where the file cannot be written.
    """
    units, city = units_of(settings), settings.city
    status, now = settings.warnings.status, datetime.now(UTC)
    press = Press(units, city.name_zh, city.name_en, status, now, names)
    codes = wanted or [county.code for county in units.counties]
    with reading_database(settings) as connection:
        found = [read_bulletin(connection, press, code) for code in codes]
    out.parent.mkdir(parents=True, exist_ok=True)
    durable.write_atomic(out, bulletin_pdf(found, units, settings.grid.product()))
    return len(found)
