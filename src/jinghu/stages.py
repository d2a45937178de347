"""Stages of a cycle: what each took, and what it had to do without."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console


@dataclass(slots=True)
class StageLog:
    """Wall and CPU seconds of each stage, and the degradations of the cycle, as they come."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    degradations: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage and print one line when it is done."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            self.seconds[name] = self.seconds.get(name, 0.0) + wall
            self.cpu_seconds[name] = self.cpu_seconds.get(name, 0.0) + cpu
            self.console.print(f"{name:<10} {wall:7.2f} s  cpu {cpu:7.2f} s", highlight=False)

    def degrade(self, text: str) -> None:
        """Name something this cycle had to do without."""
        if text not in self.degradations:
            self.degradations.append(text)
            self.console.print(f"降级 degraded: {text}", highlight=False, style="yellow")

    def totals(self) -> dict[str, float]:
        """Return rounded seconds per stage, and their sum as ``total`` and ``cpu_total``."""
        rounded = {name: round(s, 3) for name, s in self.seconds.items()}
        return rounded | {
            "total": round(sum(self.seconds.values()), 3),
            "cpu_total": round(sum(self.cpu_seconds.values()), 3),
        }
