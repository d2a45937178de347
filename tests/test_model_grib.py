"""GRIB2 model rain: written by ecCodes and byte by byte by hand, read the same."""

import pickle
import struct
import sys
from datetime import UTC, datetime

import numpy as np
import pyproj
import pytest
from rich.console import Console
from tests.conftest import settings_for

from jinghu import grib_process, model_grib
from jinghu.grid.errors import DataError
from jinghu.grid.spec import GridSpec
from jinghu.model_file import Span, read_model, spans_of
from jinghu.model_inputs import read_model_inputs
from jinghu.nowcast.model_grid import to_grid
from jinghu.stages import StageLog

RUN = np.datetime64("2025-06-09T06:00", "ns")
HOUR = np.timedelta64(1, "h")
LON, LAT = np.arange(119.0, 122.01, 0.5), np.arange(31.0, 28.99, -0.5)
SHAPE = (LAT.size, LON.size)


@pytest.fixture(scope="module")
def ec():
    return pytest.importorskip("eccodes")


@pytest.fixture
def here(monkeypatch):
    """Files are decoded in this process, which is faster."""

    def said(what, sources):
        return list(model_grib.answers(what, sources)), ""

    monkeypatch.setattr(grib_process, "_said", said)


def lat_lon(ec, handle, south_first=False, west_last=False):
    lat, lon = (LAT[::-1] if south_first else LAT), (LON[::-1] if west_last else LON)
    for name, value in (("Ni", LON.size), ("Nj", LAT.size), ("jScansPositively", south_first),
                        ("iScansNegatively", west_last)):  # fmt: skip
        ec.codes_set_long(handle, name, int(value))
    for name, value in (
        ("latitudeOfFirstGridPoint", lat[0]),
        ("latitudeOfLastGridPoint", lat[-1]),
        ("longitudeOfFirstGridPoint", lon[0]),
        ("longitudeOfLastGridPoint", lon[-1]),
        ("iDirectionIncrement", 0.5),
        ("jDirectionIncrement", 0.5),
    ):
        ec.codes_set_double(handle, f"{name}InDegrees", value)


def lambert(ec, handle):
    ec.codes_set_long(handle, "gridDefinitionTemplateNumber", 30)
    for name, value in (("Nx", LON.size), ("Ny", LAT.size), ("jScansPositively", 1)):
        ec.codes_set_long(handle, name, value)
    for name, value in (
        ("Dx", 40_000_000),
        ("Dy", 40_000_000),
        ("LaD", 30_000_000),
        ("LoV", 120_000_000),
        ("Latin1", 25_000_000),
        ("Latin2", 35_000_000),
        ("latitudeOfFirstGridPoint", 29_200_000),
        ("longitudeOfFirstGridPoint", 119_000_000),
    ):
        ec.codes_set_long(handle, name, value)


def message(ec, values, start, end, *, number=8, kind=1, grid=lat_lon, centre=0, unit=1, **keys):
    """Bytes of a message of rain between two leads, or at one of them."""
    handle = ec.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    grid(ec, handle)
    template = 8 if end is not None else 0
    for name, value in (
        ("centre", centre),
        ("discipline", 0),
        ("parameterCategory", 1),
        ("dataDate", 20250609),
        ("dataTime", 600),
        ("productDefinitionTemplateNumber", keys.pop("template", template)),
        ("parameterNumber", number),
        ("indicatorOfUnitOfTimeRange", unit),
        ("forecastTime", start),
        *keys.items(),
    ):
        ec.codes_set_long(handle, name, value)
    if end is not None:
        ec.codes_set_long(handle, "typeOfStatisticalProcessing", kind)
        at = (RUN + end * HOUR).astype("datetime64[s]").item()
        for name in ("year", "month", "day", "hour", "minute", "second"):
            ec.codes_set_long(handle, f"{name}OfEndOfOverallTimeInterval", getattr(at, name))
    ec.codes_set_long(handle, "bitmapPresent", 1)
    ec.codes_set_double(handle, "missingValue", -1e30)
    ec.codes_set_long(handle, "bitsPerValue", 16)
    ec.codes_set_values(handle, np.nan_to_num(np.asarray(values, float), nan=-1e30).ravel())
    found = bytes(ec.codes_get_message(handle))
    ec.codes_release(handle)
    return found


