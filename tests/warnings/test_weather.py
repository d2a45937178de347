"""Gale and high temperature: levels by cell, what keeps them, their warnings, words, CAP."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from sqlalchemy import select

from jinghu.grid.errors import ConfigError
from jinghu.grid.times import cycle_name
from jinghu.grid.weather_analysis import KELVIN
from jinghu.warnings.cap import validate
from jinghu.warnings.ledger import process
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.tables import alert, event, outbox
from jinghu.warnings.weather import evaluate_weather
from jinghu.warnings.weather_rules import load_weather_rules
from jinghu.warnings.weather_words import force

SHIPPED = Path(__file__).parents[2] / "configs" / "rules" / "weather.yaml"
RULES = load_weather_rules(SHIPPED)


def fields(world, mean=5.0, gust=np.nan, warm=25.0, days=(np.nan, np.nan), cell=0):
    """Calm and mild everywhere but in one cell of the west."""

    def field(here, elsewhere):
        values = np.full(400, elsewhere, np.float32)
        values[cell] = here
        return (("y", "x"), values.reshape(world.spec.shape))

    today = field(warm + KELVIN, 25.0 + KELVIN)[1]
    earlier = [field(t + KELVIN, 25.0 + KELVIN)[1] for t in days]
    units = {"wind_speed": "m s-1", "wind_speed_of_gust": "m s-1", "air_temperature": "K"}
    made = xr.Dataset(
        {
            "wind_speed": field(mean, 2.0),
            "wind_speed_of_gust": field(gust, 4.0),
            "air_temperature": field(warm + KELVIN, 25.0 + KELVIN),
            "air_temperature_maximum": (("day", "y", "x"), np.stack([today, *earlier])),
        }
    )
    for name in made:
        made[name].attrs["units"] = units.get(str(name), "K")
    return made


def judge(world, **more):
    return evaluate_weather(RULES, fields(world, **more), world.office.units)


def found(world, hazard, **more):
    matter = next(m for m in judge(world, **more) if m.hazard is hazard)
    return Level(matter.found.level[0]), Level(matter.found.kept[0])


def cycle(world, matters, minutes=6):
    world.time += np.timedelta64(minutes, "m").item()
    levels, name = world.levels({}, {}, set()), cycle_name(world.time)
    office, time = world.office, world.time
    return process(world.engine, levels, name, time, office, time, (), (), matters)


@pytest.mark.parametrize(
    ("mean", "gust", "level", "kept"),
    [
        (10.7, 13.8, Level.NONE, Level.BLUE),
        (10.8, 5.0, Level.BLUE, Level.BLUE),  # force 6
        (np.nan, 13.9, Level.BLUE, Level.BLUE),  # a gust of force 7 alone
        (12.0, 20.8, Level.YELLOW, Level.YELLOW),
        (17.0, 28.5, Level.ORANGE, Level.ORANGE),
        (32.7, np.nan, Level.RED, Level.RED),
        (20.0, 30.0, Level.ORANGE, Level.RED),  # 30 is above 0.8 of 37
    ],
)
def test_forces_of_wind_are_levels(world, mean, gust, level, kept):
    assert found(world, Hazard.GALE, mean=mean, gust=gust) == (level, kept)


@pytest.mark.parametrize(
    ("warm", "days", "level", "kept"),
    [
        (36.0, (35.0, 34.9), Level.NONE, Level.ORANGE),
        (36.0, (35.0, np.nan), Level.NONE, Level.ORANGE),  # of the third day nothing is known
        (36.0, (35.0, 35.2), Level.YELLOW, Level.ORANGE),
        (37.0, (20.0, 20.0), Level.ORANGE, Level.ORANGE),
        (40.1, (20.0, 20.0), Level.RED, Level.RED),
        (33.4, (36.0, 36.0), Level.NONE, Level.NONE),
    ],
)
def test_temperatures_are_levels_and_yellow_takes_three_days(world, warm, days, level, kept):
    assert found(world, Hazard.HIGH_TEMPERATURE, warm=warm, days=days) == (level, kept)


def test_a_gale_is_raised_kept_lowered_and_told_like_rain(world):
    world.add_people([0, 1, 399])
    assert cycle(world, judge(world, mean=18.0, gust=25.0)).issued == 1
    assert cycle(world, judge(world, mean=15.0)).updated == 0  # above 0.8 of 17.2
    for _ in range(9):
        last = cycle(world, judge(world, mean=5.0), minutes=12)
    assert last.cancelled == 0 or world.rows(select(event))[0].closed_at
    rows = world.rows(select(alert).order_by(alert.c.alert_id))
    assert (rows[0].action, rows[-1].action) == ("NEW", "CAN")
    assert [row.hazard for row in world.rows(select(event))] == ["gale"]
    assert all(validate(row.cap_xml.encode()) == [] for row in rows)
    told = world.rows(select(outbox))
    assert len({row.recipient_id for row in told}) == 1  # who lives in the cell, nobody else


def test_words_and_codes_are_those_of_the_bureau(world):
    cycle(world, judge(world, mean=18.0, gust=25.0, warm=40.3))
    texts = {row.event_id.split("-")[0]: row.cap_xml for row in world.rows(select(alert))}
    gale = next(x for x in texts.values() if "11B06" in x)
    heat = next(x for x in texts.values() if "11B09" in x)
    assert "实测阵风10级（25.0米/秒），达到黄色标准" in gale
    assert "A gust of 25.0 m/s (force 10) in parts of Yuecheng: yellow level" in gale
    assert "<senderName>绍兴市气象局</senderName>" in gale
    assert "<certainty>Observed</certainty>" in gale
    assert "实测气温40.3℃，达到红色标准" in heat
    assert "停止户外露天作业" in heat


def test_nothing_is_lowered_where_no_station_speaks_any_more(world):
    cycle(world, judge(world, mean=26.0))
    for _ in range(8):
        cycle(world, judge(world, mean=np.nan), minutes=24)
    assert world.rows(select(event))[0].closed_at is None
    last = world.rows(select(alert).order_by(alert.c.alert_id.desc()))[0]
    assert "缺少新的观测，不足以判断风力下降，橙色预警继续有效" in last.cap_xml


def test_a_cycle_without_an_analysis_holds_what_stands(world):
    cycle(world, judge(world, mean=26.0))
    cycle(world, None)
    assert world.rows(select(event))[0].closed_at is None


def test_events_of_an_office_that_judges_neither_are_none(world):
    assert cycle(world, []).candidates == 0
    assert world.rows(select(event)) == []


def test_a_table_may_have_rows_of_one_hazard_alone(world, tmp_path):
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    path = tmp_path / "weather.yaml"
    path.write_text("\n".join(x for x in lines if "hazard: high" not in x), encoding="utf-8")
    rules = load_weather_rules(path)
    found = evaluate_weather(rules, fields(world, mean=30.0, warm=45.0), world.office.units)
    assert {matter.hazard for matter in found} == {Hazard.GALE}


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("level: blue", "level: pink", "level 'pink' is none of blue..red"),
        ("mean_m_s: 10.8, gust_m_s: 13.9", "temperature_c: 35", "a gale needs mean_m_s"),
        ("temperature_c: 40", "gust_m_s: 40", "high temperature needs temperature_c"),
        ("days: 3", "days: 9", "less than or equal to 3"),
        ("gale-yellow", "gale-blue", "two rules have the same id"),
        ("level: yellow, mean", "level: blue, mean", "two enabled rules are of the same level"),
        ("keep_k: 1.5", "keep_k: -1", "greater than or equal to 0"),
    ],
)
def test_a_broken_table_is_refused_with_its_row(tmp_path, old, new, cause):
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "weather.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=cause) as caught:
        load_weather_rules(path)
    assert str(path) in str(caught.value)


def test_forces_go_on_to_seventeen():
    bounds = (0.3, 1.6, 3.4, 5.5, 8.0, 10.8, 13.9, 17.2, 20.8, 24.5, 28.5, 32.7, 37.0, 41.5, 46.2,
              51.0, 56.1)  # fmt: skip
    assert [force(v) for v in bounds] == list(range(1, 18))
    assert [force(v - 0.1) for v in bounds] == list(range(17))
