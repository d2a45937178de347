"""Foreign volumes: figures as xradar 0.12 reads the same files; a tree of ours read back."""

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
