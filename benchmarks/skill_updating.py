"""Twin experiment: what river reports are worth to the flood forecast, in drills' truths.

The truth is that of a drill: its rain through the flood model with soil, hillslopes and channels
that the forecast does not know, and reports of 30 river gauges and of the reservoirs with noise,
minutes late. The forecast has rain that is wrong (10 % everywhere, 15 % over 40 km for good, 25 %
over 20 km for an hour) and its own parameters. Ahead, its rain is either known as well as that of
the past, so that the flood model alone is judged, or extrapolated along the true mean motion.

Four runs: open loop; correction at the gauges alone; water alone; both, as a cycle does it. The
parameters were chosen on seeds 1 and 2; others verify. An event takes about a minute of CPU.

python benchmarks/skill_updating.py [seed ...]
"""

import sys
import tempfile
import time as clock
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import xarray as xr
from rich.console import Console
from scipy.ndimage import gaussian_filter, shift

from jinghu.alerting import units_of
from jinghu.configs.settings import CONFIGS, Settings, load
from jinghu.drill_flow import place_watched, true_flows
from jinghu.drill_rain import AFTER, BEFORE, make_rain, rain_amounts
from jinghu.drill_rivers import RiverReports, rows_between
from jinghu.drill_script import named_drill
from jinghu.flood import network_of, params_of, terrain_of
from jinghu.grid.fields import attrs
from jinghu.grid.frames import Frame
from jinghu.grid.river_reports import COLUMNS, parse_row
from jinghu.grid.store import Store
from jinghu.grid.times import from_numpy
from jinghu.hydro.gauges import PlacedGauge, place_gauges, read_gauges
from jinghu.hydro.model import Basin, amounts_of, simulate
from jinghu.river_known import Known
from jinghu.river_learned import Learned
from jinghu.river_products import at_gauges_now, forecast_corrected
from jinghu.river_reports import RiverInputs
from jinghu.river_update import Watch, known_before, take_in
from jinghu.stages import StageLog
from jinghu.waterworks import works_of

KINDS = ("convective-line", "scattered", "typhoon")
STEP = timedelta(minutes=6)
STEP_S = 360.0
TAIL = 90  # dry steps after the drill
AHEAD = 40  # steps of a forecast; its rain ends after 30
LEAD = 30  # 3 h
EVERY = 5  # steps between forecasts
FIRST = 20
RUNS = ("open", "gauges", "water", "both")
RAINS = ("known", "extrapolated")


@dataclass
class Place:
    """The installation: what all events share."""

    settings: Settings
    elevation: np.ndarray
    network: object
    gauges: tuple[PlacedGauge, ...]
    inside: np.ndarray


def install(folder: Path) -> Place:
    settings = load(CONFIGS / "demo.yaml").with_store(folder)
    store = Store(settings.store).create()
    terrain = terrain_of(settings)
    network = network_of(settings, store, terrain)
    gauges, _ = place_gauges(read_gauges(settings.hydro.gauges), network)
    units = units_of(settings)
    cell = settings.grid.product().cell_of_xy(network.x_m, network.y_m)
    inside = (cell >= 0) & (units.cell_county[cell] >= 0)
    elevation = terrain["elevation"].fillna(0.0).values.astype(np.float32)
    return Place(settings, elevation, network, gauges, inside)


def dataset(values: np.ndarray, times: np.ndarray) -> xr.Dataset:
    amounts = ("time", "y", "x"), values.astype(np.float32), attrs("rainfall_amount")
    return xr.Dataset({"rainfall_amount": amounts}, coords={"time": times})


def erring(amounts: np.ndarray, seed: int) -> np.ndarray:
    """Rain as it is observed."""
    random = np.random.default_rng([seed, 99])

    def field(sd: float, cells: float) -> np.ndarray:
        found = gaussian_filter(random.normal(size=amounts.shape[1:]), cells / 2)
        return sd * found / found.std()

    always = random.normal(0.0, 0.10) + field(0.15, 16.0)
    now, keep = field(0.25, 8.0), np.exp(-0.1)
    out = np.empty_like(amounts)
    for t, rain in enumerate(amounts):
        now = keep * now + np.sqrt(1.0 - keep**2) * field(0.25, 8.0)
        out[t] = rain * np.exp(always + now)
    return out


