"""Layers whose height is known: simulated, made by hand, and of real volumes of known seasons."""

from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.radar.conftest import ROOT, SITE, START

from jinghu.grid.spec import GridSpec
from jinghu.radar.decode import decode_volume
from jinghu.radar.geometry import gate_heights
from jinghu.radar.melting import melting_layer
from jinghu.radar.melting_profile import MeltingParams
from jinghu.radar.simulator.ground import draw_ground
from jinghu.radar.simulator.scan import Cut, RadarState, Strategy, default_receiver, scan, tables
from jinghu.radar.simulator.truth import RainTruth
from jinghu.radar.sites import RadarSite, load_sites
from jinghu.radar.volume import Moment, Sweep, Volume

PARAMS = MeltingParams()
SPEC = GridSpec("EPSG:4549", 450e3, 3200e3, 1000.0, 140, 140)
LON, LAT = (float(v) for v in SPEC.to_lonlat(520e3, 3270e3))
TABLES = tables("SX")
HIGH = (3.4, 6.0, 9.9, 14.6, 19.5)
LOW = (2.0, 3.0, 4.5, 6.0)


def field(rate_mm_h):
    """Rain of so much in the mean, in cells of some 20 km."""
    y, x = np.mgrid[: SPEC.ny, : SPEC.nx]
    waves = 1.0 + 0.5 * np.sin(x / 6.0) * np.cos(y / 7.0)
    return np.tile((rate_mm_h * waves).astype(np.float32), (4, 1, 1))


@cache
def simulated(band, freezing_m, rate_mm_h=3.0, elevations=HIGH):
    """Volume of a simulated radar in rain whose snow melts within 600 m below a height."""
    rain = field(rate_mm_h)
    truth = RainTruth(SPEC, START.timestamp(), 60.0, rain, np.full_like(rain, 4.0), (5.0, 2.0),
                      freezing_m)  # fmt: skip
    gate_m, gates = (250.0, 240) if band == "S" else (150.0, 400)
    cuts = tuple(Cut(e, 20.0, 27.0, 1014.0) for e in elevations)
    site = RadarSite("ZTEST", "", "", LAT, LON, 120.0, band)
    random = np.random.default_rng(7)
    ground = draw_ground(gate_m * gates, (), random)
    radar = RadarState(site, Strategy("TEST", cuts, gate_m, gates, gates), ground,
                       default_receiver(band))  # fmt: skip
    return scan(truth, radar, START, TABLES[band], random)[0]


def layer_in(volume):
    found = melting_layer(volume, PARAMS)
    assert found is not None
    return found


def single(volume):
    """The same volume of a radar with one polarisation."""
    sweeps = [replace(s, moments={"DBZH": s.moments["DBZH"]}) for s in volume.sweeps]
    return replace(volume, sweeps=tuple(sweeps))


@pytest.mark.parametrize("band", ["S", "X"])
@pytest.mark.parametrize("freezing_m", [3_000.0, 4_200.0, 5_000.0])
def test_the_layer_of_the_simulator_is_found(band, freezing_m):
    found = layer_in(simulated(band, freezing_m))
    assert found.bottom_m == pytest.approx(freezing_m - 600, abs=150)
    assert found.top_m == pytest.approx(freezing_m, abs=150)
    assert found.error_m < 120
    by_peaks = layer_in(single(simulated(band, freezing_m)))
    assert by_peaks.bottom_m == pytest.approx(freezing_m - 600, abs=150)
    assert by_peaks.error_m >= found.error_m


def test_low_sweeps_that_cross_it_far_out_find_it_less_surely():
    near, far = (layer_in(simulated("X", 3_000.0, elevations=e)) for e in (HIGH, LOW))
    assert far.bottom_m == pytest.approx(2_400, abs=200)
    assert far.top_m == pytest.approx(3_000, abs=300)
    assert far.error_m > near.error_m


@pytest.mark.parametrize(
    ("freezing_m", "rate_mm_h"),
    [(3_000.0, 0.0), (20_000.0, 3.0), (4_200.0, 60.0)],
    ids=["dry air", "rain alone", "convection"],
)
def test_what_shows_no_layer_is_not_given_one(freezing_m, rate_mm_h):
    volume = simulated("S", freezing_m, rate_mm_h)
    assert melting_layer(volume, PARAMS) is None
    assert melting_layer(single(volume), PARAMS) is None


