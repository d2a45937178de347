"""Fit R(KDP, ZDR) and R(Z, ZDR) to computed scattering, and print how published ones do on it.

The drops are more varied than those of the simulator: gamma distributions of shape 0 to 8, Nw from
10^3.2 to 10^5, 5 to 25 degrees Celsius, canting of 5 to 12 degrees, 1 to 120 mm/h. The physics is
the same (Mie, spheroids of Rayleigh-Gans): what it has wrong, the simulator has wrong as well.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from jinghu.radar.relations import RAIN_OF_KDP, RAIN_OF_KDP_ZDR, RAIN_OF_Z_ZDR
from jinghu.radar.simulator.scattering import drops, rain_scattering

BANDS = {"S": 2.8, "C": 5.6, "X": 9.4}


def ensemble(ghz: float, n: int, seed: int) -> dict[str, NDArray]:
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        found = drops(ghz, random.uniform(5, 25), random.uniform(5, 12))
        table = rain_scattering(found, float(random.integers(0, 9)))
        rate = 10 ** random.uniform(0, np.log10(120), 40)
        place = np.log10(rate) - random.uniform(3.2, 5.0, 40)

        def at(values: NDArray, place: NDArray = place, table=table) -> NDArray:  # type: ignore[no-untyped-def]
            return np.interp(place, table.log10_rate_per_drops, values)

        z, zv = rate * at(table.z_per_rate), rate * at(table.zv_per_rate)
        kdp, ah = rate * at(table.kdp_per_rate), rate * at(table.ah_per_rate)
        usual = (place > table.log10_rate_per_drops[0]) & (at(table.dm_mm) < 3.0)
        rows.append(np.stack([rate, z, 10 * np.log10(z / zv), kdp, ah])[:, usual])
    values = np.concatenate(rows, axis=1)
    return dict(zip(("rate", "z", "zdr", "kdp", "ah"), values, strict=True))


def fitted(x: NDArray, zdr: NDArray, rate: NDArray) -> NDArray:
    """Factor, exponent and factor per dB by least squares of log R."""
    columns = np.column_stack([np.ones_like(x), np.log10(x), zdr])
    return np.linalg.lstsq(columns, np.log10(rate), rcond=None)[0]


def quality(name: str, estimate: NDArray, rate: NDArray) -> str:
    error = np.abs(estimate - rate).sum() / rate.sum()
    return f"    {name:<44} error {error:.3f} bias {estimate.sum() / rate.sum():.3f}"


def main() -> int:
    for band, ghz in BANDS.items():
        e, test = ensemble(ghz, 60, 1), ensemble(ghz, 30, 2)
        print(f"{band} band, {len(e['rate'])} spectra to fit, {len(test['rate'])} others to judge")
        for name, published in (("kdp", RAIN_OF_KDP_ZDR), ("z", RAIN_OF_Z_ZDR)):
            seen = (e["zdr"] > 0.15) & (e["kdp"] > 0.02)
            fit = fitted(e[name][seen], e["zdr"][seen], e["rate"][seen])
            ours = 10 ** (fit[0] + fit[1] * np.log10(test[name]) + fit[2] * test["zdr"])
            text = f"R = {10 ** fit[0]:.4g} {name}^{fit[1]:.3f} 10^({fit[2]:.3f} ZDR)"
            used = (test["zdr"] > 0.15) & (test["kdp"] > 0.02)
            print(quality(text, ours[used], test["rate"][used]))
            if band not in published:
                continue
            law = published[band]
            known = law.rain_rate(test[name].astype(np.float32), test["zdr"].astype(np.float32))
            text = f"in use: {law.factor:.4g} {name}^{law.exponent} 10^({law.per_db} ZDR)"
            print(quality(text, known[used], test["rate"][used]))
        alone = RAIN_OF_KDP[band].rain_rate(test["kdp"].astype(np.float32))
        print(quality("R(KDP)", alone, test["rate"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
