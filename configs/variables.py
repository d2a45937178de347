"""Variables in settings: ``${NAME:-default}`` of the environment, ``${file:PATH}`` of a file."""

import os
import re
from pathlib import Path

from jinghu.grid.errors import ConfigError

_VARIABLE = re.compile(r"\$\{(?:file:([^}]+)|(\w+)(?::-([^}]*))?)\}")


def expanded(value: object, path: Path) -> object:
    """Replace variables in all texts of a parsed file.

    Parameters
    ----------
    value
        Texts, lists and tables; comments are gone by now.
    path
        Of the file, for errors.

    Raises
    ------
    ConfigError
        Where a variable is not set, or a file that is named cannot be read.
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda m: _environment(m, path), value)
    if isinstance(value, list):
        return [expanded(item, path) for item in value]
    if isinstance(value, dict):
        return {key: expanded(item, path) for key, item in value.items()}
    return value


def _environment(match: re.Match[str], path: Path) -> str:
    file, name, default = match.groups()
    if file is not None:
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: {file}: {error}") from None
    value = os.environ.get(name, default)
    if value is None:
        raise ConfigError(f"{path}: the environment variable {name} is not set")
    return value
