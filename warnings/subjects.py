"""What a warning is about, beside the county: one gauge, or one reservoir."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NOT_PLAIN = re.compile(r"[^a-z0-9]+")
_LONGEST = 20  # of a key: identifiers are made of it


@dataclass(frozen=True, slots=True)
class Subject:
    """A gauge or a reservoir.

    Parameters
    ----------
    key
        Plain letters, digits and hyphens; the same from cycle to cycle.
    name_zh, name_en
        As people call it: 浦阳江诸暨(太平桥)站, Zhuji (Taipingqiao) gauge.
    """

    key: str
    name_zh: str
    name_en: str


def plain_keys(names: Sequence[str]) -> list[str]:
    """One key a name, all different.

    >>> plain_keys(["Zhuji (Taipingqiao)", "Cao'e gate", "Cao'e gate", "诸暨"])
    ['zhuji-taipingqiao', 'cao-e-gate', 'cao-e-gate-2', 'n3']
    """
    keys: list[str] = []
    for k, name in enumerate(names):
        plain = _NOT_PLAIN.sub("-", name.lower()).strip("-")[:_LONGEST].strip("-") or f"n{k}"
        number, key = 1, plain
        while key in keys:
            number += 1
            key = f"{plain[: _LONGEST - 1 - len(str(number))]}-{number}"
        keys.append(key)
    return keys
