"""Cuts come as soon as they are whole, and in the end the result is that of the whole file."""

import bz2
import gzip
import re
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.radar.conftest import ROOT, SITE
from tests.radar.test_damage import (
    ARRAY,
    ARRAY_IN_TIME,
    FORMATS,
    KINDS,
    LEGACY,
    SITES,
    STANDARD,
    byte_in_header,
    few_bytes_anywhere,
    riffled,
    swapped_blocks,
)

from jinghu.grid.errors import DataError
from jinghu.radar.decode import decode_volume
from jinghu.radar.sites import load_sites
from jinghu.radar.stream import VolumeStream, read_sweeps
from jinghu.radar.volume import Sweep


def same_sweep(one, other):
    if set(one.moments) != set(other.moments):
        return False
    for name, moment in one.moments.items():
        like = other.moments[name]
        if not np.array_equal(moment.codes, like.codes):
            return False
        if (moment.scale, moment.gate_m) != (like.scale, like.gate_m):
            return False
    alike = [f.name for f in fields(one) if f.name != "moments"]
    return all(np.array_equal(getattr(one, n), getattr(other, n)) for n in alike)


def chunks_of(data, size):
    return [data[k : k + size] for k in range(0, len(data), size)]


def stream_of(data, name, size, sites=SITES):
    """The sweeps that came early, each with the bytes that were needed, the rest, the volume."""
    stream, early, fed = VolumeStream(name, sites), [], 0
    for chunk in chunks_of(data, size):
        fed += len(chunk)
        early += [(sweep, fed) for sweep in stream.feed(chunk)]
    rest, volume = stream.finish()
    return early, rest, volume


def assert_volumes_equal(one, other):
    assert len(one.sweeps) == len(other.sweeps)
    assert all(same_sweep(a, b) for a, b in zip(one.sweeps, other.sweeps, strict=True))
    assert (one.damage, one.dropped_bytes, one.site) == (
        other.damage,
        other.dropped_bytes,
        other.site,
    )
    assert (one.time, one.end_time, one.task) == (other.time, other.end_time, other.task)


@pytest.mark.parametrize("pack", [bytes, bz2.compress, gzip.compress])
@pytest.mark.parametrize("size", [1, 37, 4096, 10**9])
@pytest.mark.parametrize("name", FORMATS)
def test_any_chunks_give_what_the_whole_file_gives(name, size, pack):
    whole = FORMATS[name]
    data = pack(whole.raw[:9000] if size == 1 else whole.raw)
    early, rest, volume = stream_of(data, whole.name, size)
    assert_volumes_equal(volume, decode_volume(data, whole.name, SITES))
    given_out = [sweep for sweep, _ in early] + list(rest)
    assert len(given_out) == len(volume.sweeps)
    for sweep in volume.sweeps:
        assert sum(same_sweep(sweep, g) for g in given_out) == 1


@pytest.mark.parametrize("whole", [STANDARD, LEGACY, ARRAY], ids=["standard", "legacy", "array"])
def test_a_cut_comes_with_the_first_header_behind_it(whole):
    early, rest, _ = stream_of(whole.raw, whole.name, 16)
    assert not rest
    ends = [int(whole.offsets[60 * k]) for k in (1, 2, 3)]
    for (_, fed), end in zip(early, ends, strict=True):
        assert end <= fed <= end + 3000 or fed == len(whole.raw)


def test_alternating_cuts_come_in_the_end():
    early, rest, volume = stream_of(ARRAY_IN_TIME.raw, ARRAY_IN_TIME.name, 1000)
    assert early == []
    assert len(rest) == len(volume.sweeps) == 3


def test_a_cut_without_its_end_comes_when_the_next_has_two_radials():
    last, third = (int(STANDARD.offsets[k]) for k in (59, 62))
    raw = STANDARD.raw[:last] + STANDARD.raw[int(STANDARD.offsets[60]) :]
    early, _, _ = stream_of(raw, STANDARD.name, 16)
    assert early[0][0].n_rays == 58  # that before the gap may lack bytes
    assert early[0][1] < third + 200


