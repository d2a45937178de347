"""API keys of an installation."""

from datetime import datetime

from jinghu.configs.settings import Settings
from jinghu.grid.errors import ConfigError
from jinghu.people import operator, people_database
from jinghu.warnings.database import reading
from jinghu.warnings.keys import ApiKey, NewKey, Scope, create_key, list_keys, revoke_key


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


def keys_of(settings: Settings) -> list[ApiKey]:
    """All keys."""
    with people_database(settings) as engine, reading(engine) as connection:
        return list_keys(connection)


def end_key(prefix: str, settings: Settings, now: datetime) -> ApiKey:
    """End a key."""
    with people_database(settings) as engine, engine.begin() as connection:
        return revoke_key(connection, prefix, operator(), now)