def write(tmp_path, *messages):
    path = tmp_path / "m.grib2"
    path.write_bytes(b"".join(messages))
    return path


def span_of(path):
    (span,) = spans_of([path])
    if isinstance(span, DataError):
        raise span
    return span


FIELD = 1.0 + np.arange(LAT.size)[:, None] + 0.25 * np.arange(LON.size)


def rates_at(found, hour):
    """Rates of the middle of an interval that ends at an hour of the run."""
    return found.rain["rainfall_rate"].sel(time=RUN + hour * HOUR - np.timedelta64(30, "m")).values


@pytest.mark.parametrize(("number", "centre", "per_mm"), [(8, 7, 1.0), (193, 98, 1e-3)])
def test_amounts_from_the_start_of_the_run(ec, here, tmp_path, number, centre, per_mm):
    totals = [FIELD * per_mm * of for of in (1.0, 1.0, 4.0)]
    other = message(ec, FIELD, 0, 1, number=53)  # of another quantity
    parts = [message(ec, mm, 0, k + 1, number=number, centre=centre)
             for k, mm in enumerate(totals)]  # fmt: skip
    path = write(tmp_path, parts[1], other, parts[0], parts[2])
    found = read_model(path)
    assert found.reference == RUN
    span = span_of(path)
    assert (span.reference, span.first, span.last) == (RUN, RUN, RUN + 3 * HOUR)
    for hour, times in ((1, 1.0), (2, 0.0), (3, 3.0)):
        np.testing.assert_allclose(rates_at(found, hour), FIELD * times, atol=2e-3)
    np.testing.assert_allclose(found.rain["y"], LAT)
    np.testing.assert_allclose(found.rain["x"], LON)


def test_buckets_beside_amounts_from_the_start(ec, here, tmp_path):
    """As in GFS: buckets of six hours that grow, and the sum since the start."""
    grown = [message(ec, FIELD * k, 0, k) for k in (1, 2, 6)]
    bucket = [message(ec, FIELD * 2 * k, 6, 6 + k) for k in (1, 2)]
    sums = [message(ec, FIELD * (6 + 2 * k), 0, 6 + k) for k in (1, 2)]
    found = read_model(write(tmp_path, *grown, *bucket, *sums))
    for hour, rate in ((1, 1.0), (2, 1.0), (7, 2.0), (8, 2.0)):
        np.testing.assert_allclose(rates_at(found, hour), FIELD * rate, atol=2e-3)
    middle = found.rain["rainfall_rate"].sel(time=RUN + 4 * HOUR).values
    np.testing.assert_allclose(middle, FIELD, atol=2e-3)


def test_mean_rates_and_rates_at_instants(ec, here, tmp_path):
    means = [message(ec, FIELD * k / 3600.0, k - 1, k, number=52, kind=0) for k in (1, 2)]
    found = read_model(write(tmp_path, *means))
    np.testing.assert_allclose(rates_at(found, 2), 2 * FIELD, atol=2e-3)
    instants = [message(ec, FIELD * k / 3600.0, 60 * k, None, number=7, unit=0) for k in (1, 2)]
    path = write(tmp_path, *instants[::-1])
    found = read_model(path)
    assert list(found.rain["time"].values) == [RUN + HOUR, RUN + 2 * HOUR]
    np.testing.assert_allclose(found.rain["rainfall_rate"][1], 2 * FIELD, atol=2e-3)
    assert span_of(path).last == RUN + 2 * HOUR


