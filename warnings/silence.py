"""Because of whom a task went up, frozen with the message that says so."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

from jinghu.warnings.levels import Role


@dataclass(frozen=True, slots=True)
class Silence:
    """Those below who did not answer or could not handle it: the first by name, all by number.

    Parameters
    ----------
    name, role, place
        The first of them, and what they look after.
    number
        How many they are.
    unable
        How many of those said that they cannot handle it.
    """

    name: str
    role: Role
    place: str
    number: int = 1
    unable: int = 0

    def __add__(self, later: "Silence") -> "Silence":
        """Both together: the first stays the first."""
        return replace(self, number=self.number + later.number, unable=self.unable + later.unable)

    @property
    def zh(self) -> str:
        """In Chinese."""
        one = self.number == 1
        unable = "报告无法处置" if one else "未答复或无法处置"
        more = "" if one else f"等{self.number}人"
        return f"{self.place}{self.role.zh}{self.name}{more}{unable if self.unable else '未答复'}"

    @property
    def en(self) -> str:
        """In English."""
        silent = self.number - self.unable
        parts = [(silent, "did not answer"), (self.unable, "cannot handle it")]
        return ", ".join(f"{n} below you {what}" for n, what in parts if n)

    def to_json(self) -> str:
        """As the outbox keeps it."""
        found = [self.name, self.role.value, self.place, self.number, self.unable]
        return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Silence:
    """Read what the outbox keeps.

    >>> from_json(Silence("王一", Role.GRID_OFFICER, "一网格", 2, 1).to_json()).en
    '1 below you did not answer, 1 below you cannot handle it'
    """
    name, role, place, number, unable = json.loads(text)
    return Silence(name, Role(role), place, number, unable)


def together(found: Iterable[Silence]) -> Silence:
    """All of them in one, named after the first."""
    return reduce(add, found)
