"""Foreign volumes: figures as xradar 0.12 reads the same files; a tree of ours read back."""

import sys
from dataclasses import replace
from datetime import timedelta

import netCDF4
import numpy as np
import pytest
from tests.radar.conftest import standard_volume

from jinghu.grid.errors import DataError
from jinghu.radar.datatree import to_datatree
from jinghu.radar.decode import decode_volume
from jinghu.radar.interop import from_datatree

ODIM = {  # elevation and strongest echo of every sweep
    "behel": (800, [0.3, 0.5, 0.8, 1.8, 3, 5, 7.5, 10, 13, 16, 20, 25],
              [62, 57, 62, 53, 53.5, 51.5, 51.5, 51, 52.5, 48, 47.5, 48]),
    "bejab": (598, [0.3, 0.9, 1.5, 2.2, 2.9, 3.8, 4.8, 6.5, 9, 13, 25],
              [68.5, 46, 39, 38, 37, 38, 38.5, 37, 39, 38.5, 43.5]),
    "bewid": (1000, [0.3, 0.9, 1.5, 2.2, 2.9, 3.8, 4.8, 6.5, 9, 13, 25],
              [63, 51.5, 51.5, 51.5, 51, 46.5, 46, 48, 39.5, 22, 16.5]),
}  # fmt: skip


@pytest.mark.parametrize("code", ODIM)
def test_odim(code, data_folder):
    file = data_folder / "overseas_radar" / f"{code}.pvol.hdf"
    volume = decode_volume(file.read_bytes(), file.name, None)
    gates, elevations, strongest = ODIM[code]
    assert (volume.site.code, volume.site.band) == (code, "C")
    assert [s.elevation_deg for s in volume.sweeps] == elevations
    fields = [s.moments["DBZH"] for s in volume.sweeps]
    np.testing.assert_allclose([np.nanmax(m.values()) for m in fields], strongest, atol=1e-4)
    assert fields[0].codes.shape == (360, gates)
    with netCDF4.Dataset(file) as root:
        root.set_auto_maskandscale(False)
        raw = root["dataset1/data1/data"][:]
    azimuth = volume.sweeps[0].azimuth_deg
    here = fields[0].codes[np.argsort(azimuth)]
    np.testing.assert_array_equal(here == 0, raw == 0)  # undetect
    np.testing.assert_array_equal(here == 2, raw == 255)  # nodata
    known = (raw > 0) & (raw < 255)
    values = fields[0].values()[np.argsort(azimuth)]
    np.testing.assert_allclose(values[known], raw[known] * 0.5 - 32, atol=1e-4)
    with pytest.raises(DataError, match=f"unknown site '{code}'"):
        decode_volume(file.read_bytes(), file.name, {})


def test_gamic(data_folder):
    file = data_folder / "overseas_radar" / "2014-08-10--182000.ppi.mvol"
    volume = decode_volume(file.read_bytes(), file.name, None)
    (sweep,) = volume.sweeps
    assert (volume.site.band, sweep.elevation_deg, sweep.n_rays) == ("X", 1.5, 360)
    strongest = {"DBZH": 63.374, "DBTH": 71.907, "ZDR": 6.35, "PHIDP": 179.989, "WRADH": 19.348}
    for name, value in strongest.items():
        assert abs(np.nanmax(sweep.moments[name].values()) - value) < 0.004
        assert sweep.moments[name].codes.shape == (360, 1000)
    assert (sweep.moments["DBZH"].codes >= 5).sum() == 170317
    assert sweep.moments["DBZH"].range_m[0] == 50.0


def test_a_tree_of_ours_read_back():
    made = standard_volume()
    found = from_datatree(to_datatree(made), made.source)
    for one, other in zip(made.sweeps, found.sweeps, strict=True):
        np.testing.assert_array_equal(one.azimuth_deg, other.azimuth_deg)
        for name, moment in one.moments.items():
            again, n = other.moments[name], moment.codes.shape[1]
            off = again.values()[:, :n] - moment.values()
            assert np.nanmax(np.abs(off)) < 0.011
            np.testing.assert_array_equal(again.dry()[:, :n], moment.dry())


