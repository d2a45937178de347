"""pysteps finds the importer by itself and understands what it gives."""

import importlib.metadata
import warnings

import numpy as np
import pytest

from jinghu.configs.settings import CONFIGS
from jinghu.grid.errors import ConfigError, DataError
from jinghu.radar.pysteps_importer import import_cinrad

SITES = CONFIGS / "radar_sites.yaml"


@pytest.fixture(scope="module")
def path(event):
    return sorted((event.folder / "radar").glob("*ZSIM1*"))[-1]


def test_rain_around_the_radar(path):
    rate, quality, metadata = import_cinrad(path, sites=SITES, spacing_m=2000.0, reach_m=60e3)
    assert rate.shape == quality.shape == (60, 60)
    known = np.isfinite(rate)
    assert known.mean() > 0.9
    assert rate[known].max() > 20
    assert ((rate[known] == 0) | (rate[known] >= 0.1)).all()
    assert metadata["unit"] == "mm/h"
    assert metadata["x2"] == pytest.approx(120e3 + np.float64(str(metadata["x1"])))
    assert "utm" in str(metadata["projection"])


def test_what_cannot_be_read_is_named(tmp_path, path):
    with pytest.raises(DataError, match=r"gone\.bin"):
        import_cinrad(tmp_path / "gone.bin")
    with pytest.raises(ConfigError, match="spacing_m -1"):
        import_cinrad(path, spacing_m=-1.0)


def test_pysteps_reads_it_as_its_own(path):
    pytest.importorskip("pysteps")
    found = importlib.metadata.entry_points(group="pysteps.plugins.importers")
    if "import_cinrad" not in found.names:
        pytest.skip("jinghu is not installed with its entry points here")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pysteps' own
        from pysteps.io import interface
        from pysteps.utils import conversion

        importer = interface.get_method("cinrad", "importer")
        rate, _, metadata = importer(str(path), sites=SITES, spacing_m=2000.0, reach_m=60e3)
        amount, told = conversion.to_raindepth(rate, metadata)
    assert told["unit"] == "mm"
    np.testing.assert_allclose(amount, rate / 10)  # six minutes
