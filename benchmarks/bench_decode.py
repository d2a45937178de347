"""Decoding speed against a plain reader, in one process: CPU seconds, best of several runs.

The peer is written here from the byte tables with struct and numpy, radial by radial, as the open
Python readers of the format are; those are GPL or non-commercial and are not imported. Both decode
the same bytes to the same arrays of codes, which is checked. The decoder also checks every header;
the peer believes all it reads. Real files are read where JINGHU_DATA (or ../shared/data) has them.
"""

import bz2
import os
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from jinghu.radar.decode import decode_volume
from jinghu.radar.encode import encode_standard
from jinghu.radar.sites import RadarSite, load_sites
from jinghu.radar.standard_layout import MOMENT_NAMES
from jinghu.radar.volume import Moment, Sweep, Volume

ROOT = Path(__file__).parents[1]
RUNS = 5
Codes = list[dict[str, np.ndarray]]


def plain_standard(raw: bytes) -> Codes:
    """Cuts in order, each name -> (ray, gate) codes."""
    (n_cuts,) = struct.unpack_from("<i", raw, 336)
    at, cuts = 416 + 256 * n_cuts, [dict() for _ in range(n_cuts)]
    while at < len(raw):
        (cut,) = struct.unpack_from("<i", raw, at + 16)
        (n_moments,) = struct.unpack_from("<i", raw, at + 40)
        at += 64
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


def s_band_volume() -> Volume:
    """VCP21: nine elevations in eleven cuts, 366 rays, gates of 250 m, half of them with echo."""
    random = np.random.default_rng(0)
    start = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
    z, v = (("DBZH", 1840, 66.0),), (("VRADH", 920, 129.0), ("WRADH", 920, 129.0))
    both = (("DBZH", 1320, 66.0), *v)
    cuts = [(0.5, z), (0.5, v), (1.5, z), (1.5, v)]
    cuts += [(e, both) for e in (2.4, 3.3, 4.3, 6.0, 9.9, 14.6, 19.5)]
    sweeps = []
    for k, (elevation, layout) in enumerate(cuts):
        moments = {}
        for name, gates, offset in layout:
            codes = random.integers(5, 160, (366, gates)).astype(np.uint8)
            codes[:, gates // 2 :] = 0
            moments[name] = Moment(codes, 2.0, offset, 5, 250.0, 125.0)
        azimuth = (np.arange(366) * 360 / 366 + 10 * k) % 360
        seconds = start.timestamp() + 32 * k + np.arange(366) * 0.08
        sweeps.append(
            Sweep(elevation, azimuth.astype(np.float32), np.full(366, elevation, np.float32),
                  seconds, 27.0, moments, 1014.0)
        )  # fmt: skip
    site = RadarSite("ZSIM1", "模拟", "Simulated", 29.524, 120.539, 1096.0, "S")
    end = start + timedelta(seconds=32 * len(cuts))
    return Volume(site, start, end, tuple(sweeps), "encoded VCP21", "CINRAD standard", "VCP21")


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
    unpacking = best_cpu_s(lambda: bz2.decompress(packed)) if packed else float("nan")
    rays = sum(sweep.n_rays for sweep in ours.sweeps)
    print(
        f"{name[:34]:34} {len(raw) / 1e6:6.1f} MB {rays:5d} rays: jinghu {mine * 1000:7.1f} ms,"
        f" plain reader {peer * 1000:7.1f} ms, ratio {peer / mine:5.2f};"
        f" bzip2 {unpacking * 1000:6.1f} ms"
    )


def main() -> None:
    sites = load_sites(ROOT / "configs" / "radar_sites.yaml")
    raw = encode_standard(s_band_volume())
    compare("encoded VCP21", raw, bz2.compress(raw), sites)
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
