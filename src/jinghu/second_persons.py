"""Which steps of warnings wait for a second person here, from the rule tables."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from jinghu.configs.settings import Settings
from jinghu.grid.errors import StoreError
from jinghu.grid.times import parse_time
from jinghu.warnings.approvals import Approvals
from jinghu.warnings.database import connect, is_made, one_line, reading
from jinghu.warnings.keys import Right, list_keys
from jinghu.warnings.levels import Hazard
from jinghu.warnings.rules import load_rules
from jinghu.warnings.torrent_rules import load_torrent_rules
from jinghu.warnings.water_rules import load_water_rules
from jinghu.warnings.weather_rules import load_weather_rules


def approvals_of_tables(settings: Settings) -> Mapping[Hazard, Approvals]:
    """Steps that wait for a second person, by hazard."""
    warnings = settings.warnings
    if not warnings.second_person:
        return {}
    found = {Hazard.RAINSTORM: load_rules(warnings.rules).approvals}
    if warnings.water_rules is not None:
        of_water = load_water_rules(warnings.water_rules).approvals
        found |= {Hazard.RIVER_FLOOD: of_water, Hazard.RESERVOIR: of_water}
    if warnings.torrent_rules is not None:
        of_torrents = load_torrent_rules(warnings.torrent_rules).approvals
        found[Hazard.MOUNTAIN_TORRENT] = of_torrents
    if warnings.weather_rules is not None:
        of_weather = load_weather_rules(warnings.weather_rules).approvals
        found |= {Hazard.GALE: of_weather, Hazard.HIGH_TEMPERATURE: of_weather}
    return found


def approvers(settings: Settings, now: datetime) -> int | None:
    """How many keys may approve now; None where there is no database yet.

    Raises
    ------
    StoreError
        Where the database cannot be read.
    """
    url = settings.warnings.database
    try:
        if not is_made(url):
            return None
        engine = connect(url)
        try:
            with reading(engine) as connection:
                keys = list_keys(connection)
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        raise StoreError(f"warnings database: {one_line(error)}") from None
    good = (k for k in keys if k.may(Right.APPROVE) and k.revoked_at is None)
    return sum(k.expires_at is None or parse_time(k.expires_at) > now for k in good)
