"""The table of radar sites."""

import pytest
from tests.radar.conftest import ROOT

from jinghu.grid.errors import ConfigError
from jinghu.radar.sites import load_sites


def test_the_shipped_table_holds_the_radars_around_shaoxing_and_the_simulated_ones():
    sites = load_sites(ROOT / "configs" / "radar_sites.yaml")
    assert {"Z9571", "Z9574", "Z9576", "Z9579"} <= set(sites)
    assert [c for c in sites if c.startswith("ZSIM")] == [f"ZSIM{k}" for k in range(1, 6)]
    assert sites["Z9571"].antenna_height_m == 96.1


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("sites: [", "no table of sites"),
        ("radars: {}", "no table of sites"),
        ("sites: {Z1: {latitude: 30}}", "site Z1"),
        (
            "sites: {Z1: {name_zh: a, name_en: a, latitude: 130, longitude: 30,"
            " antenna_height_m: 1, band: S}}",
            "is no place",
        ),
        (
            "sites: {Z1: {name_zh: a, name_en: a, latitude: 30, longitude: 120,"
            " antenna_height_m: 1, band: Q}}",
            "band 'Q' is none of S, C, X",
        ),
    ],
)
def test_broken_tables_are_named(tmp_path, text, cause):
    (tmp_path / "sites.yaml").write_text(text)
    with pytest.raises(ConfigError, match=cause) as caught:
        load_sites(tmp_path / "sites.yaml")
    assert "sites.yaml" in str(caught.value)