def test_damaged_hdf5_is_refused():
    with pytest.raises(DataError, match="cannot be read"):
        decode_volume(b"\x89HDF\r\n\x1a\n" + bytes(5000), "x.h5", None)


def write_cfradial(path, volume):
    """The file of CfRadial 1.4, section 4, with reflectivity alone."""
    sweeps = volume.sweeps
    ends = np.cumsum([sweep.n_rays for sweep in sweeps])
    gates = min(sweep.moments["DBZH"].codes.shape[1] for sweep in sweeps)
    columns = {
        "time": (("time",), np.concatenate([s.time_s for s in sweeps]) - volume.time.timestamp()),
        "range": (("range",), sweeps[0].moments["DBZH"].range_m[:gates]),
        "azimuth": (("time",), np.concatenate([s.azimuth_deg for s in sweeps])),
        "elevation": (("time",), np.concatenate([s.ray_elevation_deg for s in sweeps])),
        "sweep_number": (("sweep",), np.arange(len(sweeps))),
        "fixed_angle": (("sweep",), [s.elevation_deg for s in sweeps]),
        "sweep_start_ray_index": (("sweep",), ends - [s.n_rays for s in sweeps]),
        "sweep_end_ray_index": (("sweep",), ends - 1),
        "latitude": ((), volume.site.latitude),
        "longitude": ((), volume.site.longitude),
        "altitude": ((), volume.site.antenna_height_m),
        "DBZH": (
            ("time", "range"),
            np.concatenate([s.moments["DBZH"].values()[:, :gates] for s in sweeps]),
        ),
    }
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as root:
        root.setncatts({"Conventions": "CF/Radial", "instrument_name": volume.site.code})
        for name, size in (("time", ends[-1]), ("range", gates), ("sweep", len(sweeps))):
            root.createDimension(name, size)
        root.createDimension("letters", 20)
        mode = root.createVariable("sweep_mode", "S1", ("sweep", "letters"))
        text = np.array([list("azimuth_surveillance")] * len(sweeps), "S1")
        mode[:] = text
        for name, (dims, values) in columns.items():
            whole = name.startswith("sweep_")
            root.createVariable(name, "i4" if whole else "f8", dims)[...] = values
        root["time"].units = f"seconds since {volume.time:%Y-%m-%dT%H:%M:%SZ}"


def test_cfradial_through_xradar(tmp_path):
    pytest.importorskip("xradar.io", reason="the extra interop is not installed")
    whole = standard_volume()
    made = replace(whole, sweeps=tuple(s for s in whole.sweeps if "DBZH" in s.moments))
    write_cfradial(tmp_path / "made.nc", made)
    data = (tmp_path / "made.nc").read_bytes()
    found = decode_volume(data, "made.nc", None)
    assert found.site.code == made.site.code
    assert abs(found.time - made.time) < timedelta(seconds=1)
    for one, other in zip(made.sweeps, found.sweeps, strict=True):
        assert other.elevation_deg == pytest.approx(one.elevation_deg, abs=0.01)
        order, again = np.argsort(one.azimuth_deg), np.argsort(other.azimuth_deg)
        values = other.moments["DBZH"].values()[again]
        dbz = one.moments["DBZH"].values()[order][:, : values.shape[1]]
        assert np.abs(values - dbz)[np.isfinite(dbz)].max() < 0.011
        np.testing.assert_array_equal(np.isfinite(values), np.isfinite(dbz))
    with pytest.raises(DataError, match="unknown site"):
        decode_volume(data, "made.nc", {})


@pytest.mark.parametrize("head", [b"AR2V0006.001", b"CDF\x01", b"CDF\x05"])
def test_damaged_foreign_files_are_refused_in_a_line(head):
    with pytest.raises(DataError, match=r"^x\.bin: .*xradar") as refused:
        decode_volume(head + bytes(3000), "x.bin", None)
    assert "\n" not in str(refused.value)


def test_without_xradar_the_way_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "xradar.io", None)
    with pytest.raises(DataError, match=r"pip install 'jinghu\[interop\]'"):
        decode_volume(b"AR2V0006.001" + bytes(100), "x.bin", None)