def moved(rain: np.ndarray, motion: tuple[float, float], spacing_m: float) -> np.ndarray:
    cells = np.array(motion[::-1]) * STEP_S / spacing_m
    out = np.zeros((AHEAD, *rain.shape), np.float32)
    for k in range(30):
        out[k] = shift(rain, (k + 1) * cells, order=1, mode="nearest")
    return out


def reports_at(rivers: RiverReports, before: datetime, now: datetime) -> RiverInputs:
    rows = [
        parse_row(dict(zip(COLUMNS, r, strict=True)), Frame.WGS84)
        for r in rows_between(rivers, before, now)
    ]
    rows = sorted((r for r in rows if r.time > now - timedelta(hours=1)), key=lambda r: r.time)
    return RiverInputs(asked=True, fresh=rows, recent=rows)


@dataclass
class Scores:
    """Forecasts against the truth, one row a forecast and gauge."""

    peaks: list[tuple[float, ...]]  # area, truth, forecast
    points: list[tuple[float, ...]]  # lead h, truth, forecast, lower, upper


def event(place: Place, kind: str, seed: int) -> dict[tuple[str, str], Scores]:
    settings, spec = place.settings, place.settings.grid.product()
    script = named_drill(kind).model_copy(update={"seed": seed})
    rain = make_rain(script, settings.grid.working(), place.elevation)
    start = script.start.astimezone(UTC)
    end = start + timedelta(hours=script.hours)
    amounts = rain_amounts(rain, spec, start - BEFORE + STEP, end + AFTER, STEP)
    first = amounts["time"].values[0]
    true_rain = np.concatenate(
        [amounts["rainfall_amount"].values, np.zeros((TAIL, *spec.shape), np.float32)]
    )
    times = first + np.arange(len(true_rain)) * np.timedelta64(STEP)
    watched = place_watched(place.network, place.gauges, place.inside, (30, 10), seed)
    gauges = tuple(
        replace(p, gauge=replace(p.gauge, station=f"RG{k:03d}"))
        for k, p in enumerate(watched.rivers, 1)
    )
    works, _ = works_of(settings, place.network, place.gauges)
    flows = true_flows(place.network, spec, dataset(true_rain, times), watched, seed, works)
    truth = flows["gauge_discharge"].values.astype(np.float64)
    seen = erring(true_rain, seed)
    basin, params = Basin.of(place.network, spec, works), params_of(settings)
    watch = Watch(basin, gauges, params, STEP_S, settings.hydro.update_members)
    rivers, log = RiverReports(flows, seed), StageLog(Console(file=StringIO()))
    found = {(run, known): Scores([], []) for run in RUNS for known in RAINS}
    peak = truth.argmax(axis=0)
    flood = truth > 3.0 * np.median(truth[:FIRST], axis=0)
    cpu = 0.0
    states = {"open": None, "water": None}
    known: dict[str, Known] = {run: known_before(None, watch, times[0], log) for run in states}
    for t in range(len(times) - AHEAD):
        now = from_numpy(times[t])
        inputs = reports_at(rivers, now - STEP, now)
        taken, present = {}, {}
        for run in states:
            step = dataset(seen[t : t + 1], times[t : t + 1])
            learned = Learned(basin, known[run].members, STEP_S)
            past, state = simulate(
                basin, learned.rain(step), STEP_S, gauges, learned.land(params), states[run]
            )
            began = clock.process_time()
            one = take_in(
                inputs, watch, known[run], (past, amounts_of(step, basin), state), now, log
            )
            if run == "water":
                cpu += clock.process_time() - began
            known[run] = one.known
            if run == "open":  # the gauges learn, the water stays as it is
                rows = one.known.flow_m3_s.copy()
                rows[-1, :, -1] = past["gauge_discharge"].values[-1]
                known[run] = replace(one.known, members=None, flow_m3_s=rows)
                states[run], taken[run], present[run] = state, one, past
            else:
                states[run], taken[run] = one.state, one
                present[run] = at_gauges_now(past, watch, one.state)
        if t < FIRST or t % EVERY:
            continue
        for name in RAINS:
            if name == "known":
                ahead = np.zeros((AHEAD, *spec.shape), np.float32)
                ahead[:30] = seen[t + 1 : t + 31]
            else:
                ahead = moved(seen[t], rain.motion(), spec.spacing_m)
            coming = dataset(ahead, times[t] + np.arange(1, AHEAD + 1) * np.timedelta64(STEP))
            for run in states:
                learned = Learned(basin, known[run].members, STEP_S)
                computed, _ = simulate(
                    basin, learned.rain(coming), STEP_S, gauges, learned.land(params), states[run]
                )
                whole = forecast_corrected(computed, taken[run], watch, now)
                names = ("open", "gauges") if run == "open" else ("water", "both")
                for mode, variable in zip(
                    names, ("gauge_discharge_computed", "gauge_discharge"), strict=True
                ):
                    value = whole[variable].values.astype(np.float64)
                    low, high = (
                        whole[f"gauge_discharge_{side}"].values for side in ("lower", "upper")
                    )
                    score = found[mode, name]
                    for g in range(truth.shape[1]):
                        area = float(place.network.upstream_area_km2[gauges[g].reach])
                        at = int(round((peak[g] - LEAD) / EVERY) * EVERY)
                        if at == t and flood[peak[g], g] and t >= LEAD:
                            top = truth[peak[g], g]
                            score.peaks.append((area, top, value[:, g].max()))
                        for lead in (10, 20, 30):
                            if flood[t + lead, g]:
                                score.points.append(
                                    (lead / 10, truth[t + lead, g], value[lead - 1, g],
                                     low[lead - 1, g], high[lead - 1, g])
                                )  # fmt: skip
    print(f"# {kind} seed {seed}: {cpu / (len(times) - AHEAD):.2f} CPU-s a cycle", flush=True)
    return found


