"""Volumes in the FM301/CfRadial2 model of xradar, and their summaries."""

import json

import numpy as np
import pytest
import xarray as xr
from tests.radar.conftest import SITE, legacy_volume, standard_volume

from jinghu.grid.errors import DataError
from jinghu.radar import open_volume
from jinghu.radar.datatree import summary, to_datatree
from jinghu.radar.encode import encode_legacy, encode_standard

ROOT_VARIABLES = {
    "volume_number", "platform_type", "instrument_type", "time_coverage_start",
    "time_coverage_end", "sweep_group_name", "sweep_fixed_angle",
}  # fmt: skip
SWEEP_VARIABLES = {"sweep_number", "sweep_mode", "follow_mode", "prt_mode", "sweep_fixed_angle"}


def test_groups_variables_and_coordinates():
    tree = to_datatree(standard_volume())
    assert set(tree.dataset.data_vars) == ROOT_VARIABLES
    assert list(tree.children) == ["sweep_0", "sweep_1", "sweep_2"]
    assert tree.attrs["instrument_name"] == "ZSIM1"
    assert tree.attrs["Conventions"] == "Cf/Radial"
    for number, group in enumerate(child.to_dataset() for child in tree.children.values()):
        assert set(group.data_vars) >= SWEEP_VARIABLES
        assert int(group["sweep_number"]) == number
        assert {"azimuth", "elevation", "time", "range"} <= set(group.coords)
        assert float(group["latitude"]) == SITE.latitude
        assert (np.diff(group["azimuth"].values) > 0).all()
        assert group["time"].dtype == "datetime64[ns]"
        np.testing.assert_allclose(group["nyquist_velocity"], 27.0)
        np.testing.assert_allclose(group["prt"], 1 / 1014.0)
    assert tree["sweep_0/DBZH"].attrs["standard_name"] == "radar_equivalent_reflectivity_factor_h"
    assert tree["sweep_0/DBZH"].attrs["units"] == "dBZ"


def test_values_lie_at_their_azimuth_and_range():
    made = standard_volume()
    tree = to_datatree(made)
    sweep = made.sweeps[2]
    dbz = sweep.moments["DBZH"].values()
    for ray in (0, 17, 59):
        row = tree["sweep_2"].dataset.sel(azimuth=float(sweep.azimuth_deg[ray]), method="nearest")
        np.testing.assert_array_equal(row["DBZH"].values, dbz[ray])
        assert row["time"].values.astype("datetime64[us]").astype(int) / 1e6 == pytest.approx(
            sweep.time_s[ray], abs=1e-6
        )
    np.testing.assert_allclose(tree["sweep_2/range"], 125 + 250 * np.arange(80))


def test_dry_is_not_missing_and_short_moments_end_as_not_scanned():
    group = to_datatree(standard_volume())["sweep_2"].to_dataset()
    state = group["DBZH_state"].values
    np.testing.assert_array_equal(np.isnan(group["DBZH"].values), state > 0)
    assert (state[:, 80 // 3 : 2 * 80 // 3] == 1).all()  # scanned, below threshold
    assert (group["VRADH_state"].values[:, 60:] == 3).all()  # 60 gates of 80


def test_legacy_gates_of_1000_m_are_repeated_onto_those_of_250_m():
    made = legacy_volume()
    group = to_datatree(made)["sweep_2"].to_dataset()
    assert group.sizes["range"] == 460 * 4
    order = np.argsort(made.sweeps[2].azimuth_deg, kind="stable")
    dbz = made.sweeps[2].moments["DBZH"].values()[order]
    np.testing.assert_array_equal(group["DBZH"].values, np.repeat(dbz, 4, axis=1))
    assert float(group["range"][0]) == -375.0  # centre of the first Doppler gate


def test_netcdf_and_back(tmp_path):
    tree = to_datatree(standard_volume())
    tree.to_netcdf(tmp_path / "volume.nc")
    with xr.open_datatree(tmp_path / "volume.nc") as back:
        for group in tree.children:
            xr.testing.assert_equal(back[group].to_dataset(), tree[group].to_dataset())


def test_open_volume(tmp_path, sites):
    raw = encode_standard(standard_volume())
    assert open_volume(raw).attrs["instrument_name"] == "ZSIM1"
    made = legacy_volume()
    (tmp_path / made.source).write_bytes(encode_legacy(made))
    assert list(open_volume(tmp_path / made.source, sites=sites).children)[-1] == "sweep_2"
    with pytest.raises(DataError, match="needs a table of radar sites"):
        open_volume(str(tmp_path / made.source))
    with pytest.raises(DataError, match="No such file"):
        open_volume(tmp_path / "absent.bin")


def test_summary_is_the_contract_and_json():
    made = standard_volume()
    found = json.loads(json.dumps(summary(made)))
    assert {"site", "band", "time", "sweeps", "complete", "dropped_bytes"} <= set(found)
    assert (found["site"], found["band"], found["time"]) == ("ZSIM1", "S", "2026-06-20T06:00:00Z")
    assert found["complete"] is True
    sweep = found["sweeps"][2]
    assert {k: sweep[k] for k in ("elevation", "rays", "gates", "gate_m")} == {
        "elevation": 1.5,
        "rays": 60,
        "gates": 80,
        "gate_m": 250.0,
    }
    dbz = made.sweeps[2].moments["DBZH"].values()
    assert sweep["moments"]["DBZH"] == {
        "valid": int(np.isfinite(dbz).sum()),
        "min": float(np.nanmin(dbz)),
        "max": float(np.nanmax(dbz)),
    }
