"""Runs of a numerical model among its files: one file a run, or one a lead time."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinghu.model_file import Span, name_of_run

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Run:
    """Files of one run, in order of their names, and the times of all of them."""

    files: tuple[Path, ...]
    span: Span

    @property
    def name(self) -> str:
        """Name of its file; of several the first and the last, and how many."""
        return name_of_run(self.files)


def runs_of(files: Iterable[tuple[Path, Span]]) -> list[Run]:
    """Put together what is of one run: files of one reference time whose names differ in numbers.

    Two models may have runs of one time in one folder; their files have other names.
    """
    found: dict[object, list[tuple[Path, Span]]] = {}
    for file, span in files:
        key = span.reference, file.parent, _NUMBER.sub("#", file.name)
        found.setdefault(key, []).append((file, span))
    return [_run(sorted(parts, key=lambda one: one[0].name)) for parts in found.values()]


def _run(parts: Sequence[tuple[Path, Span]]) -> Run:
    spans = [span for _, span in parts]
    first, last = min(s.first for s in spans), max(s.last for s in spans)
    return Run(tuple(file for file, _ in parts), Span(spans[0].reference, first, last))
