"""National composites: made files with known values, damage, and the real ones."""

import bz2
import os
import struct
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.spec import GridSpec
from jinghu.radar.cma_mosaic import rain_of_composite, read_composite
from jinghu.radar.zr import ZRRelation

REAL = (
    Path(os.environ.get("JINGHU_DATA", Path(__file__).parents[3] / "shared" / "data"))
    / "cma_cref_mosaic_20250609"
)
GRID = GridSpec("EPSG:4549", 495e3, 3320e3, 1000.0, 20, 10)


def made(values=None, **changes):
    """A file over 119.5-121.5 E, 29.5-30.5 N; ``changes`` are offset: (format, value)."""
    if values is None:
        values = np.full((100, 200), 350, np.int16)
    ny, nx = values.shape
    packed = bz2.compress(values.astype("<i2").tobytes())
    head = bytearray(256)
    struct.pack_into("<4s4sihh8s64s", head, 0, b"MOC", b"", 256 + len(packed), 1129, 3, b"CREF",
                     b"Composite")  # fmt: skip
    struct.pack_into("<iii6h", head, 88, 256, len(packed), 0, 2025, 6, 9, 11, 6, 0)
    struct.pack_into("<4i2i2i2i2hii2h", head, 124, 29500, 119500, 30500, 121500, 120500, 30000,
                     nx, ny, 100, 100, 0, 1, 244, 2 * nx * ny, 10, 0)  # fmt: skip
    for at, (form, value) in changes.items():
        struct.pack_into(form, head, int(at.removeprefix("at_")), value)
    return bytes(head) + packed


def test_values_times_and_places_are_read():
    values = np.full((100, 200), -1280, np.int16)
    values[0, 0], values[99, 199], values[50, 100] = 350, 505, -32768
    values[50, 101] = -18540  # rejected by the producer
    found = read_composite(made(values), "x.bin")
    assert found.time == datetime(2025, 6, 9, 11, 6, tzinfo=UTC)
    assert found.radars == 244
    west, east = np.array([119.505]), np.array([121.495])
    assert found.at(west, np.array([30.495])) == np.float32(35.0)
    assert found.at(east, np.array([29.505])) == np.float32(50.5)
    assert found.at(west, np.array([29.505])) == np.float32(-128.0)
    assert np.isnan(found.at(np.array([120.505, 120.515, 119.4]), np.array([29.995] * 3))).all()


@pytest.mark.parametrize(("spacing", "n"), [(1000.0, 1), (2000.0, 2)])
def test_rain_on_a_grid_keeps_dry_and_missing_apart(spacing, n):
    """35 dBZ are 5.4 mm/h; west of 120 E scanned without echo, north of 30.05 N not scanned."""
    values = np.full((100, 200), 350, np.int16)
    values[:, :50] = -1280
    values[:45] = -32768
    spec = GridSpec(GRID.crs, GRID.x0_m, GRID.y0_m, spacing, GRID.nx // n, GRID.ny // n)
    rain = rain_of_composite(read_composite(made(values), "x"), spec, ZRRelation())
    lon, lat = spec.lonlat()
    sure = np.abs(lon - 120.0) > 0.02 * n
    unsure = np.abs(lat - 30.05) < 0.02 * n
    missing = lat > 30.05
    np.testing.assert_array_equal(np.isnan(rain)[~unsure], missing[~unsure])
    seen = ~missing & ~unsure & sure
    wanted = np.where(lon < 120.0, 0.0, (10**3.5 / 300) ** (1 / 1.4))
    np.testing.assert_allclose(rain[seen], wanted[seen], rtol=1e-5)


DAMAGED = {
    "not one": (lambda: b"RSTM" + bytes(300), "does not begin with MOC"),
    "cut in the header": (lambda: made()[:200], "truncated: 200 bytes"),
    "cut in the grid": (lambda: made()[:-9], "truncated"),
    "rain": (lambda: made(at_16=("8s", b"QPE")), "holds 'QPE', wanted composite reflectivity"),
    "local clock": (lambda: made(at_96=("<i", 28800)), "its clock is 28800 s from UTC"),
    "month 13": (lambda: made(at_102=("<h", 13)), "is none"),
    "other packing": (lambda: made(at_166=("<h", 2)), "packing 2 is not known"),
    "no scale": (lambda: made(at_176=("<h", 0)), "scale 0, is none"),
    "edges": (lambda: made(at_128=("<i", 119000)), "do not fit"),
    "size": (lambda: made(at_172=("<i", 7)), "7 bytes do not fit"),
    "enormous": (lambda: made(at_148=("<i", 2**30)), "is none"),
    "bytes": (lambda: made()[:256] + b"x" * (len(made()) - 256), "cannot be unpacked"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_and_other_files_are_refused_by_name(case):
    make, cause = DAMAGED[case]
    with pytest.raises(DataError, match=r"^x\.bin: ") as told:
        read_composite(make(), "x.bin")
    assert cause in str(told.value)


def test_a_grid_that_holds_less_or_more_than_the_header_says_is_refused():
    data = made()
    for values in (np.zeros(150 * 200, "<i2"), np.zeros(90 * 200, "<i2")):
        packed = bz2.compress(values.tobytes())
        head = bytearray(data[:256])
        struct.pack_into("<i", head, 92, len(packed))
        with pytest.raises(DataError, match="has not the 40000 bytes"):
            read_composite(bytes(head) + packed, "x.bin")


def test_a_grid_elsewhere_is_refused():
    far = GridSpec("EPSG:32633", 400e3, 5000e3, 1000.0, 10, 10)
    with pytest.raises(ConfigError, match="outside the composite"):
        rain_of_composite(read_composite(made(), "x"), far, ZRRelation())


def test_real_composites():
    files = sorted(REAL.glob("*.bin"))
    if not files:
        pytest.skip("no cma_cref_mosaic_20250609 (set JINGHU_DATA)")
    found = read_composite(files[0].read_bytes(), files[0].name)
    assert found.time == datetime(2025, 6, 9, 10, 42, tzinfo=UTC)
    assert found.dbz.shape == (4200, 6200)
    # Haikou and Harbin lie in range of radars, their mirror images in the grid do not.
    lon, lat = np.array([110.3, 126.6, 110.3, 126.6]), np.array([20.0, 45.7, 46.4, 20.7])
    assert np.isfinite(found.at(lon, lat)).tolist() == [True, True, False, False]
    assert np.nanmax(found.dbz) < 75