def test_missing_cells_and_scanning(ec, here, tmp_path):
    holed = FIELD.copy()
    holed[1, 2] = np.nan

    def grid(ec, handle):
        lat_lon(ec, handle, south_first=True, west_last=True)

    found = read_model(write(tmp_path, message(ec, holed[::-1, ::-1], 0, 1, grid=grid)))
    rain = found.rain["rainfall_rate"].sortby("x").sortby("y", ascending=False)
    np.testing.assert_allclose(rain[0].values, holed, atol=2e-3)


def test_lambert_lies_where_it_should(ec, here, tmp_path):
    """Against the formulas of the conic projection (Snyder 1987, 15-1 to 15-10)."""
    path = write(
        tmp_path, *(message(ec, FIELD / 3600.0, k, None, number=7, grid=lambert) for k in (0, 1))
    )
    found = read_model(path).rain
    rad = np.radians
    one, two, r = rad(25.0), rad(35.0), 6_371_229.0

    def t(phi):
        return np.tan(np.pi / 4 + phi / 2)

    n = np.log(np.cos(one) / np.cos(two)) / np.log(t(two) / t(one))
    f = np.cos(one) * t(one) ** n / n
    lat, theta = rad(29.2), n * rad(119.0 - 120.0)
    x = r * f / t(lat) ** n * np.sin(theta)
    y = r * f / t(rad(30.0)) ** n - r * f / t(lat) ** n * np.cos(theta)
    assert float(found["x"][0]) == pytest.approx(x, abs=0.5)
    assert float(found["y"][0]) == pytest.approx(y, abs=0.5)
    np.testing.assert_allclose(np.diff(found["x"]), 40_000.0)
    spec = GridSpec("EPSG:4549", 480e3, 3260e3, 2500.0, 40, 40)
    like = found.isel(time=0, y=0, x=0, drop=True)[["rainfall_rate"]]
    like = like.expand_dims(y=spec.y, x=spec.x).assign_coords(spec.coords())
    on_grid = to_grid(found, like)["rainfall_rate"][0]
    # The field is linear in x and y of the model, so its value tells where it was taken.
    lon, lat_at = spec.lonlat()
    mx, my = pyproj.Proj(pyproj.CRS(found["crs"].attrs["crs_wkt"]))(lon, lat_at)
    col, row = (mx - x) / 40_000.0, (my - y) / 40_000.0
    np.testing.assert_allclose(on_grid, 1.0 + row + 0.25 * col, rtol=2e-3)


def by_hand(values_0_1_mm, hours):
    """A GRIB2 message of amounts in tenths of mm since 06 UTC, simple packing in 16 bits."""
    flat = np.asarray(values_0_1_mm, ">u2").ravel()
    ny, nx = np.shape(values_0_1_mm)
    degrees = [round(v * 1e6) for v in (LAT[0], LON[0], LAT[-1], LON[-1])]
    one = struct.pack(">BHHBBBHBBBBBBB", 1, 38, 0, 2, 0, 1, 2025, 6, 9, 6, 0, 0, 0, 1)
    three = struct.pack(">BBIBBH", 3, 0, flat.size, 0, 0, 0)
    three += struct.pack(">BBIBIBI", 6, 0, 0, 0, 0, 0, 0)
    three += struct.pack(">IIIIiiBiiIIB", nx, ny, 0, 0xFFFFFFFF, degrees[0], degrees[1], 48,
                         degrees[2], degrees[3], 500_000, 500_000, 0)  # fmt: skip
    four = struct.pack(">BHH", 4, 0, 8)
    four += struct.pack(">BBBBBHBBIBBIBBI", 1, 8, 2, 0, 0, 0, 0, 1, 0, 1, 0, 0, 255, 0, 0)
    four += struct.pack(">HBBBBBBI", 2025, 6, 9, 6 + hours, 0, 0, 1, 0)
    four += struct.pack(">BBBIBI", 1, 2, 1, hours, 255, 0)
    # Y * 10^D = R + X * 2^E with R = 0, E = 0, D = 1.
    five = struct.pack(">BIHfHHBB", 5, flat.size, 0, 0.0, 0, 1, 16, 0)
    parts = [one, three, four, five, struct.pack(">BB", 6, 255), b"\x07" + flat.tobytes()]
    body = b"".join(struct.pack(">I", len(p) + 4) + p for p in parts) + b"7777"
    return b"GRIB\0\0" + struct.pack(">BBQ", 0, 2, 16 + len(body)) + body


