"""Damaged files: nothing but DataError, no ray invented, every whole ray kept.

Ground truth: every ray of the made volumes is unlike all others, so that a decoded ray is known by
its codes. What a mutation touched, and what stands directly before missing or foreign bytes (of
which nothing shows where they begin), may be lost; everything else must be there.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest
from tests.radar.conftest import (
    ARRAY_SITE,
    SITE,
    array_volume,
    legacy_volume,
    standard_volume,
)

from jinghu.grid.errors import DataError
from jinghu.radar.decode import decode_volume
from jinghu.radar.encode import encode_legacy, encode_standard
from jinghu.radar.encode_array import RayOrder, encode_phased_array

MUTANTS = 20  # of each kind and format


@dataclass(frozen=True)
class Original:
    name: str
    raw: bytes
    offsets: np.ndarray  # of the radials, and the end
    rays: dict[bytes, tuple[int, int, float, float]]  # codes -> index, sweep, azimuth, time
    header_bytes: int


@dataclass
class Mutant:
    raw: bytes
    touched: set[int] = field(default_factory=set)  # rays that may be lost
    changed_gates: set[int] = field(default_factory=set)  # rays whose codes may differ
    refusable: bool = False


def original(volume, raw, start, header_bytes, in_time=False):
    """``in_time``: the first rays of all sweeps come first, then the second ones."""
    places = [(n, k) for n, sweep in enumerate(volume.sweeps) for k in range(sweep.n_rays)]
    if in_time:
        places.sort(key=lambda place: place[1])
    rays: dict[bytes, tuple[int, int, float, float]] = {}
    sizes = []
    for number, k in places:
        sweep = volume.sweeps[number]
        key = b"".join(n.encode() + m.codes[k].tobytes() for n, m in sweep.moments.items())
        rays[key] = (len(rays), number, float(sweep.azimuth_deg[k]), float(sweep.time_s[k]))
        moments = sweep.moments.values()
        data = sum(32 + m.codes.shape[1] * m.codes.itemsize for m in moments)
        sizes.append(2432 if start == 0 else header_bytes + data)
    offsets = start + np.concatenate([[0], np.cumsum(sizes)])
    assert offsets[-1] == len(raw)
    return Original(volume.source, raw, offsets, rays, header_bytes)


def array_original(order, rays=60):
    made = array_volume(0, rays)
    start = 416 + 640 * 2 + 256 * 3
    raw = encode_phased_array(made, order, beams=2)
    return original(made, raw, start, 128, in_time=order == RayOrder.TIME)


STANDARD = original(standard_volume(), encode_standard(standard_volume()), 416 + 3 * 256, 64)
LEGACY = original(legacy_volume(), encode_legacy(legacy_volume()), 0, 128)
ARRAY = array_original(RayOrder.AZIMUTH_FIRST)
ARRAY_IN_TIME = array_original(RayOrder.TIME)
FORMATS = {"standard": STANDARD, "legacy": LEGACY, "array": ARRAY, "array-time": ARRAY_IN_TIME}
every_format = pytest.mark.parametrize("whole", FORMATS.values(), ids=FORMATS.keys())
SITES = {SITE.code: SITE, ARRAY_SITE.code: ARRAY_SITE}


def ray_of(whole, at):
    return int(np.searchsorted(whole.offsets, at, side="right")) - 1


def cut_short(whole, random):
    at = int(random.integers(whole.offsets[1], len(whole.raw)))
    first = ray_of(whole, at)
    # A part of the next header does not show that it is the next.
    part = 0 < at - whole.offsets[first] < whole.header_bytes
    return Mutant(whole.raw[:at], set(range(first - part, len(whole.rays))))


def byte_in_header(whole, random):
    """One byte of one header, of the radial or (standard) of its first moment."""
    ray = int(random.integers(len(whole.rays)))
    span = whole.header_bytes + (0 if whole is LEGACY else 32)
    at = int(whole.offsets[ray] + random.integers(span))
    raw = bytearray(whole.raw)
    raw[at] ^= int(random.integers(1, 256))
    return Mutant(bytes(raw), {ray, ray - 1})


def bit_in_gates(whole, random):
    ray = int(random.integers(len(whole.rays)))
    raw = bytearray(whole.raw)
    at = int(random.integers(whole.offsets[ray] + whole.header_bytes + 96, whole.offsets[ray + 1]))
    raw[at] ^= 1 << int(random.integers(8))
    # In the standard format it may be the header of a later moment of the ray.
    return Mutant(bytes(raw), {ray}, {ray})


def dropped_radials(whole, random):
    first = int(random.integers(1, len(whole.rays) - 1))
    last = min(first + int(random.integers(1, 40)), len(whole.rays))
    raw = whole.raw[: whole.offsets[first]] + whole.raw[whole.offsets[last] :]
    return Mutant(raw, set(range(first - 1, last)))


def repeated_radials(whole, random):
    first = int(random.integers(len(whole.rays) - 1))
    last = min(first + int(random.integers(1, 40)), len(whole.rays))
    start, end = whole.offsets[first], whole.offsets[last]
    return Mutant(whole.raw[:end] + whole.raw[start:])


def garbage_between(whole, random):
    ray = int(random.integers(1, len(whole.rays)))
    at = whole.offsets[ray]
    noise = random.integers(0, 256, int(random.integers(1, 5000)), np.uint8).tobytes()
    return Mutant(whole.raw[:at] + noise + whole.raw[at:], {ray - 1})


def zeros_between(whole, random):
    ray = int(random.integers(1, len(whole.rays)))
    at = whole.offsets[ray]
    return Mutant(whole.raw[:at] + bytes(int(random.integers(1, 5000))) + whole.raw[at:], {ray - 1})


def lost_bytes(whole, random):
    start = int(random.integers(whole.offsets[0] + 1, len(whole.raw) - 2))
    end = min(start + int(random.integers(1, 6000)), len(whole.raw))
    first, last = ray_of(whole, start), ray_of(whole, end - 1)
    if start - whole.offsets[first] == end - whole.offsets[last] and last == len(whole.rays) - 1:
        end -= 1  # the head of a ray and the tail of the last one, of one size: nobody can tell
    return Mutant(whole.raw[:start] + whole.raw[end:], set(range(first - 1, last + 1)))


def spliced(whole, random):
    """The head of one ray and the tail of a later one of the same size."""
    sizes = np.diff(whole.offsets)
    first = int(random.integers(len(sizes) - 2))
    alike = first + 1 + np.flatnonzero(sizes[first + 1 : -1] == sizes[first])
    if len(alike) == 0:
        return Mutant(whole.raw)
    last = int(random.choice(alike[:40]))
    inside = int(random.integers(1, sizes[first]))
    start, end = int(whole.offsets[first]) + inside, int(whole.offsets[last]) + inside
    return Mutant(whole.raw[:start] + whole.raw[end:], set(range(first - 1, last + 1)))


def put_in(whole, random):
    """Bytes of elsewhere inside a ray."""
    ray = int(random.integers(len(whole.rays)))
    at = int(random.integers(whole.offsets[ray] + 1, whole.offsets[ray + 1]))
    start = int(random.integers(whole.offsets[0], len(whole.raw) - 1))
    n = int(random.integers(1, 6000))
    if random.integers(2):
        n = int(whole.offsets[ray + 1] - whole.offsets[ray])
    return Mutant(whole.raw[:at] + whole.raw[start : start + n] + whole.raw[at:], {ray - 1, ray})


def overwritten(whole, random):
    start = int(random.integers(whole.offsets[0], len(whole.raw) - 2))
    end = min(start + int(random.integers(2, 6000)), len(whole.raw))
    noise = random.integers(0, 256, end - start, np.uint8).tobytes()
    first, last = ray_of(whole, start), ray_of(whole, end - 1)
    rays = set(range(first - 1, last + 1))
    return Mutant(whole.raw[:start] + noise + whole.raw[end:], rays, rays)


def lying_header(whole, random):
    """Bytes of the common block (standard) or of the first header (legacy)."""
    raw = bytearray(whole.raw)
    end = int(whole.offsets[0]) or 128
    for at in random.integers(0, end, int(random.integers(1, 20))):
        raw[at] = int(random.integers(256))
    return Mutant(bytes(raw), set(range(len(whole.rays))), refusable=True)


def few_bytes_anywhere(whole, random):
    """Two or three bytes anywhere behind the common block."""
    raw = bytearray(whole.raw)
    rays = set()
    for at in random.integers(whole.offsets[0], len(raw), int(random.integers(2, 4))):
        raw[at] ^= int(random.integers(1, 256))
        rays |= {ray_of(whole, at), ray_of(whole, at) - 1}
    return Mutant(bytes(raw), rays, rays)


def swapped_blocks(whole, random):
    """Two blocks of rays change places, as packets of a network do."""
    first, middle, last = np.sort(random.choice(len(whole.rays) + 1, 3, replace=False))
    a, b, c = (int(whole.offsets[k]) for k in (first, middle, last))
    raw = whole.raw[:a] + whole.raw[b:c] + whole.raw[a:b] + whole.raw[c:]
    return Mutant(raw, set(range(max(first - 1, 0), last)))


def riffled(whole, random):
    """Two blocks of rays that alternate, as two connections write into one file."""
    n = int(random.integers(1, 20))
    first = int(random.integers(len(whole.rays) - 2 * n))
    at = [first + k // 2 + n * (k % 2) for k in range(2 * n)]
    body = b"".join(whole.raw[whole.offsets[k] : whole.offsets[k + 1]] for k in at)
    start, end = whole.offsets[first], whole.offsets[first + 2 * n]
    raw = whole.raw[:start] + body + whole.raw[end:]
    return Mutant(raw, set(range(max(first - 1, 0), first + 2 * n)))


KINDS = (
    cut_short, byte_in_header, bit_in_gates, dropped_radials, repeated_radials, garbage_between,
    zeros_between, lost_bytes, overwritten, lying_header, few_bytes_anywhere,
    swapped_blocks, riffled, spliced, put_in,
)  # fmt: skip


def decoded_rays(volume):
    for sweep in volume.sweeps:
        for k in range(sweep.n_rays):
            key = b"".join(n.encode() + m.codes[k].tobytes() for n, m in sweep.moments.items())
            yield key, sweep, k


@dataclass(frozen=True)
class Outcome:
    """What came of a mutant: rays that should have come and did not, and the reverse."""

    refused: bool
    given: int = 0
    lost: int = 0
    invented: int = 0
    changed: int = 0  # bytes were overwritten inside gate data, which cannot be seen
    displaced: int = 0
    unnamed: bool = False  # rays lack, and the volume says that it is whole


def outcome(whole, mutant, sites):
    """Decode a mutant, and count."""
    try:
        volume = decode_volume(mutant.raw, whole.name, sites)
    except DataError:
        left = 0 if mutant.refusable else len(set(range(len(whole.rays))) - mutant.touched)
        return Outcome(True, lost=left)
    found, foreign, displaced = set(), 0, 0
    spacing = 360 / volume.sweeps[0].n_rays
    for key, sweep, k in decoded_rays(volume):
        if key not in whole.rays:
            foreign += 1
            continue
        index, _, azimuth, time = whole.rays[key]
        off = (float(sweep.azimuth_deg[k]) - azimuth + 180) % 360 - 180
        displaced += abs(off) >= max(0.51 * spacing, 0.01) or abs(sweep.time_s[k] - time) >= 2.0
        displaced += index in found
        found.add(index)
    lost = set(range(len(whole.rays))) - found - mutant.touched
    fewer = mutant.raw != whole.raw and len(found) < len(whole.rays)
    return Outcome(
        refused=False,
        given=len(found) + foreign,
        lost=0 if mutant.refusable else len(lost),
        invented=0 if mutant.refusable else max(foreign - len(mutant.changed_gates), 0),
        changed=min(foreign, len(mutant.changed_gates)),
        displaced=displaced,
        unnamed=fewer and volume.complete and not mutant.changed_gates,
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@every_format
def test_mutants(whole, kind):
    for seed in range(MUTANTS):
        random = np.random.default_rng([seed, KINDS.index(kind)])
        came = outcome(whole, kind(whole, random), SITES)
        problems = (came.lost, came.invented, came.displaced, came.unnamed)
        assert problems == (0, 0, 0, False), f"seed {seed}: {came}"


@pytest.mark.parametrize("share", [0.01, 0.001, 0.0003])
@every_format
def test_bytes_flipped_throughout_refuse_the_file(whole, share):
    """Flips that hit no header hit gates, which cannot be seen; so many hit headers as well."""
    whole_of_many = repeated(whole)
    raw = np.frombuffer(whole_of_many.raw, np.uint8).copy()
    random = np.random.default_rng(1)
    start = int(whole_of_many.offsets[0])
    flipped = start + np.flatnonzero(random.uniform(size=len(raw) - start) < share)
    raw[flipped] ^= random.integers(1, 256, len(flipped)).astype(np.uint8)
    with pytest.raises(DataError, match=r"damaged throughout|no whole radial"):
        decode_volume(raw.tobytes(), whole_of_many.name, SITES)


def repeated(whole):
    """The same with 360 rays a sweep, so that there are as many headers as in a real file."""
    if whole is ARRAY or whole is ARRAY_IN_TIME:
        return array_original(RayOrder(int(whole is ARRAY)), 360)
    if whole is STANDARD:
        made = standard_volume(0, 360)
        return original(made, encode_standard(made), 416 + 3 * 256, 64)
    made = legacy_volume(0, 360)
    return original(made, encode_legacy(made), 0, 128)