def layered(bottom_m, top_m, *, rays=96, low_m=0.0, site=SITE):
    """Rain of 32 dBZ, melting snow of 36, snow of 24: as no beam would blur them."""
    sweeps = []
    for elevation in (6.0, 10.0, 15.0, 20.0):
        range_m = np.asarray(125.0 + 250.0 * np.arange(240), np.float64)
        height = gate_heights(range_m, elevation, site.antenna_height_m)
        melting = (height >= bottom_m) & (height < top_m)
        dbz = np.where(melting, 36.0, np.where(height < bottom_m, 32.0, 24.0))
        rho = np.where(melting | (height < low_m), 0.93, 0.99)
        codes = {"DBZH": dbz * 2 + 66, "RHOHV": rho * 200 + 5}
        codes = {k: np.tile(np.rint(v).astype(np.uint8), (rays, 1)) for k, v in codes.items()}
        codes["DBZH"][:, 200:] = 0
        codes["DBZH"][:, 190:200] = 2 * 10 + 66  # weak echo, by which the noise is known
        azimuth = np.asarray(np.arange(rays) * 360 / rays, np.float32)
        sweeps.append(
            Sweep(elevation, azimuth, np.full(rays, elevation, np.float32),
                  START.timestamp() + np.arange(rays) * 0.1, 27.0,
                  {"DBZH": Moment(codes["DBZH"], 2.0, 66.0, 5, 250.0, 125.0),
                   "RHOHV": Moment(codes["RHOHV"], 200.0, 5.0, 5, 250.0, 125.0)})
        )  # fmt: skip
    return Volume(site, START, START + timedelta(minutes=2), tuple(sweeps), "made", "made")


@given(bottom_m=st.floats(1_800, 4_500), depth_m=st.floats(400, 900))
@settings(deadline=None, max_examples=25)
def test_edges_lie_where_they_were_made(bottom_m, depth_m):
    """What is taken off for the beam, 200 to 450 m wide here, comes on top."""
    found = layer_in(layered(bottom_m, bottom_m + depth_m))
    wide = PARAMS.bin_m / 2 + 30.0
    assert -wide <= found.bottom_m - bottom_m <= 0.15 * 450 + wide
    assert -0.35 * 450 - wide <= found.top_m - (bottom_m + depth_m) <= wide


def test_ground_and_insects_below_are_passed_over():
    """Echo of low rhoHV from the ground up to 1.6 km has no rain below it."""
    found = layer_in(layered(3_000, 3_500, low_m=1_600))
    assert found.bottom_m == pytest.approx(3_050, abs=100)
    assert melting_layer(layered(9_000, 9_000, low_m=1_600), PARAMS) is None


def test_a_layer_whose_top_is_not_seen_is_none():
    volume = layered(3_000, 30_000)
    assert melting_layer(volume, PARAMS) is None


def test_reflectivity_must_fall_above_the_layer():
    volume = layered(3_000, 3_500)
    flat = [
        replace(s, moments={**s.moments, "DBZH": replace(s.moments["DBZH"], codes=np.where(
            s.moments["DBZH"].codes > 100, np.uint8(130), s.moments["DBZH"].codes))})
        for s in volume.sweeps
    ]  # fmt: skip
    assert melting_layer(replace(volume, sweeps=tuple(flat)), PARAMS) is None


def test_a_volume_without_echo_or_sweeps_shows_none():
    volume = layered(3_000, 3_500)
    assert melting_layer(replace(volume, sweeps=volume.sweeps[:0]), PARAMS) is None
    short = [
        replace(s, moments={n: replace(m, codes=m.codes[:, :1]) for n, m in s.moments.items()})
        for s in volume.sweeps
    ]
    assert melting_layer(replace(volume, sweeps=tuple(short)), PARAMS) is None


@pytest.mark.parametrize(
    ("file", "bottom_m", "top_m"),
    [
        # X band, Guangdong in March: 0 degrees at some 4.1 km
        ("cinrad_standard_format/Z_RADR_I_ZG170_20260329064800_O_DOR_YTD2_CAP_FMT.bin.bz2",
         3_500, 4_200),
        # S band, one polarisation, in the warm core of a typhoon: bright band at 5.4 km
        ("zhejiang_lekima_2019/radar/Z_RADR_I_Z9571_20190809160100_O_DOR_SA_CAP.bin.bz2",
         5_100, 5_700),
        # C band, Belgium in June: bright band at 2.7 km
        ("overseas_radar/behel.pvol.hdf", 2_400, 3_000),
    ],
)  # fmt: skip
def test_real_volumes_show_the_layer_of_their_season(file, bottom_m, top_m, data_folder):
    path = data_folder / file
    sites = load_sites(ROOT / "configs" / "radar_sites.yaml") if "lekima" in file else None
    found = layer_in(decode_volume(path.read_bytes(), path.name, sites))
    assert found.bottom_m == pytest.approx(bottom_m, abs=150)
    assert found.top_m == pytest.approx(top_m, abs=150)


def test_showers_and_clutter_show_none(data_folder):
    name = "Z_RADR_I_Z9090_20250827045712_O_DOR_SB_CAP_FMT.bin.bz2"
    path = data_folder / "cinrad_standard_format" / name
    assert melting_layer(decode_volume(path.read_bytes(), path.name, None), PARAMS) is None
