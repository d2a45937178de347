"""API keys of an installation."""

from datetime import datetime, timedelta

from jinghu.configs.settings import Settings
from jinghu.grid.errors import ConfigError
from jinghu.people import operator, people_database
from jinghu.warnings.database import reading
from jinghu.warnings.keys import ApiKey, NewKey, Scope, create_key, list_keys, revoke_key
from jinghu.warnings.purposes import Purpose

_DRILL_KEY = timedelta(days=1)


def parse_scope(text: str) -> Scope:
    """Scope by its name.

    Raises
    ------
    ConfigError
        Where there is no such scope.
    """
    try:
        return Scope(text)
    except ValueError:
        known = ", ".join(Scope)
        raise ConfigError(f"scope {text!r} is none of {known}") from None


def make_key(wanted: NewKey, settings: Settings, now: datetime) -> tuple[ApiKey, str]:
    """Make a key; it is told this once."""
    with people_database(settings) as engine, engine.begin() as connection:
        return create_key(connection, wanted, operator(), now)


def drill_key(settings: Settings, now: datetime) -> str:
    """Make a forecaster's key for a drill, good for a day: what-ifs and decisions to try."""
    name = "演练 exercise"
    wanted = NewKey(name, Scope.FORECASTER, purpose=Purpose.DRILL, expires=now + _DRILL_KEY)
    return make_key(wanted, settings, now)[1]


def keys_of(settings: Settings) -> list[ApiKey]:
    """All keys."""
    with people_database(settings) as engine, reading(engine) as connection:
        return list_keys(connection)


def end_key(prefix: str, settings: Settings, now: datetime) -> ApiKey:
    """End a key."""
    with people_database(settings) as engine, engine.begin() as connection:
        return revoke_key(connection, prefix, operator(), now)
