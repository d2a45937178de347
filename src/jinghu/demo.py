"""The embedded demonstration: a simulated event through the whole chain, then the viewer."""

import base64
import secrets
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import uvicorn
from rich.console import Console
from rich.progress import Progress

from jinghu.answers import follow_up
from jinghu.api.app import create_app
from jinghu.api.serve import listen
from jinghu.configs.settings import CONFIGS, Settings, WebhookSettings, load
from jinghu.cycle import CycleInputs, CycleResult, run_cycle
from jinghu.grid.errors import ConfigError
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import BEIJING, floor_time, isoformat
from jinghu.radar.simulator.truth import DropField, DropParams, make_drops
from jinghu.radar.sites import load_sites
from jinghu.report import city_box
from jinghu.simulate import Network, make_network, scan_all, write_volume
from jinghu.simulate_gauges import GaugeNetwork, make_gauges, write_reports
from jinghu.simulated_public import Public, simulated_public
from jinghu.storm import Storm, StormParams, make_storm

_SEED = 20260620
_STEP = timedelta(minutes=6)
_HOUR = timedelta(hours=1)
_MAX_HOURS = 6.0
_GAUGES = 150
_MINUTE = timedelta(minutes=1)
_MARK = "demo.txt"  # what shows that a store is a demo's, which the next demo may clear
_PARTS = ("incoming", "cycles", "obs", "state", "static", "quarantine")


@dataclass(frozen=True, slots=True)
class Event:
    """What happens, and who watches it."""

    storm: Storm
    drops: DropField
    network: Network
    gauges: GaugeNetwork
    spec: GridSpec
    radar_folder: Path
    station_folder: Path


def run_demo(store: Path, hours: float, console: Console, port: int | None) -> None:
    """Simulate an event that ends now, and run a cycle every 6 minutes of it.

    Parameters
    ----------
    store
        Folder of inputs and products; cleared where it holds an earlier demo.
    hours
        Length of the event.
    console
        Where progress is shown.
    port
        Port of the viewer, which stays open at the end; None ends the demo after the last cycle.

    Raises
    ------
    ConfigError
        Where the folder holds something else, the length is impossible, or the port is taken.
    """
    if not 0.1 <= hours <= _MAX_HOURS:
        raise ConfigError(f"--hours {hours:g}: from 0.1 to {_MAX_HOURS:g} can be simulated")
    prepare(store)
    end = floor_time(datetime.now(UTC), _STEP)
    times = [end - k * _STEP for k in range(round(hours * _HOUR / _STEP))][::-1]
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode("ascii")
    settings = load(CONFIGS / "demo.yaml").with_store(store)
    with (
        listen("::", port or 0) as listening,
        simulated_public(secret, store / "deliveries.jsonl") as public,
    ):
        address = f"http://localhost:{listening.getsockname()[1]}"
        settings = demo_settings(settings, store, address, public)
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(settings, public.clock), log_level="warning", access_log=False
            )
        )
        with running(server, listening):
            event = make_event(settings, store, times)
            play(event, times, settings, public, console)
            console.print(
                f"{public.received} messages received, {public.answered} answered; store: {store}",
                highlight=False,
            )
            if port is not None:
                console.print(f"镜湖 Jinghu: {address}/  (Ctrl-C ends)", highlight=False)
                wait(server)


def prepare(store: Path) -> None:
    """Make the folder, or clear it of an earlier demo; anything else in it is refused."""
    if store.exists() and any(store.iterdir()):
        if not (store / _MARK).is_file():
            raise ConfigError(f"{store}: holds something that is no demo; name another --store")
        for part in _PARTS:
            shutil.rmtree(store / part, ignore_errors=True)
        for file in store.iterdir():
            if file.is_file() and file.name != _MARK:
                file.unlink()
    for folder in ("radar", "stations"):
        (store / "incoming" / folder).mkdir(parents=True, exist_ok=True)
    (store / _MARK).write_text("Store of jinghu demo: the next demo clears it.\n", "ascii")


def demo_settings(settings: Settings, store: Path, address: str, public: Public) -> Settings:
    """Settings with the inputs of this store, the address of this service, and its receiver."""
    hook = WebhookSettings(
        name="public", url=public.url, secret=public.secret, allow_private=True, purpose="drill"
    )
    warnings = settings.warnings.model_copy(update={"public_url": address, "webhooks": (hook,)})
    inputs = settings.inputs.model_copy(update={"radar": store.absolute() / "incoming" / "radar"})
    return settings.model_copy(update={"warnings": warnings, "inputs": inputs})


