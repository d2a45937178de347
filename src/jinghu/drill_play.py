"""Playing a drill: files arrive, the real cycle runs, people answer, every six minutes."""

import csv
import shutil
import threading
import time as system_time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from jinghu.answers import follow_up
from jinghu.beside import Beside
from jinghu.configs.channels import ChannelsSettings, WebhookSettings
from jinghu.configs.settings import AudienceSettings, Settings
from jinghu.cycle import CycleInputs, CycleResult, run_cycle
from jinghu.drill_ahead import made_ahead
from jinghu.drill_inputs import Observers
from jinghu.drill_report import CycleTime
from jinghu.drill_results import AFTER_ANALYSIS
from jinghu.drill_rivers import write_gauges
from jinghu.drill_script import DrillScript
from jinghu.grid.errors import ConfigError
from jinghu.grid.times import BEIJING, isoformat
from jinghu.hydro.gauges import PlacedGauge
from jinghu.public_process import People
from jinghu.warnings.audience import Recipient
from jinghu.warnings.database import THROWAWAY
from jinghu.warnings.roster_files import COLUMNS

STEP = timedelta(minutes=6)
_MINUTE = timedelta(minutes=1)
_MARK = "drill.txt"  # what shows that a store is a drill's, which the next drill may clear
_PARTS = ("incoming", "cycles", "obs", "state", "scores", "quarantine", "drill", "audit-anchors")
_INCOMING = ("radar", "stations", "rivers", "profiles", "weather")


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a drill runs: so many times as fast as real time, or as fast as possible."""

    speed: float | None = None
    _begun: float = field(default_factory=system_time.monotonic)

    def wait(self, passed: timedelta) -> None:
        """Wait until so much time of the drill may have passed."""
        if self.speed is None:
            return
        left = self._begun + passed.total_seconds() / self.speed - system_time.monotonic()
        if left > 0:
            threading.Event().wait(left)


def prepare(store: Path) -> None:
    """Make the folder, or clear it of an earlier drill; anything else in it is refused.

    Raises
    ------
    ConfigError
        Where the folder holds something that is no drill's.
    """
    if store.exists() and any(store.iterdir()):
        if not (store / _MARK).is_file():
            raise ConfigError(f"{store}: holds something that is no drill; name another --store")
        for part in _PARTS:
            shutil.rmtree(store / part, ignore_errors=True)
        for file in store.iterdir():
            if file.is_file() and file.name != _MARK:
                file.unlink()
    for folder in _INCOMING:
        (store / "incoming" / folder).mkdir(parents=True, exist_ok=True)
    (store / "drill").mkdir(exist_ok=True)
    (store / _MARK).write_text("Store of a jinghu drill: the next drill clears it.\n", "ascii")


def drill_settings(
    settings: Settings, store: Path, script: DrillScript, address: str, public: People
) -> Settings:
    """Settings of a drill: inputs, database and audience of its store, and its own receiver alone.

    Whatever an office has configured, the messages of a drill have the status Exercise, and there
    is no receiver but the simulated public.
    """
    settings = settings.with_store(store)
    incoming = store.absolute() / "incoming"
    hook = WebhookSettings(
        name="public", url=public.url, secret=public.secret, allow_private=True, purpose="drill"
    )
    nobody_else = dict.fromkeys(ChannelsSettings.model_fields, ())
    warnings = settings.warnings.model_copy(
        update=nobody_else
        | {
            "status": "Exercise",
            "public_url": address,
            "database": settings.warnings.database + THROWAWAY,
            "webhooks": (hook,),
            "audience": AudienceSettings(file=incoming / "audience.csv", frame="WGS-84"),
        }
    )
    inputs = settings.inputs.model_copy(
        update={
            "radar": incoming / "radar",
            "stations": (),
            "station_frame": "WGS-84",
            "profiles": (incoming / "profiles",),
            "profile_frame": "WGS-84",
            "profile_clock": "UTC",
            "rivers": (incoming / "rivers",),
            "river_frame": "WGS-84",
            "weather": (incoming / "weather",),
            "expected_radars": script.radars,
        }
    )
    return settings.model_copy(update={"warnings": warnings, "inputs": inputs})


def with_gauges(settings: Settings, gauges: Sequence[PlacedGauge]) -> Settings:
    """Settings of a drill with the table of its gauges, which is written beside its inputs.

    Those that the office has come first and keep their numbers.
    """
    path = write_gauges(gauges, settings.store / "incoming" / "gauges.csv")
    hydro = settings.hydro.model_copy(update={"gauges": path})
    return settings.model_copy(update={"hydro": hydro})


def write_audience(recipients: Sequence[Recipient], store: Path) -> Path:
    """Write those who are told as the table that an office would import; returns its path."""
    path = store / "incoming" / "audience.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for r in recipients:
            rows.writerow((r.person, r.name, r.role.value, r.unit_code, r.unit_name, r.lon, r.lat))
    return path


def play(
    observers: Observers,
    times: Sequence[datetime],
    settings: Settings,
    public: People,
    pace: Pace,
    console: Console,
    ready: Callable[[], None],
) -> list[CycleTime]:
    """Let everything happen in its order: files, a cycle, answers; returns what cycles came to.

    The first cycle begins when ``ready`` has returned.

    The radars' files of the next step are made meanwhile, from the script and the truth alone; they
    appear in the folder when their time has come. So do answers: a cycle looks at them only when it
    publishes, and waits there for the last one before its time.
    """
    quiet, cycles = Console(quiet=True), []
    start = times[0] - STEP
    with (
        Progress(console=console, transient=True) as progress,
        made_ahead(observers.scanning, [start, *times]) as scanned,
        ThreadPoolExecutor(1, "answers") as pool,
    ):
        observers.arrive(start - STEP, start, scanned())
        ready()
        task = progress.add_task("演练 exercise", total=len(times))
        answering: Future[None] | None = None

        def answered(now: datetime, result: CycleResult) -> None:
            count = answer_until_next(now, settings, public)
            console.print(_line(observers, result, now - AFTER_ANALYSIS, count), highlight=False)
            progress.advance(task)

        def told(now: datetime) -> None:
            """Wait for the answers to the cycle before, and set the clock."""
            if answering is not None:
                answering.result()
            public.clock.at = now

        for number, time in enumerate(times):
            pace.wait(time - start)
            stations = observers.arrive(time - STEP, time, scanned())
            now = time + AFTER_ANALYSIS
            pace.wait(now - start)
            found = settings.inputs
            inputs = CycleInputs(
                time,
                now,
                [found.radar],
                stations,
                found.profiles,
                found.rivers,
                weather=found.weather,
            )
            of_cycle = _with_full(settings) if number == len(times) - 1 else settings
            result = run_cycle(of_cycle, inputs, quiet, partial(told, now))
            answering = pool.submit(answered, now, result)
            seconds = result.log.totals()["total"]
            cycles.append(CycleTime(result.cycle, seconds, tuple(result.log.degradations)))
        told(times[-1] + STEP)
    public.clock.at = None
    return cycles


def _with_full(settings: Settings) -> Settings:
    """Settings of a cycle that has its full part at any time: what the viewer opens with."""
    always = settings.nowcast.model_copy(update={"full_every_min": 1})
    return settings.model_copy(update={"nowcast": always})


def answer_until_next(now: datetime, settings: Settings, public: People) -> int:
    """Let people answer minute by minute until the next cycle; who stays silent is passed on."""
    answered = 0
    for minute in range(1, STEP // _MINUTE + 1):
        answered += public.answer(now + minute * _MINUTE)
        if minute < STEP // _MINUTE:  # the cycle does it at the end
            follow_up(settings, now + minute * _MINUTE)
    return answered


def _line(observers: Observers, result: CycleResult, time: datetime, answered: int) -> str:
    """One cycle for a person: rain seen and true, warnings, answers, seconds."""
    seen = result.rainfall.analysis["rainfall_rate"].values
    frames = observers.scanning.frames
    truth = frames.rain.on_grid(frames.spec, time)
    known = np.isfinite(seen)
    wet = known.any() and seen[known].std() > 0 and truth[known].std() > 0
    alike = f"r {np.corrcoef(seen[known], truth[known])[0, 1]:.2f} to the truth" if wet else "dry"
    most = np.nanmax(seen) if known.any() else np.nan
    warned = result.warnings.summary
    seconds = result.log.totals()["total"]
    return (
        f"{isoformat(time)} ({time.astimezone(BEIJING):%H:%M} 北京时):"
        f" {most:.0f} mm/h, {alike};"
        f" issued {warned.get('issued')}, updated {warned.get('updated')},"
        f" told {warned.get('recipients')}, answered {answered},"
        f" escalated {warned.get('escalated')}, overdue {warned.get('overdue')}; {seconds:.1f} s"
    )


def wait(service: Beside) -> None:
    """Wait for Ctrl-C."""
    stop = threading.Event()
    try:
        while service.process.is_alive():
            stop.wait(1.0)
    except KeyboardInterrupt:
        pass