def test_bytes_written_by_hand(ec, here, tmp_path):
    first = np.arange(LAT.size * LON.size).reshape(SHAPE)
    path = write(tmp_path, by_hand(first, 1), by_hand(first * 3, 2))
    found = read_model(path)
    assert found.reference == RUN
    np.testing.assert_allclose(rates_at(found, 1), first / 10.0, atol=1e-5)
    np.testing.assert_allclose(rates_at(found, 2), first / 5.0, atol=1e-5)
    np.testing.assert_allclose(found.rain["x"], LON)


def test_a_cycle_takes_a_run_in_grib(ec, tmp_path):
    settings, folder = settings_for(tmp_path), tmp_path / "model"
    folder.mkdir()
    for hours in (2, 8):  # the second is whole, the first cut short
        content = b"".join(message(ec, FIELD * k, 0, k) for k in range(1, hours + 1))
        (folder / f"m{hours}.grb2").write_bytes(content if hours == 8 else content[:-50])
    time = datetime(2025, 6, 9, 9, 30, tzinfo=UTC)
    log = StageLog(Console(quiet=True))
    found = read_model_inputs([folder], settings, (time, time), log)
    assert [(r.file.name, r.error.cause[:12]) for r in found.refused] == [
        ("m2.grb2", "damaged or c")
    ]
    assert found.run is not None
    assert found.run.file == "m8.grb2"
    assert found.run.span.last == RUN + 8 * HOUR
    lon, lat = settings.grid.product().lonlat()
    expected = 1.0 + (31.0 - lat) / 0.5 + 0.25 * (lon - 119.0) / 0.5
    rain = found.run.product["rainfall_rate"].sel(time=RUN + 4 * HOUR + np.timedelta64(30, "m"))
    np.testing.assert_allclose(rain, expected, atol=0.01)


def leads(ec, folder, first, last, start=0, name="Z_NAFP_C_BABJ_2025060906_P_{:03d}.grb2"):
    """Files of one lead each: the sum since the start of the run."""
    for k in range(first, last + 1):
        (folder / name.format(k)).write_bytes(message(ec, FIELD * k, start, k))


def test_a_run_of_one_file_a_lead(ec, tmp_path):
    """The third file is cut short: what it would tell is taken from those beside it."""
    settings, folder = settings_for(tmp_path), tmp_path / "model"
    folder.mkdir()
    leads(ec, folder, 1, 8)
    other = folder / "EC_2025060906.grb2"  # of another model: a run of its own, and shorter
    other.write_bytes(message(ec, FIELD * 9, 0, 5))
    third = folder / "Z_NAFP_C_BABJ_2025060906_P_003.grb2"
    third.write_bytes(third.read_bytes()[:-50])
    time = datetime(2025, 6, 9, 9, 30, tzinfo=UTC)
    found = read_model_inputs([folder], settings, (time, time), StageLog(Console(quiet=True)))
    assert [r.file.name for r in found.refused] == [third.name]
    assert found.run is not None
    first, last = (f"Z_NAFP_C_BABJ_2025060906_P_{k:03d}.grb2" for k in (1, 8))
    assert found.run.file == f"{first} … {last} (7 files)"
    assert (found.run.span.reference, found.run.span.last) == (RUN, RUN + 8 * HOUR)
    lon, lat = settings.grid.product().lonlat()
    expected = 1.0 + (31.0 - lat) / 0.5 + 0.25 * (lon - 119.0) / 0.5
    for hour in (3.0, 4.5, 6.5):
        at = RUN + np.timedelta64(round(60 * hour), "m")
        rain = found.run.product["rainfall_rate"].interp(time=at)
        np.testing.assert_allclose(rain, expected, atol=0.02)


