"""Storm cells over Zhejiang, followed through the national composites of 2025-06-09.

How long tracks last, how their velocity differs from the field's, and how far forecast positions
lie from where the cells came to be, beside those of cells that stand still and of the field's
motion. Needs the real data (``JINGHU_DATA``).
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import xarray as xr
from sequences import DATA

from jinghu.composite_commands import composite_sequence, zhejiang
from jinghu.nowcast.cell_tracks import CellTracks, Track, TrackParams, track_cells
from jinghu.nowcast.cells import identify_cells
from jinghu.nowcast.nowcast import motion_of
from jinghu.radar.zr import ZRRelation

LEADS_MIN = (15, 30, 60)


def follow(rain: xr.Dataset) -> list[tuple[CellTracks, xr.Dataset]]:
    """Tracks after each field, and the motion that they were followed with."""
    tracks, out = None, []
    for k in range(1, rain.sizes["time"]):
        motion, _ = motion_of(rain.isel(time=slice(max(0, k - 3), k + 1)))
        tracks = track_cells(tracks, identify_cells(rain.isel(time=k)), motion)
        out.append((tracks, motion))
    return out


def field_motion(track: Track, motion: xr.Dataset) -> np.ndarray:
    at = motion.sel(x=track.cell.x_m, y=track.cell.y_m, method="nearest")
    return np.array([float(at["motion_x"]), float(at["motion_y"])])


def errors(steps: list[tuple[CellTracks, xr.Dataset]], minutes: int) -> np.ndarray:
    """(cell, 3) distance in m of still, field-moved and track-moved cells from where they are.

    Cells that merged or split in between are left out: their centre jumps.
    """
    found = []
    ahead = round(minutes / 6)
    for (now, motion), (later, _) in zip(steps, steps[ahead:], strict=False):
        seconds = float((later.time - now.time) / np.timedelta64(1, "s"))
        future = {t.number: t for t in later.tracks}
        for track in now.tracks:
            there = future.get(track.number)
            if there is None or there.steady > now.time or track.steady == now.time:
                continue
            start = np.array([track.cell.x_m, track.cell.y_m])
            end = np.array([there.cell.x_m, there.cell.y_m])
            own = np.array([track.motion_x_m_s, track.motion_y_m_s])
            moved = (np.zeros(2), field_motion(track, motion), own)
            found.append([np.hypot(*(start + seconds * m - end)) for m in moved])
    return np.array(found)


def draw(rain: xr.Dataset, steps: list[tuple[CellTracks, xr.Dataset]], out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(20, 10), constrained_layout=True)
    for axis, k in zip(axes, (6, 13), strict=True):
        tracks = steps[k - 1][0]
        rate = rain["rainfall_rate"].values[k]
        x, y = rain["x"].values / 1e3, rain["y"].values / 1e3
        axis.pcolormesh(x, y, np.ma.masked_less(rate, 0.5), cmap="Blues", vmax=40)
        axis.contour(x, y, tracks.labels > 0, [0.5], colors="k", linewidths=0.4)
        for track in tracks.tracks:
            axis.plot([p.x_m / 1e3 for p in track.points], [p.y_m / 1e3 for p in track.points],
                      "r-", lw=1)  # fmt: skip
            cx, cy = track.cell.x_m / 1e3, track.cell.y_m / 1e3
            axis.arrow(cx, cy, track.motion_x_m_s * 1.8, track.motion_y_m_s * 1.8, color="g")
            axis.annotate(str(track.number), (cx, cy), fontsize=7)
        axis.set_title(str(tracks.time)[:16])
    figure.savefig(out, dpi=55)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spacing", type=float, default=1000.0)
    parser.add_argument("--png", type=Path)
    options = parser.parse_args()
    files = sorted((DATA / "cma_cref_mosaic_20250609").glob("*.bin"))
    if not files:
        print("skipped: no cma_cref_mosaic_20250609 (set JINGHU_DATA)")
        return 0
    rain, _ = composite_sequence(files, zhejiang(options.spacing), ZRRelation())
    steps = follow(rain)
    lives = {t.number: (t.cell, t.born, s.time) for s, _ in steps for t in s.tracks}
    minutes = np.array([(end - born) / np.timedelta64(60, "s") for _, born, end in lives.values()])
    print(f"{len(steps)} fields, {np.mean([len(s.tracks) for s, _ in steps]):.0f} cells in each, "
          f"{len(lives)} tracks")  # fmt: skip
    print(f"lives: median {np.median(minutes):.0f} min, {np.mean(minutes >= 30):.0%} >= 30 min, "
          f"{np.mean(minutes >= 60):.0%} >= 60 min")  # fmt: skip
    last, motion = steps[-1]
    own = np.array([[t.motion_x_m_s, t.motion_y_m_s] for t in last.tracks if len(t.points) > 3])
    of_field = np.array([field_motion(t, motion) for t in last.tracks if len(t.points) > 3])
    print(f"velocity less the field's: mean {np.round((own - of_field).mean(axis=0), 1)} m/s, "
          f"rms {np.sqrt(((own - of_field) ** 2).sum(axis=1).mean()):.1f} m/s; "
          f"the field's mean {np.round(of_field.mean(axis=0), 1)}")  # fmt: skip
    print("| lead | cells | still, median km | field's motion | tracks | inside the radius |")
    print("|---|---|---|---|---|---|")
    params = TrackParams()
    for lead in LEADS_MIN:
        off = errors(steps, lead)
        if off.size == 0:
            continue
        still, field, track = np.median(off, axis=0) / 1e3
        radius = np.hypot(params.error_m, params.error_m_s * 60 * 6 * round(lead / 6))
        inside = np.mean(off[:, 2] <= radius)
        print(f"| +{6 * round(lead / 6)} | {len(off)} | {still:.1f} | {field:.1f} | {track:.1f} | "
              f"{inside:.0%} of {radius / 1e3:.1f} km |")  # fmt: skip
    if options.png:
        draw(rain, steps, options.png)
    return 0


if __name__ == "__main__":
    sys.exit(main())