@pytest.mark.parametrize("name", FORMATS)
def test_of_damaged_files_no_ray_is_given_that_the_whole_file_does_not_hold(name):
    whole = FORMATS[name]
    for kind in KINDS:
        for seed in range(4):
            random = np.random.default_rng([seed, KINDS.index(kind)])
            raw = kind(whole, random).raw
            stream, early = VolumeStream(whole.name, SITES), list[Sweep]()
            try:
                for chunk in chunks_of(raw, 3000):
                    early += stream.feed(chunk)
                rest, volume = stream.finish()
            except DataError as error:
                with pytest.raises(DataError, match=re.escape(error.cause)):
                    decode_volume(raw, whole.name, SITES)
                continue
            assert_volumes_equal(volume, decode_volume(raw, whole.name, SITES))
            for sweep in volume.sweeps:
                assert any(same_sweep(sweep, g) for g in [*early, *rest])
            if kind not in (byte_in_header, few_bytes_anywhere, swapped_blocks, riffled):
                # Of these, other cuts show what the cut itself does not: `VolumeStream`.
                assert all(any(same_sweep(s, v) for v in volume.sweeps) for s in early)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=40), st.booleans())
def test_chunks_of_any_sizes(sizes, packed):
    data = bz2.compress(STANDARD.raw) if packed else STANDARD.raw
    cuts = [0, *np.minimum(np.cumsum(sizes), len(data)).tolist(), len(data)]
    chunks = [data[a:b] for a, b in pairwise(cuts)]
    found = list(read_sweeps(chunks, STANDARD.name, SITES))
    wanted = decode_volume(STANDARD.raw, STANDARD.name, SITES).sweeps
    assert all(same_sweep(a, b) for a, b in zip(found, wanted, strict=True))


def test_streams_that_follow_one_another_and_garbage():
    raw = STANDARD.raw
    data = bz2.compress(raw[:9000]) + bz2.compress(raw[9000:]) + b"garbage"
    early, rest, volume = stream_of(data, STANDARD.name, 100)
    assert len(early) + len(rest) == 3
    assert volume.damage == ("7 bytes after the bzip2 stream",)


@pytest.mark.parametrize(
    ("data", "name", "cause"),
    [
        (b"", "x.bin", "the file is empty"),
        (b"R", "x.bin", "not a radar volume"),
        (b"radar volume of 06:00\n" * 500, "x.bin", "not a radar volume"),
        (b"AR2V0006." + bytes(5000), "x.bin", "xradar"),
        (STANDARD.raw[:700], "x.bin", "cut inside the table of cuts"),
        (LEGACY.raw, "x.bin", "without a site code"),
        (LEGACY.raw.replace(b"x", b"x"), "Z_RADR_I_Z9999_x.bin", "unknown site"),
        (STANDARD.raw[:32] + b"Z9999" + STANDARD.raw[37:], "x.bin", "unknown site 'Z9999'"),
    ],
)
def test_refusals_come_as_early_as_they_can(data, name, cause):
    with pytest.raises(DataError, match=cause):
        stream_of(data, name, 1000)


def test_bombs_are_refused():
    bomb = bz2.compress(STANDARD.raw + bytes(30 * 2**20))
    stream = VolumeStream(STANDARD.name, {SITE.code: SITE}, max_bytes=2**20)
    with pytest.raises(DataError, match="unpacks to more than 1 MiB"):
        [stream.feed(chunk) for chunk in chunks_of(bomb, 1000)]


@pytest.mark.parametrize(
    ("pattern", "share"),
    [
        ("cinrad_standard_format/*ZG170*", 0.2),
        # bzip2 gives nothing before its first block is there, and the block is a quarter of the
        # file; the first cut of Z9090 ends in the second block.
        ("cinrad_standard_format/*Z9090*", 0.35),
        ("zhejiang_lekima_2019/radar/*Z9571*", 0.25),
    ],
)
def test_the_first_cut_of_a_real_file_comes_early(pattern, share, data_folder):
    (file,) = data_folder.glob(pattern)
    sites = load_sites(ROOT / "configs" / "radar_sites.yaml") if "Z9571" in file.name else None
    packed = file.read_bytes()
    early, rest, volume = stream_of(packed, file.name, 16_384, sites)
    assert early[0][1] <= share * len(packed)
    assert_volumes_equal(volume, decode_volume(packed, file.name, sites))
    assert rest == ()
    raw = bz2.decompress(packed)
    early, _, _ = stream_of(raw, file.name, 16_384, sites)
    assert early[0][1] <= 0.2 * len(raw) + 2 * 16_384
