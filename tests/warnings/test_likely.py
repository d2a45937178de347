"""Rules on probabilities, thresholds of single units, and short rain."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from sqlalchemy import select

from jinghu.grid.errors import ConfigError
from jinghu.grid.times import cycle_name
from jinghu.warnings.cap import validate
from jinghu.warnings.cell_levels import higher, kept_also
from jinghu.warnings.ledger import process, second_pass
from jinghu.warnings.likely import evaluate_likely
from jinghu.warnings.rules import RuleSet, evaluate, load_rules
from jinghu.warnings.tables import alert, event, event_cell

SHIPPED = Path(__file__).parents[2] / "configs" / "rules" / "rainstorm.yaml"
STEP = timedelta(minutes=6)
LEADS = np.array([0, 60, 120], "timedelta64[m]").astype("timedelta64[ns]")
TABLE = """
version: t1
source: a test
rules:
  - {id: y, hazard: rainstorm, level: yellow, window_h: 3, threshold_mm: 30}
  - {id: o, hazard: rainstorm, level: orange, window_h: 3, threshold_mm: 50}
  - {id: oo, hazard: rainstorm, level: orange, window_h: 3, threshold_mm: 50, probability: 0.5}
"""


def table(tmp_path: Path, text: str) -> RuleSet:
    path = tmp_path / "rain.yaml"
    path.write_text(text, encoding="utf-8")
    return load_rules(path)


def products(shares, amounts=(0, 0, 0), shape=(20, 20)):
    """A full part in which every cell is alike: P(50 mm in 3 h), and amounts, by lead."""
    p = np.zeros((2, 3, *shape), np.float32)
    p[1] = np.array(shares, np.float32)[:, None, None]
    mm = np.broadcast_to(np.array(amounts, np.float32)[:, None, None], (3, *shape))
    return xr.Dataset(
        {
            "probability_of_exceedance": (
                ("window", "threshold", "lead_time", "y", "x"),
                p[None],
                {"units": "1"},
            ),
            "rainfall_amount": (("window", "lead_time", "y", "x"), mm[None], {"units": "mm"}),
        },
        coords={"window": [3], "threshold": [30.0, 50.0], "lead_time": LEADS},
    )


def test_what_is_likely_enough_raises(tmp_path):
    rules = table(tmp_path, TABLE)
    found = evaluate_likely(rules, products([0, 0.4, 0.5])).isel(x=0, y=0)
    assert int(found["warning_level"]) == 3
    assert float(found["warning_onset_lead"]) == 120
    assert float(found["warning_probability"]) == 0.5
    assert (float(found["warning_amount"]), int(found["warning_window"])) == (50, 3)
    less = evaluate_likely(rules, products([0, 0.45, 0.3])).isel(x=0, y=0)
    assert (int(less["warning_level"]), int(less["warning_level_kept"])) == (0, 3)
    none = evaluate_likely(rules, products([0, 0.39, 0.3])).isel(x=0, y=0)
    assert int(none["warning_level_kept"]) == 0


def test_rows_on_probabilities_are_off_as_shipped_and_never_on_amounts(tmp_path):
    assert load_rules(SHIPPED).likely() == []
    found = evaluate(table(tmp_path, TABLE), products([1, 1, 1], [0, 35, 35])).isel(x=0, y=0)
    assert int(found["warning_level"]) == 2


def test_probabilities_that_are_not_made_are_refused_by_name(tmp_path):
    rules = table(tmp_path, TABLE.replace("threshold_mm: 50, prob", "threshold_mm: 45, prob"))
    with pytest.raises(ConfigError, match=r"rule oo: there are no probabilities of 45 mm"):
        evaluate_likely(rules, products([0, 0, 0]))
    rules = table(tmp_path, TABLE.replace("window_h: 3, threshold_mm: 50, p", "window_h: 6, threshold_mm: 50, p"))  # noqa: E501  # fmt: skip
    with pytest.raises(ConfigError, match=r"rule oo: there are no 6 h probabilities"):
        evaluate_likely(rules, products([0, 0, 0]))


def test_the_higher_level_counts_and_the_forecast_amount_speaks_first(tmp_path):
    rules = table(tmp_path, TABLE)
    certain = evaluate(rules, products([0, 0, 0], [0, 35, 40]))
    likely = evaluate_likely(rules, products([0, 0.6, 0.6]))
    both = higher(certain, likely).isel(x=0, y=0)
    assert int(both["warning_level"]) == 3
    assert float(both["warning_probability"]) == pytest.approx(0.6)
    assert float(both["warning_onset_lead"]) == 60
    only_kept = kept_also(certain, likely).isel(x=0, y=0)
    assert (int(only_kept["warning_level"]), int(only_kept["warning_level_kept"])) == (2, 3)
    wet = evaluate(rules, products([0, 0, 0], [0, 55, 55]))
    assert float(higher(wet, likely)["warning_probability"].max()) == 0


def with_known(levels):
    return levels.assign(known=(("y", "x"), np.ones((20, 20), bool)))


def test_the_second_pass_of_a_cycle_raises_and_the_next_fast_part_keeps(world, tmp_path):
    rules = table(tmp_path, TABLE)
    dry = with_known(evaluate(rules, products([0, 0, 0])))
    likely = evaluate_likely(rules, products([0, 0.6, 0.6]))
    name, time, office = cycle_name(world.time), world.time, world.office
    assert process(world.engine, dry, name, time, office, time).issued == 0
    args = (second_pass(name), time, office, time)
    assert process(world.engine, higher(dry, likely), *args).issued == 2
    assert process(world.engine, higher(dry, likely), *args).repeated
    rows = world.rows(select(alert))
    assert {row.cycle for row in rows} == {name}
    assert [p for row in rows for p in validate(row.cap_xml.encode())] == []
    assert "3小时雨量达到50毫米的概率为60%，达到橙色标准" in rows[0].cap_xml
    assert "<certainty>Likely</certainty>" in rows[0].cap_xml
    assert "+" not in rows[0].identifier
    for _ in range(20):
        world.time += STEP
        process(
            world.engine, kept_also(dry, likely), cycle_name(world.time), world.time, office,
            world.time,
        )  # fmt: skip
    assert {row.level for row in world.rows(select(event_cell.c.level))} == {3}
    for _ in range(12):
        world.time += STEP
        process(world.engine, dry, cycle_name(world.time), world.time, office, world.time)
    assert all(row.closed_at for row in world.rows(select(event.c.closed_at)))


OVERRIDES = """
overrides:
  - {rule: o, unit: "330604", threshold_mm: 40, source: the county's own plan}
  - {rule: oo, unit: "330604", threshold_mm: 30, source: the county's own plan}
"""


def test_a_county_has_thresholds_of_its_own(tmp_path, world):
    rules = table(tmp_path, TABLE + OVERRIDES)
    units = world.office.units
    found = evaluate(rules, products([0, 0, 0], [0, 45, 45]), units)["warning_level"].values
    assert set(found[:, :10].ravel()) == {2}
    assert set(found[:, 10:].ravel()) == {3}
    both = products([0, 0.6, 0.6])
    both["probability_of_exceedance"][0, 0, 2, :, :] = 0.7
    likely = evaluate_likely(rules, both, units)
    assert set(likely["warning_amount"].values[:, 10:].ravel()) == {30}
    assert likely["warning_probability"].values[0, 15] == pytest.approx(0.7)
    assert rules.rules[1].threshold_in("330604") == 40
    assert rules.rules[1].threshold_in("330602") == 50


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            '  - {rule: none-such, unit: "330604", threshold_mm: 40, source: s}',
            "there is no rule none-such",
        ),
        ('  - {rule: o, unit: "3306", threshold_mm: 40, source: s}', "unit"),
        ('  - {rule: o, unit: "330604", threshold_mm: 40}', "source"),
        (
            '  - {rule: o, unit: "330604", threshold_mm: 40, source: s}\n'
            '  - {rule: o, unit: "330604", threshold_mm: 41, source: s}',
            "two for rule o",
        ),
    ],
)
def test_overrides_that_cannot_be_are_refused(tmp_path, text, cause):
    with pytest.raises(ConfigError, match=cause):
        table(tmp_path, f"{TABLE}overrides:\n{text}\n")


def test_an_override_of_an_unknown_unit_is_refused(tmp_path, world):
    rules = table(tmp_path, TABLE + OVERRIDES.replace("330604", "330699"))
    for units in (None, world.office.units):
        with pytest.raises(ConfigError, match="unit 330699 has no boundaries here"):
            evaluate(rules, products([0, 0, 0], [0, 0, 0]), units)


def test_short_rain_is_a_row_that_can_be_switched_on(tmp_path):
    text = SHIPPED.read_text(encoding="utf-8").replace(", enabled: false", "")
    rules = table(tmp_path, text)
    amounts = np.zeros((4, 2, 1, 1), np.float32)
    amounts[0, 1] = 55
    windows = xr.Dataset(
        {"rainfall_amount": (("window", "lead_time", "y", "x"), amounts, {"units": "mm"})},
        coords={"window": [1, 3, 6, 12], "lead_time": LEADS[:2]},
    )
    found = evaluate(rules, windows)
    assert (int(found["warning_level"].item()), int(found["warning_window"].item())) == (3, 1)
