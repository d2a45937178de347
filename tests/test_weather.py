"""Wind and temperature through whole cycles: products, warnings, days, what is missing."""

import sqlite3
from datetime import timedelta

import numpy as np
import pytest
from rich.console import Console

from jinghu.alerting import units_of, weather_found
from jinghu.cycle import CycleInputs, run_cycle
from jinghu.grid.store import Store
from jinghu.grid.weather_analysis import KELVIN
from jinghu.grid.weather_reports import COLUMNS, MEASURED
from jinghu.rules_try import try_table
from jinghu.stages import StageLog
from jinghu.warnings.cap import validate
from jinghu.weather import STATE, read_weather

HEADER = ",".join((*COLUMNS, *MEASURED))
STORM = {"mean": 18.0, "gust": 28.0}


def write(folder, time, values, n=5):
    """Reports of stations all over the grid, one every 10 km; ``values`` of them by number."""
    folder.mkdir(exist_ok=True)
    rows = [HEADER]
    for k in range(n * n):
        one = {"mean": 3.0, "gust": 6.0, "warm": 36.5} | values.get(k, {})
        lat, lon = 29.6 + 0.16 * (k // n), 120.1 + 0.18 * (k % n)
        rows.append(
            f"W{k:02d},{lat:.3f},{lon:.3f},100,{time.isoformat()},"
            f"{one['mean']},{one['gust']},90,{one['warm']}"
        )
    name = f"weather_{time:%Y%m%d%H%M}.csv"
    (folder / name).write_text("\n".join(rows) + "\n", encoding="ascii")


def cycle(settings, time, folder):
    radar, stations = [settings.inputs.radar], settings.inputs.stations
    inputs = CycleInputs(time, time, radar, stations, weather=[folder])
    return run_cycle(settings, inputs, Console(quiet=True))


@pytest.fixture(scope="module")
def stormy(event, tmp_path_factory):
    """Two cycles with a gale at one station, the second without new reports."""
    folder = tmp_path_factory.mktemp("weather")
    settings = event.alone(folder / "store")
    inputs = settings.inputs.model_copy(update={"weather": (folder / "in",)})
    settings = settings.model_copy(update={"inputs": inputs})
    write(folder / "in", event.time - timedelta(minutes=12), {12: STORM})
    (folder / "in" / "broken.csv").write_text("station,wind\n", encoding="ascii")
    results = [cycle(settings, event.time + k * event.step, folder / "in") for k in range(2)]
    return results, settings


def test_analyses_are_among_the_products(stormy, event):
    _, settings = stormy
    part = Store(settings.store).part("20260620T0612Z", "fast")
    products = part.open("products.zarr").load()
    assert products["wind_speed"].sizes == {"y": 40, "x": 40}
    assert products["wind_speed_of_gust"].attrs["units"] == "m s-1"
    assert float(products["wind_speed_of_gust"].max()) == 28.0
    # 36.5 degC at 100 m are 37.15 at sea level, and nowhere is it warmer.
    assert float(products["air_temperature"].max()) <= KELVIN + 37.2
    assert products["air_temperature_maximum"].attrs["today"] == "2026-06-20"
    manifest = part.manifest()
    assert manifest["weather"]["stations"] == 12
    assert manifest["weather"]["files"] == ["weather_202606200600.csv"]
    causes = {r["file"]: r["cause"] for r in manifest["inputs"]["refused"]}
    assert causes["broken.csv"].startswith("lacks the columns lat, lon")


def test_the_gale_is_warned_of_around_its_station(stormy):
    results, settings = stormy
    path = settings.warnings.database.removeprefix("sqlite:///")
    with sqlite3.connect(path) as database:
        rows = database.execute(
            "SELECT a.level, a.cap_xml, count(c.cell_id) FROM alert a JOIN event e"
            " ON e.event_id = a.event_id JOIN alert_cell c ON c.alert_id = a.alert_id"
            " WHERE e.hazard = 'gale' GROUP BY a.alert_id"
        ).fetchall()
    assert rows
    assert {level for level, _, _ in rows} == {2}  # 28 m/s in gusts is yellow
    assert sum(n for _, _, n in rows) < 80  # 12.5 km around it at most
    assert all(validate(xml.encode()) == [] for _, xml, _ in rows)
    assert all("11B06" in xml for _, xml, _ in rows)
    assert results[1].log.degradations.count("no weather station reports") == 0


def test_a_changed_table_is_tried_on_what_was_published(stormy, tmp_path):
    _, settings = stormy
    text = settings.warnings.weather_rules.read_text(encoding="utf-8")
    path = tmp_path / "weather.yaml"
    for gust, level in (("27.9", "yellow"), ("28.1", "blue")):
        changed = text.replace("mean_m_s: 17.2, gust_m_s: 20.8", f"gust_m_s: {gust}")
        path.write_text(changed, encoding="utf-8")
        tried = try_table(path, settings, None, None, Console(quiet=True))
        found = {one["level"] for one in tried["would"]["list"] if one["hazard"] == "gale"}
        assert found == {level}


def read(settings, paths, time):
    log = StageLog(Console(quiet=True))
    return read_weather(paths, settings, (time, time), Store(settings.store), log), log.degradations


def test_days_are_remembered_and_stale_reports_hold(stormy, event, tmp_path):
    _, settings = stormy
    folder = tmp_path / "in"
    later = event.time + timedelta(days=1)
    write(folder, later - timedelta(minutes=12), {k: {"warm": 30.0} for k in range(25)})
    found, _ = read(settings, (folder,), later)
    highest = found.fields["air_temperature_maximum"].values - KELVIN
    assert np.nanmax(highest[0]) < 31.0
    assert 35.0 < np.nanmax(highest[1]) < 37.2  # what the cycles of the day before left
    assert np.isnan(highest[2]).all()
    silent, degradations = read(settings, (folder,), later + timedelta(hours=2))
    assert degradations == ["no weather station reports: what stands of wind and heat is held"]
    assert weather_found(settings, silent.fields, units_of(settings)) is None
    assert silent.state[STATE]["air_temperature_maximum"].attrs["today"] == "2026-06-20"


def test_an_office_without_such_stations_hears_nothing_of_it(event, tmp_path):
    settings = event.alone(tmp_path / "store")
    Store(settings.store).create()
    found, degradations = read(settings, (), event.time)
    assert degradations == []
    assert (len(found.products), found.state) == (0, {})
    assert weather_found(settings, found.fields, units_of(settings)) == []
