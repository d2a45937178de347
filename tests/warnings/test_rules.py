from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.rules import Rule, RuleSet, evaluate, load_rules

SHIPPED = Path(__file__).parents[2] / "configs" / "rules" / "rainstorm.yaml"
ORANGE = Rule("orange", Hazard.RAINSTORM, Level.ORANGE, 3, 50.0)
RED = Rule("red", Hazard.RAINSTORM, Level.RED, 3, 100.0)
YELLOW = Rule("yellow", Hazard.RAINSTORM, Level.YELLOW, 6, 50.0)


def rule_set(*rules: Rule, continues_mm: float = 1.0) -> RuleSet:
    return RuleSet("t", "test", continues_mm, rules)


def windows(amounts_mm, rate_mm_h=None, observed=None) -> xr.Dataset:
    """One cell; ``amounts_mm`` is {window: amounts at leads 0, 60, 120, 180 min}."""
    hours = sorted(amounts_mm)
    leads = np.arange(4) * np.timedelta64(60, "m").astype("timedelta64[ns]")
    values = np.array([amounts_mm[h] for h in hours], np.float32)[:, :, None, None]
    fields: dict[str, tuple[object, ...]] = {
        "rainfall_amount": (("window", "lead_time", "y", "x"), values, attrs("rainfall_amount"))
    }
    if rate_mm_h is not None:
        rate = np.array(rate_mm_h, np.float32)[:, None, None]
        fields["rainfall_rate"] = (("lead_time", "y", "x"), rate, attrs("rainfall_rate"))
    if observed is not None:
        share = np.array([observed[h] for h in hours], np.float32)[:, None, None]
        fields["window_observed"] = (("window", "y", "x"), share)
    return xr.Dataset(fields, coords={"window": hours, "lead_time": leads})


def cell(found: xr.Dataset) -> dict[str, float]:
    return {str(name): found[name].values[0, 0].item() for name in found}


def test_the_shipped_table_is_the_national_signal():
    """CMA order 16: 50 mm in 12 h, 6 h, 3 h, 100 mm in 3 h; the 1 h rows are off."""
    rows = {(r.level.en, r.window_h, r.threshold_mm) for r in load_rules(SHIPPED).rules}
    assert rows == {("blue", 12, 50), ("yellow", 6, 50), ("orange", 3, 50), ("red", 3, 100)}


def test_a_level_is_reached_when_a_window_reaches_its_threshold():
    found = cell(evaluate(rule_set(ORANGE, RED), windows({3: [10, 49.9, 50, 60]}, [30] * 4)))
    assert found["warning_level"] == Level.ORANGE
    assert found["warning_onset_lead"] == 120
    assert found["warning_amount"] == 60
    assert found["warning_window"] == 3


def test_the_highest_rule_decides_in_any_order():
    amounts = windows({3: [0, 60, 120, 90], 6: [0, 60, 120, 120]}, [30] * 4)
    for order in [(YELLOW, ORANGE, RED), (RED, ORANGE, YELLOW), (ORANGE, RED, YELLOW)]:
        found = cell(evaluate(rule_set(*order), amounts))
        assert (found["warning_level"], found["warning_onset_lead"]) == (Level.RED, 120)


def test_rain_that_has_passed_raises_nothing_and_keeps_what_stands():
    found = cell(evaluate(rule_set(ORANGE), windows({3: [80, 60, 30, 0]}, [0, 0, 0, 0])))
    assert found["warning_level"] == Level.NONE
    assert np.isnan(found["warning_onset_lead"])
    assert found["warning_level_kept"] == Level.ORANGE
    assert (found["kept_amount"], found["kept_window"]) == (80, 3)


def test_rain_that_has_reached_the_threshold_and_may_continue_raises():
    """0.5 mm/h at every lead for 3 h is 1.5 mm to come: more than 1 mm."""
    found = cell(evaluate(rule_set(ORANGE), windows({3: [80, 60, 30, 2]}, [0.5] * 4)))
    assert found["warning_level"] == Level.ORANGE
    assert found["warning_onset_lead"] == 0


def test_what_will_be_reached_raises_however_little_is_still_to_come():
    found = cell(evaluate(rule_set(ORANGE), windows({3: [49.8, 50.2, 0, 0]}, [0.4, 0, 0, 0])))
    assert found["warning_level"] == Level.ORANGE


def test_a_forecast_that_is_not_known_may_continue():
    found = cell(evaluate(rule_set(ORANGE), windows({3: [80, 60, 30, 0]}, [np.nan, 0, 0, 0])))
    assert found["warning_level"] == Level.ORANGE


def test_a_level_is_kept_down_to_eight_tenths():
    for peak, level in [(40.0, Level.ORANGE), (39.9, Level.NONE)]:
        found = cell(evaluate(rule_set(ORANGE), windows({3: [peak, 0, 0, 0]}, [0] * 4)))
        assert found["warning_level_kept"] == level


def test_a_window_that_was_not_observed_keeps_every_level_that_rests_on_it():
    """The 3 h window is whole, the 6 h one is not: red and orange may go, yellow may not."""
    amounts = windows({3: [0] * 4, 6: [0] * 4}, [0] * 4, observed={3: 1.0, 6: 0.6})
    found = cell(evaluate(rule_set(YELLOW, ORANGE, RED), amounts))
    assert found["warning_level"] == Level.NONE
    assert found["warning_level_kept"] == Level.YELLOW
    assert found["kept_window"] == 0


def test_a_rule_needs_its_window():
    with pytest.raises(ConfigError, match=r"orange.*3 h"):
        evaluate(rule_set(ORANGE), windows({6: [0] * 4}))


HEAD = "version: '1'\nsource: s\nrules:\n"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("version: [", "not YAML"),
        (HEAD + "  - {id: a, hazard: hail, level: blue, window_h: 3, threshold_mm: 50}", "hazard"),
        (
            HEAD + "  - {id: a, hazard: rainstorm, level: pink, window_h: 3, threshold_mm: 50}",
            "a: level 'pink'",
        ),
        (
            HEAD + "  - {id: a, hazard: rainstorm, level: none, window_h: 3, threshold_mm: 50}",
            "a: level 'none'",
        ),
        (
            HEAD + "  - {id: a, hazard: rainstorm, level: red, window_h: 3, threshold_mm: -1}",
            "rules.0.threshold_mm",
        ),
        (HEAD + "  []", "rules"),
        (
            HEAD + "  - {id: a, hazard: rainstorm, level: red, window_h: 3, threshold_mm: 9,"
            " enabled: false}",
            "no rule is enabled",
        ),
        ("just text", "file"),
    ],
)
def test_a_broken_table_is_refused_in_one_line(tmp_path, text, cause):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=cause) as error:
        load_rules(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_rules(tmp_path / "none.yaml")
