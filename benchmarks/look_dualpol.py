"""Pictures of real volumes before and after quality control: ``look_dualpol.py FOLDER``.

Needs the real data (``JINGHU_DATA``). Writes ``zg170.png`` (X band, two polarisations) and
``z9090.png`` (S band among mountains, dry), and prints what share of the gates rains.
"""

import os
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.clutter import ClutterParams, clean
from jinghu.radar.decode import decode_volume
from jinghu.radar.fuzzy import FuzzyParams, score
from jinghu.radar.polar import DRY_DBZ, PolarSweep, reflectivity_sweeps
from jinghu.radar.qpe import QpeParams, gate_rain, phase_products, restored
from jinghu.radar.volume import Volume
from jinghu.radar.zr import ZRRelation, ZRTable

mpl.use("Agg")
import matplotlib.pyplot as plt


def read(folder: Path, code: str) -> Volume:
    path = next((folder / "cinrad_standard_format").glob(f"*{code}*"))
    return decode_volume(path.read_bytes(), path.name, None)


def panel(
    axes: plt.Axes,
    sweep: PolarSweep,
    values: NDArray,
    title: str,
    limits: tuple[float, float],
    colours: str = "turbo",
) -> None:
    """One PPI; dry gates are light grey, missing ones white."""
    edges_m = sweep.first_gate_m + (np.arange(values.shape[1] + 1) - 0.5) * sweep.gate_m
    azimuth = np.radians(np.append(sweep.azimuth_deg, sweep.azimuth_deg[0] + 360))
    x = np.sin(azimuth)[:, None] * edges_m / 1000
    y = np.cos(azimuth)[:, None] * edges_m / 1000
    dry = np.where(sweep.dbz == DRY_DBZ, 0.2, np.nan)
    axes.pcolormesh(x, y, dry, vmin=0, vmax=1, cmap="Greys")
    shown = np.where(values == DRY_DBZ, np.nan, values)
    drawn = axes.pcolormesh(x, y, shown, vmin=limits[0], vmax=limits[1], cmap=colours)
    axes.set_title(f"{title}, {sweep.elevation_deg:.1f} deg")
    axes.set_aspect("equal")
    plt.colorbar(drawn, ax=axes, shrink=0.7)


def wet_share(sweep: PolarSweep) -> float:
    """Share of the gates within 100 km with rain of at least 0.1 mm/h."""
    near = sweep.range_m < 100e3
    return float((ZRRelation().rain_rate(sweep.dbz[:, near]) >= 0.1).mean())


def x_band(volume: Volume, out: Path) -> None:
    params = QpeParams()
    antenna_m = volume.site.antenna_height_m
    raw = reflectivity_sweeps(volume)[1]
    cleaned = clean(reflectivity_sweeps(volume), ClutterParams())[1]
    products = phase_products(cleaned, "X", antenna_m, params)
    assert products is not None
    assert raw.dual is not None
    after = restored(cleaned, products, "X")
    rain = gate_rain(after, products, "X", antenna_m, ZRTable(), params)
    assert after.dual is not None
    figure, axes = plt.subplots(3, 4, figsize=(24, 17))
    panel(axes[0, 0], raw, raw.dbz, "Z as sent, dBZ", (0, 60))
    panel(axes[0, 1], cleaned, cleaned.dbz, "Z cleaned", (0, 60))
    panel(axes[0, 2], after, after.dbz, "Z attenuation corrected", (0, 60))
    panel(axes[0, 3], after, products.attenuation.path_db, "path attenuation, dB", (0, 30))
    panel(axes[1, 0], raw, raw.dual.phidp_deg, "PhiDP as sent, deg", (0, 360))
    panel(axes[1, 1], after, products.phase.unfolded_deg, "PhiDP unfolded", (0, 160))
    panel(axes[1, 2], after, products.phase.phidp_deg, "PhiDP smoothed", (0, 160))
    panel(axes[1, 3], after, products.phase.kdp_deg_km, "KDP, deg/km", (-1, 8))
    panel(axes[2, 0], raw, raw.dual.zdr_db, "ZDR as sent, dB", (-5, 5))
    panel(axes[2, 1], after, after.dual.zdr_db, "ZDR corrected", (-5, 5))
    panel(axes[2, 2], after, rain.rate, "rain, mm/h", (0, 60))
    panel(axes[2, 3], after, rain.method.astype(float), "method 0 none 1 Z 2 KDP 3 A 4 cap", (0, 4))
    figure.tight_layout()
    figure.savefig(out / "zg170.png", dpi=45)
    phase = products.phase
    print(f"ZG170: offset {phase.offset_deg:.1f} deg, PhiDP up to {np.nanmax(phase.phidp_deg):.0f}")
    print(f"  KDP 1, 50, 99 %: {np.nanpercentile(phase.kdp_deg_km, [1, 50, 99]).round(2)}")
    print(f"  path attenuation up to {products.attenuation.path_db.max():.1f} dB")
    wet = " ".join(f"{wet_share(sweep):.3f}" for sweep in (raw, cleaned, after))
    print(f"  wet as sent, cleaned, corrected: {wet}")
    lost = np.isnan(after.dbz) & (cleaned.dbz == DRY_DBZ)
    print(f"  dry gates that are lost signal: {lost.mean():.4f}")


def ground(volume: Volume, out: Path) -> None:
    before = reflectivity_sweeps(volume)
    after = clean(before, ClutterParams())
    plain = [PolarSweep(s.elevation_deg, s.azimuth_deg, s.dbz, s.velocity_m_s, s.gate_m,
                        s.first_gate_m) for s in before]  # fmt: skip
    earlier = clean(plain, ClutterParams())
    figure, axes = plt.subplots(2, 4, figsize=(26, 12))
    for row in range(2):
        panel(axes[row, 0], before[row], before[row].dbz, "Z as sent", (0, 50))
        panel(axes[row, 1], earlier[row], earlier[row].dbz, "gradient filters alone", (0, 50))
        panel(axes[row, 2], after[row], after[row].dbz, "with fuzzy memberships", (0, 50))
        panel(axes[row, 3], before[row], score(before[row], None, FuzzyParams()), "score", (0, 1))
        shares = " ".join(f"{wet_share(s[row]):.4f}" for s in (before, earlier, after))
        strong = " ".join(str(int((s[row].dbz > 30).sum())) for s in (before, earlier, after))
        print(f"Z9090 {before[row].elevation_deg:.1f} deg, as sent, gradient filters, fuzzy:")
        print(f"  wet {shares}; gates above 30 dBZ {strong}")
    for axis in axes.flat:
        axis.set(xlim=(-150, 150), ylim=(-150, 150))
    figure.tight_layout()
    figure.savefig(out / "z9090.png", dpi=45)


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: look_dualpol.py FOLDER")
        return 2
    root = Path(__file__).parents[1]
    data = Path(os.environ.get("JINGHU_DATA", root / ".." / "shared" / "data"))
    if not data.is_dir():
        print(f"skipped: {data} is absent (set JINGHU_DATA)")
        return 0
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    x_band(read(data, "ZG170"), out)
    ground(read(data, "Z9090"), out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
