"""A folder with bad input: what is whole is used, what is not is named, nothing else changes."""

import bz2
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from jinghu.configs.settings import CONFIGS, GridSettings, load
from jinghu.cycle import CycleInputs, ingest, run_cycle
from jinghu.grid.spec import GridSpec
from jinghu.grid.store import Store
from jinghu.ingest import Ingested, Window, radar_files, read_volumes
from jinghu.radar.decode import decode_volume
from jinghu.radar.encode import encode_standard
from jinghu.radar.simulator.scan import volume_name
from jinghu.radar.simulator.truth import DropParams, make_drops
from jinghu.radar.sites import load_sites
from jinghu.simulate import make_network, scan_one
from jinghu.stages import StageLog
from jinghu.storm import StormParams, make_storm

ROOT = Path(__file__).parents[1]
TIME = datetime(2026, 6, 20, 6, 30, tzinfo=UTC)
SITES = load_sites(CONFIGS / "radar_sites.yaml")
GRID = GridSettings(x0_m=530_000.0, y0_m=3_230_000.0, nx=24, ny=24)
CUT, FLIPPED = "ZSIM4", "ZSIM5"  # the radars whose files get damaged


def name_of(code, time=TIME - timedelta(minutes=3)):
    return volume_name(SITES[code], time).removesuffix(".bz2")


def flipped(data, share, seed):
    raw = np.frombuffer(data, np.uint8).copy()
    random = np.random.default_rng(seed)
    hit = np.flatnonzero(random.uniform(size=len(raw)) < share)
    raw[hit] ^= random.integers(1, 256, len(hit)).astype(np.uint8)
    return raw.tobytes()


@pytest.fixture(scope="module")
def volumes():
    """Raw bytes of one volume of each simulated radar."""
    spec: GridSpec = GRID.working()
    storm = make_storm(spec, TIME - timedelta(hours=1), timedelta(hours=1), 1, StormParams())
    drops = make_drops(storm.motion(), DropParams(), np.random.default_rng(0))
    codes = ("ZSIM1", "ZSIM3", CUT, FLIPPED)
    network = make_network([SITES[code] for code in codes], 0)
    start = TIME - timedelta(minutes=3)
    return {
        code: encode_standard(scan_one(storm, drops, spec, network, code, start)) for code in codes
    }


def write(folder, files):
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def bad(volumes, tmp_path_factory):
    files = {name_of(code): raw for code, raw in volumes.items()}
    files[name_of(CUT)] = volumes[CUT][: int(0.6 * len(volumes[CUT]))]
    # The header stays: its damage would be caught too easily.
    head = 416 + 4 * 256
    raw = volumes[FLIPPED]
    files[name_of(FLIPPED)] = raw[:head] + flipped(raw[head:], 0.01, 3)
    files["Z_RADR_I_ZSIM2_20260620062700_O_DOR_YLD1_CAP_FMT.bin.bz2"] = b""
    files["Z_RADR_I_ZSIM2_20260620062800_O_DOR_YLD1_CAP_FMT.bin"] = b"not a radar volume\n" * 300
    files["Z_RADR_I_Z9999_20260620062700_O_DOR_SA_CAP_FMT.bin"] = (
        volumes["ZSIM1"][:32] + b"Z9999" + volumes["ZSIM1"][37:]
    )
    files[name_of("ZSIM3") + ".bz2"] = flipped(bz2.compress(volumes["ZSIM3"]), 0.01, 4)
    return write(tmp_path_factory.mktemp("bad") / "radar", files)


def test_each_is_used_or_named(bad, volumes):
    window = Window(TIME - timedelta(minutes=15), TIME)
    found = Ingested()
    read_volumes(radar_files([bad], window), SITES, window, found)
    assert {v.site.code for v in found.volumes} == {"ZSIM1", "ZSIM3", CUT}
    causes = {r.file.name: r.error.cause for r in found.refused}
    assert len(causes) == 5
    assert "the file is empty" in causes["Z_RADR_I_ZSIM2_20260620062700_O_DOR_YLD1_CAP_FMT.bin.bz2"]
    text = causes["Z_RADR_I_ZSIM2_20260620062800_O_DOR_YLD1_CAP_FMT.bin"]
    assert "not a radar volume" in text
    unknown = causes["Z_RADR_I_Z9999_20260620062700_O_DOR_SA_CAP_FMT.bin"]
    assert "unknown site 'Z9999'" in unknown
    assert "damaged throughout" in causes[name_of(FLIPPED)]
    assert "bzip2 stream is damaged" in causes[name_of("ZSIM3") + ".bz2"]
    (cut,) = (v for v in found.volumes if v.site.code == CUT)
    assert not cut.complete
    whole = decode_volume(volumes[CUT], name_of(CUT), SITES)
    assert cut.dropped_bytes < 64 + 8 * 32 + 9 * 420  # less than a ray
    for one, other in zip(cut.sweeps, whole.sweeps, strict=False):
        for name, moment in one.moments.items():
            np.testing.assert_array_equal(moment.codes, other.moments[name].codes[: one.n_rays])


def test_folders_files_and_names(tmp_path):
    window = Window(TIME - timedelta(minutes=15), TIME)
    names = [
        name_of("ZSIM1"),
        name_of("ZSIM1", TIME - timedelta(hours=2)),  # by its name long ago: not read
        "Z_RADR_I_ZSIM1_20269999999999_O_DOR_SA.bin",  # no time: read
        "notes.txt",
        ".hidden",
    ]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    found = [p.name for p in radar_files([tmp_path], window)]
    assert found == sorted([names[0], names[2], names[3]])
    assert [p.name for p in radar_files([tmp_path / names[4]], window)] == []


