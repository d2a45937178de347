"""The xarray engine: files and file-likes, groups, lazy moments, guesses."""

import bz2
import gzip
import io
import tomllib

import numpy as np
import pytest
import xarray as xr
from tests.radar.conftest import ROOT, SITE, array_volume, legacy_volume, standard_volume

from jinghu.grid.errors import DataError
from jinghu.radar.backend import CinradBackend
from jinghu.radar.datatree import to_datatree
from jinghu.radar.decode import decode_volume
from jinghu.radar.encode import encode_legacy, encode_standard
from jinghu.radar.encode_array import encode_phased_array

RAW = encode_standard(standard_volume())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / (standard_volume().source + ".bz2")
    path.write_bytes(bz2.compress(RAW))
    return path


def test_the_entry_point_is_declared_and_names_the_class():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["entry-points"]["xarray.backends"]["cinrad"]
    assert declared == f"{CinradBackend.__module__}:{CinradBackend.__name__}"


def test_a_tree_equals_the_decoded_volume(file):
    with xr.open_datatree(file, engine=CinradBackend) as tree:
        wanted = to_datatree(decode_volume(RAW, file.name, None))
        assert list(tree.children) == list(wanted.children)
        for name in wanted.children:
            xr.testing.assert_equal(tree[name].to_dataset(), wanted[name].to_dataset())
        assert tree.attrs["instrument_name"] == "ZSIM1"


@pytest.mark.parametrize("raw", [RAW, encode_phased_array(array_volume())], ids=["scan", "array"])
@pytest.mark.parametrize("pack", [bytes, bz2.compress, gzip.compress])
def test_a_file_like_and_bytes(raw, pack):
    found = xr.open_dataset(io.BytesIO(pack(raw)), engine=CinradBackend, group="sweep_2")
    wanted = CinradBackend().open_dataset(pack(raw), group="/sweep_2")
    xr.testing.assert_identical(found, wanted)
    assert found["PHIDP"].dims == ("azimuth", "range")


def test_one_sweep_is_opened_by_its_name(file):
    first = xr.open_dataset(file, engine=CinradBackend)
    assert int(first["sweep_number"]) == 0
    assert int(xr.open_dataset(file, engine=CinradBackend, group="sweep_1")["sweep_number"]) == 1
    root = xr.open_dataset(file, engine=CinradBackend, group="/")
    assert list(root["sweep_group_name"].values) == ["sweep_0", "sweep_1", "sweep_2"]
    with pytest.raises(DataError, match="no group 'sweep_3': there are sweep_0 to sweep_2"):
        xr.open_dataset(file, engine=CinradBackend, group="sweep_3")
    few = xr.open_dataset(file, engine=CinradBackend, drop_variables=["DBZH_state", "absent"])
    assert "DBZH" in few
    assert "DBZH_state" not in few


@pytest.mark.parametrize(
    "key",
    [
        {"azimuth": 3},
        {"azimuth": slice(5, 50, 7), "range": slice(None, None, -1)},
        {"azimuth": [9, 2, 2], "range": [70, 0]},
        {"azimuth": 59, "range": 79},
        {"range": slice(0, 0)},
    ],
)
@pytest.mark.parametrize("name", ["DBZH", "PHIDP", "VRADH_state"])
def test_parts_are_read_as_from_the_whole(file, name, key):
    lazy = xr.open_dataset(file, engine=CinradBackend, group="sweep_2")[name]
    whole = to_datatree(standard_volume())["sweep_2"].to_dataset()[name]
    np.testing.assert_array_equal(lazy.isel(key).values, whole.isel(key).values)
    point = lazy.isel(azimuth=xr.DataArray([1, 5], dims="p"), range=xr.DataArray([2, 60], dims="p"))
    wanted = whole.values[[1, 5], [2, 60]]
    np.testing.assert_array_equal(point.values, wanted)


def test_nothing_is_looked_up_before_it_is_read(file):
    tree = xr.open_datatree(file, engine=CinradBackend)
    assert not tree["sweep_0"].to_dataset()["DBZH"].variable._in_memory


def test_legacy_volumes_need_a_table_of_sites(tmp_path):
    path = tmp_path / legacy_volume().source
    path.write_bytes(encode_legacy(legacy_volume()))
    tree = xr.open_datatree(path, engine=CinradBackend, sites={SITE.code: SITE})
    assert float(tree["sweep_0"]["latitude"]) == SITE.latitude
    with pytest.raises(DataError, match="needs a table of radar sites"):
        xr.open_datatree(path, engine=CinradBackend)
    by_file = xr.open_datatree(
        path.rename(tmp_path / path.name.replace("ZSIM1", "Z9571")),
        engine=CinradBackend,
        sites=ROOT / "configs" / "radar_sites.yaml",
    )
    assert by_file.attrs["instrument_name"] == "Z9571"


def test_guesses(tmp_path, file):
    backend = CinradBackend()
    assert backend.guess_can_open(file)
    assert backend.guess_can_open(str(file))
    assert backend.guess_can_open("Z_RADR_I_Z9571_20190809160100_O_DOR_SA_CAP.bin.bz2")
    assert backend.guess_can_open(RAW)
    stream = io.BytesIO(RAW)
    assert backend.guess_can_open(stream)
    assert stream.tell() == 0
    (tmp_path / "volume.dat").write_bytes(RAW)
    assert backend.guess_can_open(tmp_path / "volume.dat")
    for other in (tmp_path / "absent.nc", io.BytesIO(b"CDF\x01"), b"CDF\x01", 7):
        assert not backend.guess_can_open(other)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        xr.open_datatree(tmp_path / "absent.bin", engine=CinradBackend)