def make_event(settings: Settings, store: Path, times: Sequence[datetime]) -> Event:
    """Draw the storm and the network of gauges; the seed makes each demo the same."""
    spec = settings.grid.working()
    first = times[0] - _HOUR
    storm = make_storm(spec, first, times[-1] - first, _SEED, StormParams())
    sites = load_sites(settings.inputs.sites)
    box = city_box(settings) or (119.9, 29.2, 121.2, 30.3)
    random = np.random.default_rng(_SEED)
    return Event(
        storm,
        make_drops(storm.motion(), DropParams(), random),
        make_network([s for code, s in sorted(sites.items()) if code.startswith("ZSIM")], _SEED),
        make_gauges(box, _GAUGES, random),
        spec,
        store / "incoming" / "radar",
        store / "incoming" / "stations",
    )


def play(
    event: Event,
    times: Sequence[datetime],
    settings: Settings,
    public: Public,
    console: Console,
) -> None:
    """Let everything happen in its order: scans, reports, a cycle, answers."""
    random = np.random.default_rng(_SEED)
    quiet = Console(quiet=True)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("演练 exercise", total=len(times))
        observe(event, times[0] - _STEP)
        for time in times:
            observe(event, time)
            reports = report_rain(event, time, random)
            inputs = CycleInputs(time, time + _MINUTE, [event.radar_folder], reports)
            public.clock.at = inputs.now
            result = run_cycle(settings, inputs, quiet)
            answered = answer_until_next(inputs.now, settings, public)
            console.print(_line(event, result, time, answered), highlight=False)
            progress.advance(task)
    public.clock.at = None


def answer_until_next(now: datetime, settings: Settings, public: Public) -> int:
    """Let people answer minute by minute until the next cycle; who stays silent is passed on."""
    answered = 0
    for minute in range(1, _STEP // _MINUTE + 1):
        answered += public.answer(now + minute * _MINUTE)
        if minute < _STEP // _MINUTE:  # the cycle does it at the end
            follow_up(settings, now + minute * _MINUTE)
    return answered


def observe(event: Event, time: datetime) -> None:
    """Write the volumes that have arrived by a time."""
    for volume in scan_all(event.storm, event.drops, event.spec, event.network, time):
        write_volume(volume, event.radar_folder)


def report_rain(event: Event, time: datetime, random: np.random.Generator) -> list[Path]:
    """Write the reports of hours that have ended; returns the files of the last two hours."""
    ended = floor_time(time, _HOUR)
    files = []
    for hour_end in (ended - _HOUR, ended):
        path = event.station_folder / f"hourly_rain_{hour_end:%Y%m%d%H}.csv"
        if not path.exists():
            write_reports(
                event.storm, event.spec, event.gauges, hour_end, event.station_folder, random
            )
        files.append(path)
    return files


def _line(event: Event, result: CycleResult, time: datetime, answered: int) -> str:
    """One cycle for a person: rain seen and true, warnings, answers, seconds."""
    seen = result.rainfall.analysis["rainfall_rate"].values
    truth = event.storm.on_grid(event.spec, time)
    known = np.isfinite(seen)
    r = np.corrcoef(seen[known], truth[known])[0, 1]
    warned = result.warnings.summary
    seconds = result.log.totals()["total"]
    return (
        f"{isoformat(time)} ({time.astimezone(BEIJING):%H:%M} 北京时):"
        f" {np.nanmax(seen):.0f} mm/h, r {r:.2f} to the truth;"
        f" issued {warned.get('issued')}, updated {warned.get('updated')},"
        f" told {warned.get('recipients')}, answered {answered},"
        f" escalated {warned.get('escalated')}, overdue {warned.get('overdue')}; {seconds:.1f} s"
    )


@contextmanager
def running(server: uvicorn.Server, listening: object) -> Iterator[None]:
    """Serve in the background for as long as the block lasts."""
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="viewer", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def wait(server: uvicorn.Server) -> None:
    """Wait for Ctrl-C."""
    stop = threading.Event()
    try:
        while not server.should_exit:
            stop.wait(1.0)
    except KeyboardInterrupt:
        pass