def test_the_same_volume_twice_counts_once_and_wrong_clocks_are_refused(volumes, tmp_path):
    window = Window(TIME - timedelta(minutes=15), TIME)
    (tmp_path / name_of("ZSIM1")).write_bytes(volumes["ZSIM1"])
    (tmp_path / (name_of("ZSIM1") + ".bz2")).write_bytes(bz2.compress(volumes["ZSIM1"]))
    early = window.start - timedelta(hours=3)
    (tmp_path / name_of("ZSIM3", TIME)).write_bytes(volumes["ZSIM3"])
    found = Ingested()
    read_volumes(radar_files([tmp_path], window), SITES, window, found)
    assert [v.site.code for v in found.volumes] == ["ZSIM1", "ZSIM3"]
    assert found.duplicates == 1
    late = Window(early, early + timedelta(minutes=15))
    (tmp_path / name_of("ZSIM3", early)).write_bytes(volumes["ZSIM3"])
    found = Ingested()
    read_volumes(radar_files([tmp_path], late), SITES, late, found)
    assert not found.volumes
    (refused,) = found.refused
    assert "clock or name wrong" in refused.error.cause


def test_absent_files_are_refused_by_name(tmp_path):
    found = Ingested()
    read_volumes([tmp_path / "absent.bin"], SITES, Window(TIME, TIME), found)
    assert str(found.refused[0].error) == "absent.bin: No such file or directory"


def cycle(folder, store):
    settings = load(CONFIGS / "demo.yaml").with_store(store)
    settings = settings.model_copy(update={"grid": GRID})
    inputs = CycleInputs(TIME, TIME + timedelta(minutes=1), [folder], [])
    return run_cycle(settings, inputs, Console(quiet=True))


def test_products_are_those_of_a_clean_folder(bad, volumes, tmp_path):
    """Without the damaged two, and with them removed; the store names and keeps what it refused."""
    damaged = {name_of(CUT), name_of(FLIPPED)}
    kept = {p.name: p.read_bytes() for p in bad.iterdir() if p.name not in damaged}
    without = write(tmp_path / "without", kept)
    clean = write(tmp_path / "clean", {name_of(code): volumes[code] for code in ("ZSIM1", "ZSIM3")})
    result = cycle(without, tmp_path / "a")
    cycle(clean, tmp_path / "b")
    part = "cycles/20260620T0630Z/fast"
    for product in ("products.zarr", "working.zarr"):
        with (
            xr.open_zarr(tmp_path / "a" / part / product) as one,
            xr.open_zarr(tmp_path / "b" / part / product) as other,
        ):
            xr.testing.assert_identical(one.load(), other.load())
    manifest = json.loads((tmp_path / "a" / part / "manifest.json").read_text(encoding="utf-8"))
    refused = {entry["file"]: entry["cause"] for entry in manifest["inputs"]["refused"]}
    assert len(refused) == len(result.ingested.refused) == 4
    reasons = list((tmp_path / "a" / "quarantine").glob("*.reason.json"))
    assert {json.loads(p.read_text(encoding="utf-8"))["cause"] for p in reasons} == set(
        refused.values()
    )


def test_damage_is_named_and_quarantined(bad, tmp_path):
    settings = load(CONFIGS / "demo.yaml").with_store(tmp_path)
    log = StageLog(Console(quiet=True))
    inputs = CycleInputs(TIME, TIME + timedelta(minutes=1), [bad], [])
    found = ingest(settings, inputs, Store(tmp_path).create(), log)
    assert {v.site.code for v in found.volumes} == {"ZSIM1", "ZSIM3", CUT}
    assert any(name_of(CUT) in d and "whole rays are used" in d for d in log.degradations)
    assert any(name_of(FLIPPED) in d and "damaged throughout" in d for d in log.degradations)
    kept = {p.name.split("-", 1)[1] for p in (tmp_path / "quarantine").iterdir()}
    assert {name_of(FLIPPED), name_of(FLIPPED) + ".reason.json"} <= kept
    assert name_of(CUT) not in kept


def test_real_volumes_cut_and_flipped(tmp_path):
    folder = Path(os.environ.get("JINGHU_DATA", ROOT / ".." / "shared" / "data"))
    folder = folder / "zhejiang_lekima_2019" / "radar"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist (set JINGHU_DATA)")
    name = "Z_RADR_I_Z9571_20190809160100_O_DOR_SA_CAP.bin.bz2"
    packed = (folder / name).read_bytes()
    raw = bz2.decompress(packed)
    whole = decode_volume(packed, name, SITES)
    cut = decode_volume(raw[: 2432 * 1000 + 700], name, SITES)
    assert sum(s.n_rays for s in cut.sweeps) == 1000
    assert cut.dropped_bytes == 700
    for one, other in zip(cut.sweeps, whole.sweeps, strict=False):
        for moment in one.moments:
            codes = other.moments[moment].codes[: one.n_rays]
            np.testing.assert_array_equal(one.moments[moment].codes, codes)
    window = Window(whole.time, whole.time)
    for k, data in enumerate((flipped(raw, 0.01, 1), flipped(packed, 0.01, 2))):
        found = Ingested()
        file = tmp_path / f"{k}-{name}"
        file.write_bytes(data)
        read_volumes([file], SITES, window, found)
        assert not found.volumes
        assert len(found.refused) == 1