def rmse(rows: np.ndarray, relative: bool) -> float:
    error = rows[:, 2] - rows[:, 1]
    return float(np.sqrt(np.mean((error / rows[:, 1] if relative else error) ** 2)))


def report(title: str, events: list[dict[tuple[str, str], Scores]]) -> None:
    print(f"\n## {title}")
    print(
        "| rain ahead | catchments | peaks | run | peak RMSE, m3/s (of open) | peak RMSE, share"
        " (of open) | median error | at 3 h: RMSE of ln Q (of open) | 90 % interval covers |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for rain in RAINS:
        for name, low, high in (
            ("all", 0, 1e9),
            ("from 1,000 km2", 1000, 1e9),
            ("under 1,000 km2", 0, 1000),
        ):
            base: list[float] = []
            for run in RUNS:
                peaks = np.array([r for e in events for r in e[run, rain].peaks])
                peaks = peaks[(peaks[:, 0] >= low) & (peaks[:, 0] < high)]
                points = np.array([r for e in events for r in e[run, rain].points])
                logs = np.log((points[:, 2] + 1.0) / (points[:, 1] + 1.0))
                at3 = float(np.sqrt(np.mean(logs[points[:, 0] == 3.0] ** 2)))
                covered = np.mean((points[:, 1] >= points[:, 3]) & (points[:, 1] <= points[:, 4]))
                values = [rmse(peaks, False), rmse(peaks, True), at3]
                base = base or values
                a, b, c = (f"{v:.3g} ({v / o:.2f})" for v, o in zip(values, base, strict=True))
                middle = float(np.median(np.abs(peaks[:, 2] / peaks[:, 1] - 1.0)))
                cells = [f"{rain} | {name} | {len(peaks)} | {run} | {a} | {b} | {middle:.3f}"]
                cells.append(c if name == "all" else "")
                shown = name == "all" and run == "both"
                cells.append(f"{100 * covered:.0f} %" if shown else "")
                print(f"| {' | '.join(cells)} |", flush=True)
    both = np.array([r for e in events for rain in RAINS for r in e["both", rain].points])
    for lead in (1.0, 2.0, 3.0):
        rows = both[both[:, 0] == lead]
        inside = (rows[:, 1] >= rows[:, 3]) & (rows[:, 1] <= rows[:, 4])
        sd = np.log((rows[:, 2] + 1) / (rows[:, 1] + 1))
        print(
            f"# lead {lead:.0f} h: 90 % interval covers {100 * inside.mean():.0f} % of"
            f" {len(rows)}; 5, 50, 95 % of ln error {np.quantile(sd, [0.05, 0.5, 0.95]).round(2)}"
        )


def main() -> None:
    seeds = [int(s) for s in sys.argv[1:]] or [1, 2, 11, 12]
    with tempfile.TemporaryDirectory() as folder:
        place = install(Path(folder))
        for title, chosen in (("tuning", {1, 2}), ("verification", set(seeds) - {1, 2})):
            mine = [s for s in seeds if s in chosen]
            if mine:
                report(f"{title}, seeds {mine}", [event(place, k, s) for s in mine for k in KINDS])


if __name__ == "__main__":
    main()
