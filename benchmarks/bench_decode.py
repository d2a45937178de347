"""Decoding speed against a plain reader, in one process: CPU seconds, best of several runs.

The peer is written here from the byte tables with struct and numpy, radial by radial, as the open
Python readers of the format are; those are GPL or non-commercial and are not imported. Both decode
the same bytes to the same arrays of codes, which is checked. The decoder also checks every header;
the peer believes all it reads. The peer copies all codes; the decoder sees those of one byte where
they stand in the file. "Memory" is the file and what decoding it allocates at most, over the bytes
of the codes; "first cut" the share of the (compressed) bytes after which it is handed out. Real
files are read where JINGHU_DATA (or ../shared/data) has them.
"""

import bz2
import os
import struct
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from jinghu.radar.decode import decode_volume
from jinghu.radar.encode import encode_standard
from jinghu.radar.encode_array import RayOrder, encode_phased_array
from jinghu.radar.sites import RadarSite, load_sites
from jinghu.radar.standard_layout import MOMENT_NAMES
from jinghu.radar.stream import VolumeStream
from jinghu.radar.volume import Moment, Sweep, Volume

ROOT = Path(__file__).parents[1]
RUNS = 5
Codes = list[dict[str, np.ndarray]]


def plain_standard(raw: bytes) -> Codes:
    """Cuts in order, each name -> (ray, gate) codes."""
    array = raw[8] == 16
    n_beams, n_cuts = struct.unpack_from("<ii", raw, 328) if array else (0, raw[336])
    at, cuts = 416 + 640 * n_beams + 256 * n_cuts, [dict() for _ in range(n_cuts)]
    header, moments_at = (128, 44) if array else (64, 40)
    while at < len(raw):
        (cut,) = struct.unpack_from("<i", raw, at + 16)
        (n_moments,) = struct.unpack_from("<i", raw, at + moments_at)
        at += header
        for _ in range(n_moments):
            kind, _, _, width, _, size = struct.unpack_from("<iiihhi", raw, at)
            if kind in MOMENT_NAMES:
                codes = np.frombuffer(raw, f"<u{width}", size // width, at + 32)
                cuts[cut - 1].setdefault(MOMENT_NAMES[kind], []).append(codes)
            at += 32 + size
    return [{name: np.stack(rays) for name, rays in cut.items()} for cut in cuts if cut]


def plain_legacy(raw: bytes) -> Codes:
    """The same of legacy radials."""
    cuts: dict[int, dict[str, list[np.ndarray]]] = {}
    for at in range(0, len(raw) - 2431, 2432):
        (cut,) = struct.unpack_from("<H", raw, at + 44)
        n_ref, n_dop = struct.unpack_from("<2H", raw, at + 54)
        pointers = struct.unpack_from("<3H", raw, at + 64)
        for name, n, pointer in zip(
            ("DBZH", "VRADH", "WRADH"), (n_ref, n_dop, n_dop), pointers, strict=True
        ):
            if n and pointer:
                codes = np.frombuffer(raw, "u1", n, at + 28 + pointer)
                cuts.setdefault(cut, {}).setdefault(name, []).append(codes)
    return [{n: np.stack(rays) for n, rays in cuts[cut].items()} for cut in sorted(cuts)]


def best_cpu_s(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


Z, V, DUAL = (("DBTH", 2, 66), ("DBZH", 2, 66)), (("VRADH", 2, 129), ("WRADH", 2, 129)), (
    ("ZDR", 16, 130), ("RHOHV", 200, 5), ("PHIDP", 100, 50), ("KDP", 10, 50), ("SNRH", 2, 20)
)  # fmt: skip
START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)


def made_sweep(
    elevation: float,
    start_s: float,
    layout: dict[str, tuple[int, int, int]],
    gate_m: float,
    rays: int,
) -> Sweep:
    """``layout``: name -> (gates, scale, offset); half of the gates hold echo."""
    random = np.random.default_rng(0)
    moments = {}
    for name, (gates, scale, offset) in layout.items():
        wide = name == "PHIDP"
        codes = random.integers(5, 160, (rays, gates)).astype(np.uint16 if wide else np.uint8)
        codes[:, gates // 2 :] = 0
        moments[name] = Moment(codes, float(scale), float(offset), 5, gate_m, gate_m / 2)
    azimuth = (np.arange(rays) * 360 / rays + 10) % 360
    time_s = start_s + np.arange(rays) * 0.08
    return Sweep(
        elevation, azimuth.astype(np.float32), np.full(rays, elevation, np.float32), time_s, 27.0,
        moments, 1014.0,
    )  # fmt: skip


def s_band_volume() -> Volume:
    """VCP21D: nine elevations in eleven cuts, 366 rays, gates of 250 m, dual polarisation."""

    def layout(gates: int, doppler: int) -> dict[str, tuple[int, int, int]]:
        kinds = {name: (gates, scale, offset) for name, scale, offset in (*Z, *DUAL)}
        return kinds | {n: (doppler, scale, offset) for n, scale, offset in V if doppler}

    cuts = [(0.5, layout(1840, 0)), (0.5, layout(1320, 1320))]
    cuts += [(1.5, layout(1840, 0)), (1.5, layout(1320, 1320))]
    cuts += [(e, layout(1840, 1320)) for e in (2.4, 3.3, 4.3, 6.0, 9.9, 14.6, 19.5)]
    start = START.timestamp()
    sweeps = [made_sweep(e, start + 32 * k, kinds, 250.0, 366) for k, (e, kinds) in enumerate(cuts)]
    site = RadarSite("ZSIM1", "模拟", "Simulated", 29.524, 120.539, 1096.0, "S")
    end = START + timedelta(seconds=32 * len(cuts))
    return Volume(site, START, end, tuple(sweeps), "encoded VCP21D", "CINRAD standard", "VCP21D")


def array_volume() -> Volume:
    """A phased array as large as a published one: 62 cuts, 269 rays, 2,000 gates, 12 moments."""
    more = (("SQIH", 200, 0), ("SNRV", 2, 20), ("DBZHC", 2, 66))
    layout = {name: (2000, scale, offset) for name, scale, offset in (*Z, *V, *DUAL, *more)}
    like = made_sweep(0.0, START.timestamp(), layout, 30.0, 269)
    elevation = 0.75 + 0.75 * np.arange(62)
    sweeps = [
        replace(like, elevation_deg=float(e), ray_elevation_deg=np.full(269, e, np.float32))
        for e in elevation
    ]
    site = RadarSite("ZSIM2", "模拟阵", "Simulated array", 30.05, 120.6, 120.0, "X", 1.2)
    end = START + timedelta(seconds=22)
    return Volume(site, START, end, tuple(sweeps), "encoded array", "CINRAD phased array", "VCP")


def first_cut(data: bytes, name: str, sites: dict[str, RadarSite] | None) -> float:
    """Share of the bytes after which the first cut is handed out, fed in pieces of 16 KiB."""
    stream, step = VolumeStream(name, sites), 2**14
    fed = (at + step for at in range(0, len(data), step) if stream.feed(data[at : at + step]))
    return min(next(fed, len(data)) / len(data), 1.0)


def memory_share(raw: bytes, name: str, sites: dict[str, RadarSite] | None) -> float:
    """The file and what decoding it allocates at most, over the bytes of the codes."""
    tracemalloc.start()
    volume = decode_volume(raw, name, sites)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    codes = sum(m.codes.nbytes for sweep in volume.sweeps for m in sweep.moments.values())
    return (len(raw) + peak) / codes


def compare(name: str, raw: bytes, packed: bytes | None, sites: dict[str, RadarSite]) -> None:
    standard = raw[:4] == b"RSTM"
    table = None if standard else sites
    plain = plain_standard if standard else plain_legacy
    ours, theirs = decode_volume(raw, name, table), plain(raw)
    for sweep, cut in zip(ours.sweeps, theirs, strict=True):
        for moment, codes in cut.items():
            np.testing.assert_array_equal(sweep.moments[moment].codes, codes)
    mine = best_cpu_s(lambda: decode_volume(raw, name, table))
    peer = best_cpu_s(lambda: plain(raw))
    early = first_cut(packed or raw, name, table)
    unpacking = best_cpu_s(lambda: bz2.decompress(packed)) if packed else float("nan")
    rays = sum(sweep.n_rays for sweep in ours.sweeps)
    print(
        f"{name[:34]:34} {len(raw) / 1e6:6.1f} MB {rays:5d} rays: jinghu {mine * 1000:7.1f} ms,"
        f" plain reader {peer * 1000:7.1f} ms, ratio {peer / mine:5.2f};"
        f" bzip2 {unpacking * 1000:6.1f} ms; memory {memory_share(raw, name, table):.2f} of the"
        f" codes; first cut {early:.0%}"
    )


def main() -> None:
    sites = load_sites(ROOT / "configs" / "radar_sites.yaml")
    compare("encoded VCP21D", encode_standard(s_band_volume()), None, sites)
    for order in RayOrder:
        raw = encode_phased_array(array_volume(), order, beams=8)
        compare(f"encoded array, {order.name.lower()}", raw, None, sites)
    folder = Path(os.environ.get("JINGHU_DATA", ROOT / ".." / "shared" / "data"))
    files = sorted((folder / "cinrad_standard_format").glob("*.bz2"))
    files += sorted((folder / "zhejiang_lekima_2019" / "radar").glob("*Z957[16]*.bz2"))
    for file in files:
        packed = file.read_bytes()
        compare(file.name, bz2.decompress(packed), packed, sites)
    if not files:
        print(f"no real files: {folder} holds none")


if __name__ == "__main__":
    main()
