"""Tables and settings written in YAML."""

from typing import Any

import yaml

# In C it takes a tenth of the time, which every cycle spends on several files.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(text: str) -> Any:
    """Parse YAML 1.1 that holds plain data alone.

    Raises
    ------
    yaml.YAMLError
        Where the text is no YAML, or asks for more than plain data.
    """
    return yaml.load(text, Loader=_LOADER)
