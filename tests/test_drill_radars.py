"""Volumes of a drill arrive as its script says: late, twice, damaged, misdated, or not at all."""

import bz2
import gzip
from datetime import timedelta

import numpy as np
import pytest

from jinghu.configs.settings import CONFIGS
from jinghu.drill_radars import drill_network, due, volumes_of
from jinghu.drill_rain import make_rain
from jinghu.drill_script import named_drill
from jinghu.grid.errors import DataError
from jinghu.grid.spec import GridSpec
from jinghu.radar.decode import decode_volume
from jinghu.radar.simulator.truth import DropParams, make_drops
from jinghu.radar.sites import load_sites
from jinghu.simulate import Frames

SPEC = GridSpec("EPSG:4549", 515e3, 3210e3, 1000.0, 110, 110)
SITES = load_sites(CONFIGS / "radar_sites.yaml")
LINE = named_drill("convective-line")
READY = LINE.start + timedelta(minutes=6)


@pytest.fixture(scope="module")
def frames():
    rain = make_rain(LINE, SPEC, np.zeros(SPEC.shape))
    return Frames(rain, make_drops(rain.motion(), DropParams(), np.random.default_rng(0)), SPEC)


@pytest.fixture(scope="module")
def arrive(frames):
    """Files of one radar under some faults."""
    network = drill_network([SITES["ZSIM4"]], 1)

    def run(*faults, ready=READY):
        raw = LINE.model_dump() | {"radar_faults": [f | {"radar": "ZSIM4"} for f in faults]}
        return volumes_of(type(LINE).model_validate(raw), network, frames, ready, 1)

    return run


@pytest.fixture(scope="module")
def clean(arrive):
    (coming,) = arrive()
    return coming


def read(coming):
    return decode_volume(coming.data, coming.name, SITES)


def test_a_clean_volume_arrives_in_time_and_is_whole(clean):
    assert clean.at == READY
    volume = read(clean)
    assert volume.complete
    assert READY - timedelta(minutes=3) < volume.time < READY
    assert {m for s in volume.sweeps for m in s.moments} == {
        "DBTH", "DBZH", "ZDR", "RHOHV", "PHIDP", "VRADH"
    }  # fmt: skip


def test_missing_late_and_duplicate_files(arrive, clean):
    assert arrive({"kind": "missing"}) == []
    (late,) = arrive({"kind": "late", "delay_s": 540})
    assert (late.at, late.data) == (READY + timedelta(minutes=9), clean.data)
    assert due([late], READY + timedelta(minutes=6)) == ([], [late])
    assert due([late], READY + timedelta(minutes=12)) == ([late], [])
    one, two = arrive({"kind": "duplicate"})
    assert one.data == two.data == clean.data
    assert one.name == clean.name != two.name
    assert read(two).time == read(clean).time


def test_damaged_files_are_refused_or_named(arrive, clean):
    blocks = bz2.compress(gzip.decompress(clean.data), 1)
    (cut,) = arrive({"kind": "truncated"})
    assert cut.data == blocks[: len(blocks) // 2]
    assert not read(cut).complete
    (corrupt,) = arrive({"kind": "corrupt"})
    assert len(corrupt.data) == len(blocks)
    assert corrupt.name == clean.name.replace(".gz", ".bz2")
    with pytest.raises(DataError, match=corrupt.name):  # bzip2 has a checksum a block
        read(corrupt)


def test_a_wrong_clock_is_in_the_name_and_in_every_ray(arrive, clean):
    (ahead,) = arrive({"kind": "wrong_clock", "offset_s": 1800})
    shift = timedelta(minutes=30)
    volume, true = read(ahead), read(clean)
    assert ahead.at == READY
    assert volume.time == true.time + shift
    assert f"{volume.time:%Y%m%d%H%M%S}" in ahead.name
    np.testing.assert_allclose(volume.sweeps[0].time_s, true.sweeps[0].time_s + 1800, atol=1e-5)


def test_a_miscalibrated_radar_reads_high(arrive, clean):
    (high,) = arrive({"kind": "miscalibrated", "offset_db": 6})
    values = [read(c).sweeps[0].moments["DBZH"].values() for c in (high, clean)]
    both = np.isfinite(values[0]) & np.isfinite(values[1])
    assert np.median((values[0] - values[1])[both]) == pytest.approx(6.0, abs=0.26)


def test_faults_end_and_strike_their_share(arrive, clean):
    assert len(arrive({"kind": "missing", "from_min": 12})) == 1
    assert len(arrive({"kind": "missing", "to_min": 6})) == 1
    half = {"kind": "missing", "share": 0.5}
    readies = [READY + k * timedelta(minutes=6) for k in range(4)]
    lost = [not arrive(half, ready=ready) for ready in readies]
    assert lost == [not arrive(half, ready=ready) for ready in readies]
    assert 0 < sum(lost) < 4
