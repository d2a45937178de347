"""Unpacking keeps what precedes damage, and no more than a limit."""

import bz2
import gzip

import numpy as np
import pytest

from jinghu.grid.errors import DataError
from jinghu.radar.container import Unpacker, unpack

NOISE = np.random.default_rng(0).integers(0, 256, 2_000_000, np.uint8).tobytes()


def test_bombs_are_refused():
    bomb = bz2.compress(bytes(30 * 2**20))
    assert len(bomb) < 1000
    with pytest.raises(DataError, match="unpacks to more than 1 MiB"):
        unpack(bomb, "x.bz2", max_bytes=2**20)
    with pytest.raises(DataError, match="unpacks to more than 1 MiB"):
        unpack(gzip.compress(bytes(30 * 2**20)), "x.gz", max_bytes=2**20)


def test_bytes_come_though_somebody_still_looks_at_the_earlier_ones():
    unpacker = Unpacker("x")
    unpacker.feed(NOISE[:1000])
    looked_at = np.frombuffer(unpacker.data, np.uint8)
    unpacker.feed(NOISE[1000:5000])
    assert unpacker.data == NOISE[:5000]
    assert looked_at.tobytes() == NOISE[:1000]


def test_streams_follow_one_another():
    packed = bz2.compress(NOISE[:1000]) + bz2.compress(NOISE[1000:5000])
    assert unpack(packed, "x", 2**20).data == NOISE[:5000]


def test_garbage_after_the_stream_is_named_and_zeros_are_not():
    assert unpack(bz2.compress(NOISE) + b"\0" * 100, "x").damage == ()
    found = unpack(bz2.compress(NOISE) + b"garbage", "x")
    assert found.data == NOISE
    assert found.damage == ("7 bytes after the bzip2 stream",)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_stream_gives_whole_blocks(share):
    packed = bz2.compress(NOISE)  # blocks of 900,000 bytes
    found = unpack(packed[: int(share * len(packed))], "x")
    assert found.damage == ("the bzip2 stream is cut short",)
    assert NOISE.startswith(found.data)
    assert len(found.data) >= 900_000 * int(share * 2_000_000 / 900_000) - 20_000 * 45


@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_of_a_damaged_stream_only_checked_blocks_are_given(share):
    packed = bytearray(bz2.compress(NOISE))
    packed[int(share * len(packed))] ^= 0x10
    found = unpack(bytes(packed), "x")
    assert found.damage
    assert NOISE.startswith(found.data)


def test_a_cut_gzip_stream_gives_its_beginning():
    found = unpack(gzip.compress(NOISE)[:1_000_000], "x")
    assert found.damage == ("the gzip stream is cut short",)
    assert NOISE.startswith(found.data)
    assert len(found.data) > 900_000
