"""Where the keys of phone numbers lie: a file or a variable of the environment, no database."""

import os
import secrets
from pathlib import Path

from jinghu.grid import durable
from jinghu.grid.errors import ConfigError
from jinghu.warnings.phones import PhoneKeys, keys_text, new_key, parse_keys


def load_phone_keys(path: Path | None, text: str) -> PhoneKeys | None:
    """Read the keys from their file, or from the text of a variable; None where neither is set.

    Raises
    ------
    ConfigError
        Where the file is missing or cannot be read, or holds no keys.
    """
    if path is None:
        return parse_keys(text, "warnings.phone_keys") if text.strip() else None
    try:
        return parse_keys(path.read_text(encoding="ascii"), f"phone keys {path}")
    except FileNotFoundError:
        raise ConfigError(
            f"phone keys {path}: the file is missing: restore it; jinghu audience rotate-key makes"
            " it where there are no numbers yet"
        ) from None
    except OSError as error:
        raise ConfigError(f"phone keys {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"phone keys {path}: not a list of keys") from None


def with_new_key(keys: PhoneKeys | None) -> PhoneKeys:
    """The keys with a new one before them, which encrypts from now on."""
    return PhoneKeys((new_key(), *(keys.keys if keys else ())))


def write_phone_keys(path: Path, keys: PhoneKeys) -> None:
    """Replace the file as a whole; only its owner can read it.

    Raises
    ------
    ConfigError
        Where it cannot be written.
    """
    temporary = path.with_name(f"{durable.TEMPORARY}{path.name}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(keys_text(keys))
        durable.fsync_path(temporary)
        temporary.replace(path)
        durable.fsync_path(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigError(f"phone keys {path}: {error.strerror}") from None
