"""Rule tables as files: YAML that a person edits, read into a model with one clear error."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from jinghu.grid.errors import ConfigError
from jinghu.grid.yaml_text import load_yaml

Table = TypeVar("Table", bound=BaseModel)


def read_table(path: Path, model: type[Table]) -> Table:
    """Read a table.

    Raises
    ------
    ConfigError
        Names the file, the row and the cause.
    """
    try:
        return model.model_validate(load_yaml(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise ConfigError(f"{path}: {place}: {first['msg']}") from None
