"""Small volumes whose every ray is unlike all others, and where the real data are."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Moment, Sweep, Volume

ROOT = Path(__file__).parents[2]
START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
SITE = RadarSite("ZSIM1", "模拟", "Simulated", 29.524, 120.539, 1096.0, "S")


def codes(random, rays, gates, first, dtype, first_valid=5):
    """Runs of no echo and of echo; the first four gates number the ray."""
    field = random.integers(0, np.iinfo(dtype).max, (rays, gates), endpoint=True)
    field[:, gates // 3 : 2 * gates // 3] = 0
    ids = (first + np.arange(rays))[:, None] // 16 ** np.arange(4) % 16 + first_valid
    field[:, :4] = ids
    return field.astype(dtype)


def sweep(random, number, elevation, rays, layout, first_valid=5):
    """``layout``: name -> (gates, gate_m, first_gate_m, scale, offset, dtype)."""
    spacing = 360 / rays
    azimuth = (random.uniform(0, 360) + spacing * np.arange(rays)) % 360
    azimuth += random.uniform(-0.05, 0.05, rays) * spacing
    seconds = START.timestamp() + 30 * number + np.round(np.arange(rays) * 25 / rays, 3)
    return Sweep(
        elevation_deg=elevation,
        azimuth_deg=(azimuth % 360).astype(np.float32),
        ray_elevation_deg=np.full(rays, elevation, np.float32),
        time_s=seconds,
        nyquist_m_s=27.0,
        moments={
            name: Moment(
                codes(random, rays, gates, 1000 * number, dtype, first_valid),
                scale,
                offset,
                first_valid,
                gate_m,
                first_m,
            )
            for name, (gates, gate_m, first_m, scale, offset, dtype) in layout.items()
        },
        prf_hz=1014.0,
    )


def volume(sweeps, source, format_name):
    end = datetime.fromtimestamp(float(sweeps[-1].time_s[-1]), UTC)
    return Volume(SITE, START, end, tuple(sweeps), source, format_name, "VCP21")


def standard_volume(seed=0, rays=60):
    random = np.random.default_rng(seed)
    z = (80, 250.0, 125.0, 2.0, 66.0, np.uint8)
    v = (60, 250.0, 125.0, 2.0, 129.0, np.uint8)
    phi = (60, 250.0, 125.0, 100.0, 50.0, np.uint16)
    layouts = [{"DBZH": z}, {"VRADH": v, "WRADH": v}, {"DBZH": z, "VRADH": v, "PHIDP": phi}]
    elevations = [0.5, 0.5, 1.5]
    sweeps = [
        sweep(random, k, e, rays, x)
        for k, (e, x) in enumerate(zip(elevations, layouts, strict=True))
    ]
    return volume(sweeps, "Z_RADR_I_ZSIM1_20260620060000_O_DOR_SA_CAP_FMT.bin", "CINRAD standard")


def legacy_volume(seed=0, rays=60):
    random = np.random.default_rng(seed)
    z = (460, 1000.0, 0.0, 2.0, 66.0, np.uint8)
    v = (920, 250.0, -375.0, 2.0, 129.0, np.uint8)
    layouts = [{"DBZH": z}, {"VRADH": v, "WRADH": v}, {"DBZH": z, "VRADH": v, "WRADH": v}]
    elevations = [0.5, 0.5, 1.5]
    sweeps = [
        sweep(random, k, e, rays, x, first_valid=2)
        for k, (e, x) in enumerate(zip(elevations, layouts, strict=True))
    ]
    return volume(sweeps, "Z_RADR_I_ZSIM1_20260620060000_O_DOR_SA_CAP.bin", "CINRAD legacy")


ARRAY_SITE = RadarSite("ZSIM2", "模拟阵", "Simulated array", 30.05, 120.6, 120.0, "X", 1.2)


def array_volume(seed=0, rays=60, cuts=3):
    """Elevations of a phased array are scanned in one turn: they share times and azimuths."""
    random = np.random.default_rng(seed)
    z = (80, 30.0, 15.0, 2.0, 66.0, np.uint8)
    phi = (60, 30.0, 15.0, 100.0, 50.0, np.uint16)
    layout = {"DBZH": z, "VRADH": z, "PHIDP": phi}
    made = [sweep(random, k, 0.75 + 0.9 * k, rays, layout) for k in range(cuts)]
    shared = {"azimuth_deg": made[0].azimuth_deg, "time_s": made[0].time_s}
    sweeps = [replace(s, **shared, beam_width_deg=1.25 + 0.25 * k) for k, s in enumerate(made)]
    name = "Z_RADR_I_ZSIM2_20260620060000_O_DOR-XPD-CAP-FMT.BIN"
    return replace(volume(sweeps, name, "CINRAD phased array"), site=ARRAY_SITE)


@pytest.fixture(scope="session")
def make_standard():
    return standard_volume


@pytest.fixture(scope="session")
def make_legacy():
    return legacy_volume


@pytest.fixture(scope="session")
def sites():
    return {SITE.code: SITE, ARRAY_SITE.code: ARRAY_SITE}


@pytest.fixture(scope="session")
def data_folder():
    folder = Path(os.environ.get("JINGHU_DATA", ROOT / ".." / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist (set JINGHU_DATA)")
    return folder
