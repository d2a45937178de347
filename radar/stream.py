"""Volumes as they arrive: bytes in, each cut out as soon as it is whole."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.radar import interop, legacy, standard
from jinghu.radar.container import MAX_BYTES, Unpacked, Unpacker
from jinghu.radar.decode import decode_unpacked, is_standard, legacy_site
from jinghu.radar.radials import Found
from jinghu.radar.sites import RadarSite
from jinghu.radar.standard_header import common_bytes, read_common_block
from jinghu.radar.standard_layout import MAGIC
from jinghu.radar.volume import Sweep, Volume

_BEGINNINGS = (0, 3, 5)  # states of radials: of a cut, of the volume, of an RHI
_ENDS = (2, 6)
_END_OF_VOLUME = 4


def read_sweeps(
    chunks: Iterable[bytes], source: str, sites: Mapping[str, RadarSite] | None = None
) -> Iterator[Sweep]:
    """Sweeps of one volume, each as soon as the chunks so far hold it whole.

    Parameters
    ----------
    chunks
        Bytes of the file in order, compressed or not, of any sizes.
    source, sites
        As for `jinghu.radar.decode.decode_volume`.

    Raises
    ------
    DataError
        What the decoder of whole files refuses; sweeps may have been given before.
    """
    stream = VolumeStream(source, sites)
    for chunk in chunks:
        yield from stream.feed(chunk)
    rest, _ = stream.finish()
    yield from rest


@dataclass(slots=True)
class _Run:
    """Radials of one cut that follow one another in the file."""

    cut: int
    start: int
    end: int
    state: int
    rays: int
    from_start: bool  # begins with the first radial of its cut


class VolumeStream:
    """One volume, fed as its bytes arrive.

    A cut is handed out when its last radial (state 2) is followed by another cut, when another cut
    has begun with two radials, or when its last radial ends the volume; and only if it stands in
    the file from its first radial on without damage. Damaged cuts, and those of arrays whose
    radials alternate, come in the end, when the decoder of whole files has seen everything: its
    volume is the result. A sweep that it sees otherwise than the stream did is handed out again
    (a changed byte in the first or last header of a cut shows only beside the cut's neighbours).

    Parameters
    ----------
    source, sites
        As for `jinghu.radar.decode.decode_volume`.
    max_bytes
        Limit of the decompressed bytes.
    """

    def __init__(
        self,
        source: str,
        sites: Mapping[str, RadarSite] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._source, self._sites = source, sites
        self._unpacker = Unpacker(source, max_bytes)
        self._find: Callable[[NDArray[np.uint8], int], Found] | None = None
        self._prefix = b""  # the common block, without which no radial can be decoded
        self._searched = 0
        self._run: _Run | None = None
        self._left: _Run | None = None  # a cut that another one followed, its end not seen
        self._begun: set[int] = set()
        self._given: list[Sweep] = []

    def feed(self, data: bytes) -> tuple[Sweep, ...]:
        """Take the next bytes of the file; returns the sweeps that they complete.

        Raises
        ------
        DataError
            Where the bytes so far show that this is no volume that can be decoded.
        """
        self._unpacker.feed(data)
        if self._find is None:
            self._open()
        if self._find is None:
            return ()
        found = self._find(np.frombuffer(self._unpacker.data, np.uint8), self._searched)
        self._searched = found.searched
        sweeps = [sweep for run in self._whole(found) for sweep in self._decode(run)]
        self._given += sweeps
        return tuple(sweeps)

    def finish(self) -> tuple[tuple[Sweep, ...], Volume]:
        """End the stream: the sweeps that were not handed out yet, and the whole volume.

        Raises
        ------
        DataError
            Names the file and the cause.
        """
        damage = self._unpacker.finish()
        if not self._unpacker.data:
            raise DataError(self._source, "; ".join(damage or ("the file is empty",)))
        unpacked = Unpacked(self._unpacker.data, damage)
        volume = decode_unpacked(unpacked, self._source, self._sites)
        rest = [s for s in volume.sweeps if not any(_same_rays(s, g) for g in self._given)]
        return tuple(rest), volume

    def _open(self) -> None:
        """Recognise the format, once its first header is there."""
        data = self._unpacker.data
        if len(data) < len(MAGIC) or (data[: len(MAGIC)] == MAGIC and len(data) < _enough(data)):
            return
        if interop.is_foreign(data):
            return  # can be read when it is whole
        if data[: len(MAGIC)] != MAGIC and len(data) < legacy.RADIAL_BYTES:
            return
        if not is_standard(data, self._source):
            legacy_site(self._source, self._sites)
            self._find = legacy.find_more
            return
        self._prefix = bytes(data[: common_bytes(data)])
        common = read_common_block(self._prefix, self._source, self._sites)
        self._find, self._searched = partial(standard.find_more, common=common), common.start

    def _whole(self, found: Found) -> Iterator[_Run]:
        """Runs that are whole cuts, now that these radials have been found."""
        for at, end, cut, state in zip(
            found.at.tolist(),
            found.end.tolist(),
            found.cut.tolist(),
            found.state.tolist(),
            strict=True,
        ):
            run = self._run
            if run is None or run.cut != cut:
                self._left = None
                if run is not None and run.from_start and run.rays > 1:
                    if run.state in _ENDS:
                        yield run
                    elif state in _BEGINNINGS:
                        self._left = run
                from_start = state in _BEGINNINGS and cut not in self._begun
                run = self._run = _Run(cut, at, end, state, 0, from_start)
                self._begun.add(cut)
            elif self._left is not None:
                yield self._left
                self._left = None
            run.end, run.state, run.rays = end, state, run.rays + 1
            if state == _END_OF_VOLUME and run.from_start and run.rays > 1:
                run.from_start = False  # it is given now, not when another cut follows
                yield run

    def _decode(self, run: _Run) -> tuple[Sweep, ...]:
        """Sweep of a run, if nothing in it is damaged."""
        cut = bytes(memoryview(self._unpacker.data)[run.start : run.end])
        try:
            volume = decode_unpacked(Unpacked(self._prefix + cut, ()), self._source, self._sites)
        except DataError:
            return ()  # the end of the stream will show whether the rest is as bad
        return volume.sweeps if volume.dropped_bytes == 0 else ()


def _enough(data: bytearray) -> int:
    """Bytes up to and with the header of the first radial; of either layout."""
    return common_bytes(data) + 128


def _same_rays(one: Sweep, other: Sweep) -> bool:
    return (
        one.elevation_deg == other.elevation_deg
        and np.array_equal(one.time_s, other.time_s)
        and np.array_equal(one.azimuth_deg, other.azimuth_deg)
    )
