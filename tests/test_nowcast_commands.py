"""What `jinghu composite` and `jinghu nowcast --arrival --cells` give, as a user meets it."""

import json

import numpy as np
import pytest
import xarray as xr
from tests.radar.test_cma_mosaic import made

from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec

SPEC = GridSpec("EPSG:4549", 450e3, 3250e3, 1000.0, 100, 80)


@pytest.fixture
def rain(tmp_path):
    """A cell of 40 mm/h that moves by 3 km east each 6 min, in a NetCDF."""
    x, y = (SPEC.x - SPEC.x0_m) / 1e3, (SPEC.y - SPEC.y0_m) / 1e3
    rates = np.stack(
        [
            40.0 * np.exp(-((x[None] - 25 - 3 * k) ** 2 + (y[:, None] - 40) ** 2) / 50.0)
            for k in range(4)
        ]
    ).astype(np.float32)
    times = np.datetime64("2025-06-09T11:00", "ns") + np.arange(4) * np.timedelta64(6, "m")
    dataset = xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), rates, attrs("rainfall_rate"))},
        coords={"time": times, **SPEC.coords()},
    )
    dataset.to_netcdf(tmp_path / "rain.nc")
    return tmp_path / "rain.nc"


def test_arrival_is_written_beside_the_forecast(jinghu, rain, tmp_path):
    out = tmp_path / "o.nc"
    code, _, err = jinghu("nowcast", rain, "--out", out, "--leads", 5, "--arrival", 20)
    assert (code, err) == (0, "")
    with xr.open_dataset(out) as found:
        rates, lead = found["rainfall_rate"].values, found["arrival_lead"].values
        state = found["arrival_state"].values
        assert found["probability_of_arrival"].dims == ("lead_time", "y", "x")
        steps = found["lead_time"].values
    reached = np.nan_to_num(rates) >= 20.0
    np.testing.assert_array_equal(state == 1, reached.any(axis=0))
    assert (state == 2).any()  # what comes from beyond the edge is not known
    np.testing.assert_array_equal(lead[state == 1], steps[reached.argmax(axis=0)][state == 1])
    assert np.isnat(lead[state != 1]).all()


def test_cells_are_written_as_geojson(jinghu, rain, tmp_path):
    cells = tmp_path / "cells.geojson"
    options = ("--out", tmp_path / "o.nc", "--leads", 2, "--cells", cells, "--json")
    code, told, _ = jinghu("nowcast", rain, *options)
    assert code == 0
    assert json.loads(told)["cells"] == 1
    found = json.loads(cells.read_text(encoding="utf-8"))
    cell, path = (f["properties"] for f in found["features"])
    assert cell["speed_m_s"] == pytest.approx(8.3, abs=0.5)
    assert cell["direction_deg"] == pytest.approx(90, abs=5)
    assert len(path["times"]) == 4


@pytest.mark.parametrize("threshold", ["0", "-1", "nan"])
def test_a_threshold_that_is_none_is_refused(jinghu, rain, tmp_path, threshold):
    options = ("--out", tmp_path / "o.nc", "--leads", 1, "--arrival", threshold)
    code, _, err = jinghu("nowcast", rain, *options)
    assert code == 2
    assert "wanted one above zero" in err


def composites(folder, clocks=(0, 6, 12)):
    folder.mkdir()
    values = np.full((100, 200), -1280, np.int16)
    values[40:60, 80:120] = 400
    for minute in clocks:
        data = made(values, at_108=("<h", minute))
        (folder / f"Z_RADA_C_BABJ_x_P_DOR_ACHN_CREF_20250609_11{minute:02}00.bin").write_bytes(data)
    return folder


def test_composites_become_a_sequence_that_can_be_nowcast(jinghu, tmp_path):
    folder = composites(tmp_path / "in")
    (folder / "Z_RADA_C_BABJ_x_P_DOR_ACHN_CREF_20250609_111800.bin").write_bytes(b"MOC\0short")
    out = tmp_path / "rain.nc"
    code, told, err = jinghu("composite", folder, "--out", out, "--spacing", 2000, "--json")
    assert code == 0
    summary = json.loads(told)
    assert (summary["fields"], summary["start"]) == (3, "2025-06-09T11:00:00Z")
    assert "truncated" in summary["refused"][0]["cause"]
    assert err.count("refused: ") == 1
    with xr.open_dataset(out) as rain:
        rates = rain["rainfall_rate"].values
        assert rates.shape == (3, 255, 250)
        assert np.nanmax(rates) == pytest.approx((1e4 / 300) ** (1 / 1.4), rel=1e-4)
        assert {0.0} == set(np.unique(rates[np.isfinite(rates) & (rates < 1)]))
        assert np.isnan(rates).any()
    code, told, _ = jinghu("nowcast", out, "--out", tmp_path / "o.nc", "--leads", 2, "--json")
    assert code == 0
    assert json.loads(told)["degradations"] == ["all fields are the same: no motion"]


@pytest.mark.parametrize(
    ("make", "code", "cause"),
    [
        (lambda folder: folder / "none.bin", 3, "none.bin: No such file"),
        (lambda folder: folder, 3, "holds no file named ..._CREF_<time>.bin"),
    ],
)
def test_composites_that_are_not_there_are_named(jinghu, tmp_path, make, code, cause):
    found, _, err = jinghu("composite", make(tmp_path), "--out", tmp_path / "o.nc")
    assert found == code
    assert cause in err
    assert len(err.strip().splitlines()) == 1


def test_cells_that_do_not_fill_zhejiang_are_refused(jinghu, tmp_path):
    folder = composites(tmp_path / "in", (0,))
    code, _, err = jinghu("composite", folder, "--out", tmp_path / "o.nc", "--spacing", 700)
    assert code == 2
    assert "--spacing 700" in err
