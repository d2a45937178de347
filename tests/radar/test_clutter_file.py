"""Files of clutter maps: read back as written; damaged and foreign ones are named."""

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.errors import ConfigError
from jinghu.radar.clutter_file import map_path, read_map, write_map
from jinghu.radar.clutter_map import AZIMUTHS, RANGES, ClutterMap, ElevationMap


def made(seed=0, site="ZTEST"):
    random = np.random.default_rng(seed)

    def one(elevation):
        scans = random.integers(0, 500, (AZIMUTHS, RANGES)).astype(np.int32)
        echoes = np.minimum(random.integers(0, 40, scans.shape), scans).astype(np.int32)
        dbz = random.normal(30, 9, scans.shape).astype(np.float32)
        return ElevationMap(elevation, scans, echoes, np.where(echoes > 0, dbz, np.nan))

    return ClutterMap(site, 10.0, (one(0.48), one(1.49)))


def assert_equal(one, other):
    assert (one.site, one.echo_dbz) == (other.site, other.echo_dbz)
    assert len(one.elevations) == len(other.elevations)
    for a, b in zip(one.elevations, other.elevations, strict=True):
        assert a.elevation_deg == b.elevation_deg
        for name in ("scans", "echoes", "mean_dbz"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
            assert getattr(a, name).dtype == getattr(b, name).dtype


@pytest.fixture
def written(tmp_path):
    path = map_path(tmp_path, "ZTEST")
    write_map(made(), path)
    return path


def test_what_was_written_is_read(written):
    assert written.name == "ZTEST.nc"
    assert_equal(read_map(written, "ZTEST"), made())
    write_map(made(1), written)
    assert_equal(read_map(written, "ZTEST"), made(1))
    assert [p.name for p in written.parent.iterdir()] == ["ZTEST.nc"]


def test_an_empty_map_is_a_map(tmp_path):
    write_map(ClutterMap("ZTEST", 10.0), tmp_path / "ZTEST.nc")
    assert read_map(tmp_path / "ZTEST.nc", "ZTEST") == ClutterMap("ZTEST", 10.0)


def test_a_write_that_fails_leaves_the_map_before(written, monkeypatch):
    def full(self, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", full)
    with pytest.raises(OSError, match="No space"):
        write_map(made(1), written)
    assert [p.name for p in written.parent.iterdir()] == ["ZTEST.nc"]
    assert_equal(read_map(written, "ZTEST"), made())


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.99])
def test_files_that_were_cut_are_refused(written, share):
    content = written.read_bytes()
    written.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ConfigError, match=r"clutter map .*ZTEST\.nc: cannot be read: .") as found:
        read_map(written, "ZTEST")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda d: xr.Dataset({"rain": ("x", [1.0])}), "not a clutter map"),
        (lambda d: d.assign_attrs(jinghu_clutter_map_format=9), "format 9, this version reads 1"),
        (lambda d: d.assign_attrs(radar="Z9999"), "of radar Z9999, not ZTEST"),
        (lambda d: d.assign_attrs(echo_dbz=np.nan), "no echo_dbz"),
        (lambda d: d.assign_attrs(echo_dbz="ten"), "no echo_dbz"),
        (lambda d: d.drop_vars("echoes"), "no echoes"),
        (lambda d: d.drop_vars("elevation"), "no elevation"),
        (lambda d: d.assign(scans=d["scans"].astype(np.int64)), "no scans"),
        (lambda d: d.isel(range=slice(0, 9)), "cells"),
        (lambda d: d.assign(echoes=d["echoes"] + np.int32(500)), "more scans with echo than scans"),
        (lambda d: d.assign(mean_dbz=d["mean_dbz"] * np.float32(np.nan)), "do not go together"),
        (lambda d: d.isel(elevation=[1, 0]), "elevations do not rise"),
    ],
)
def test_foreign_files_are_refused_by_name(written, change, cause):
    with xr.open_dataset(written, mask_and_scale=False) as opened:
        found = opened.load()
    change(found).to_netcdf(written)
    with pytest.raises(ConfigError, match=cause) as refused:
        read_map(written, "ZTEST")
    assert str(written) in str(refused.value)


def test_a_text_file_is_refused(tmp_path):
    path = tmp_path / "ZTEST.nc"
    path.write_text("elevation: 0.5", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_map(path, "ZTEST")
