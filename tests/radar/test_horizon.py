"""Hidden sectors: power given back, or the sweep above taken."""

import numpy as np
import pytest

from jinghu.configs.settings import CONFIGS
from jinghu.grid.errors import ConfigError
from jinghu.radar.horizon import open_share, shares, without_hidden
from jinghu.radar.polar import DRY_DBZ, PolarSweep
from jinghu.radar.sites import HiddenSector, RadarSite, load_sites

SITE = RadarSite("ZTEST", "", "", 30.0, 120.0, 100.0, "S", 1.0, (HiddenSector(350, 10, 1.0),))


def sweep(elevation):
    dbz = np.full((360, 4), 30.0, np.float32)
    dbz[:, 3] = DRY_DBZ
    return PolarSweep(elevation, np.arange(360, dtype=np.float32), dbz, dbz, 250.0, 125.0)


def test_the_share_is_that_of_a_gaussian_beam():
    """Numerically: the two-way pattern exp(-8 ln 2 (x / width)^2) over an edge."""
    x = np.linspace(-4, 4, 80_001)
    power = np.exp(-8 * np.log(2) * x**2)
    for above in (-0.4, 0.0, 0.3):
        expected = power[x > -above].sum() / power.sum()
        assert open_share(above, 1.0) == pytest.approx(expected, abs=1e-4)


def test_sectors_across_north_and_their_edges():
    found = shares(SITE, sweep(1.0))
    assert (found[[349, 0, 11]] == 0.5).all()
    assert (found[12:349] == 1.0).all()


def test_power_is_given_back_and_hidden_rays_are_missing():
    (low, half, high), hidden = without_hidden(SITE, [sweep(0.5), sweep(1.0), sweep(2.0)])
    assert np.isnan(low.dbz[0]).all()
    assert hidden[0][0]
    assert half.dbz[0, 0] == pytest.approx(33.01, abs=0.01)
    assert half.dbz[0, 3] == DRY_DBZ
    assert not hidden[1].any()
    np.testing.assert_allclose(high.dbz[:, 0], 30.0, atol=0.01)
    assert (low.dbz[20, :3] == 30.0).all()


def test_the_table_of_sites_names_sectors(tmp_path):
    assert load_sites(CONFIGS / "radar_sites.yaml")["ZSIM1"].hidden[0].up_to_deg == 1.0
    row = "{name_zh: a, name_en: a, latitude: 30, longitude: 120, antenna_height_m: 1, band: S"
    for wrong in (", hidden: [{from_deg: 1}]}", ", hidden: [3]}"):
        path = tmp_path / "sites.yaml"
        path.write_text(f"sites:\n  Z1: {row}{wrong}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"site Z1"):
            load_sites(path)