def test_of_two_files_that_hold_the_same_the_later_counts(ec, here, tmp_path):
    for name, times in (("a1.grb2", 1.0), ("a2.grb2", 3.0)):
        (tmp_path / name).write_bytes(message(ec, FIELD * times, 0, 1))
    found = read_model(tmp_path / "a1.grb2", tmp_path / "a2.grb2")
    np.testing.assert_allclose(rates_at(found, 1), 3 * FIELD, atol=2e-3)


def test_a_file_of_another_run_or_grid_is_named(ec, here, tmp_path):
    good, bad = tmp_path / "f1.grb2", tmp_path / "f2.grb2"
    good.write_bytes(message(ec, FIELD, 0, 1))
    for cause, content in {
        "reference": message(ec, FIELD, 0, 2, dataTime=0),
        "grid": message(ec, FIELD, 0, 2, grid=lambert),
        "member": message(ec, FIELD, 0, 2, template=11, perturbationNumber=3),
    }.items():
        bad.write_bytes(content)
        with pytest.raises(DataError, match=f"f2.grb2: its {cause} is another"):
            read_model(good, bad)


def test_files_after_one_that_ends_the_process_are_read(tmp_path, monkeypatch):
    """Another program in the place of Python's: it tells of one file, ends at the next."""
    told = pickle.dumps((RUN, RUN, RUN + HOUR))
    script = tmp_path / "decoder"
    script.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "for name in sys.argv[5:]:\n"
        "    if name.endswith('2.grb2'):\n"
        "        sys.exit(134)\n"
        f"    sys.stdout.buffer.write({told!r}); sys.stdout.buffer.flush()\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    pytest.importorskip("eccodes")
    one, two, three = spans_of([tmp_path / f"{k}.grb2" for k in (1, 2, 3)])
    assert isinstance(one, Span)
    assert isinstance(three, Span)
    assert isinstance(two, DataError)
    assert (one.last, three.last) == (RUN + HOUR, RUN + HOUR)
    assert two.source.endswith("2.grb2")
    assert two.cause == "damaged: its decoder ended with code 134"


def test_a_file_on_which_the_library_ends_its_process_is_refused(ec, tmp_path, monkeypatch):
    path = write(tmp_path, message(ec, FIELD, 0, 1))
    assert span_of(path).last == RUN + HOUR
    # Another program in the place of Python's: it ends with a code and says nothing.
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DataError, match="damaged: its decoder ended with code 1"):
        span_of(path)


def test_what_cannot_be_read_is_refused_with_its_cause(ec, here, tmp_path):
    good = message(ec, FIELD, 0, 1)
    cases = {
        "damaged or cut short": good + message(ec, FIELD, 0, 2)[:-40],
        "no message of rain": message(ec, FIELD, 0, 1, number=53),
        "falls by": message(ec, FIELD * 2, 0, 1) + message(ec, FIELD, 0, 2),
        "several amounts": good + good,
        "2 reference times": good + message(ec, FIELD, 0, 1, dataTime=0),
        "no sum": message(ec, FIELD, 0, 1, kind=2),
        "template 4.0": message(ec, FIELD, 1, None),
    }
    for cause, content in cases.items():
        with pytest.raises(DataError, match=cause):
            read_model(write(tmp_path, content))
    with pytest.raises(DataError, match=r"damaged|no message"):
        read_model(write(tmp_path, b"GRIB" + bytes(100)))


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "eccodes", None)
    with pytest.raises(DataError, match="install jinghu with its extra grib"):
        read_model(write(tmp_path, b"GRIB" + bytes(100)))
