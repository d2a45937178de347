"""Reports of a drill's river and reservoir gauges, in files with declared columns.

Nothing reads them yet: taking them in is a step of the cycle that is still to come.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr

from jinghu.grid import durable
from jinghu.grid.times import from_numpy, isoformat

COLUMNS = ("station", "kind", "name_zh", "lat", "lon", "time_utc", "water_level_m", "datum",
           "discharge_m3s")  # fmt: skip
_TAG = 0x5249
_LEVEL_NOISE_M = 0.01
_FLOW_NOISE = 0.04  # of a rating, standard deviation
_DELAY_MIN = 4.0  # median
_DELAY_SPREAD = 0.8  # of its logarithm
_LATEST_MIN = 60.0


@dataclass(frozen=True, slots=True)
class RiverReports:
    """What gauges report.

    Parameters
    ----------
    flows
        The truth: `jinghu.drill_flow.true_flows`.
    seed
        Of noise and delays.
    """

    flows: xr.Dataset
    seed: int


def rows_between(reports: RiverReports, before: datetime, until: datetime) -> list[str]:
    """Lines of the reports that arrive after ``before`` and not after ``until``, oldest first."""
    flows = reports.flows
    datum = str(flows["water_level"].attrs["vertical_datum"])
    rows = []
    for k, time in enumerate(from_numpy(t) for t in flows["time"].values):
        if not before - timedelta(minutes=_LATEST_MIN) < time <= until:
            continue
        random = np.random.default_rng([reports.seed, _TAG, int(time.timestamp())])
        for kind, level_of, flow_of in (
            ("river", "water_level", "gauge_discharge"),
            ("reservoir", "reservoir_level", "reservoir_outflow"),
        ):
            level, flow = flows[level_of].values[k], flows[flow_of].values[k]
            n = len(level)
            level = np.round(level + random.normal(0.0, _LEVEL_NOISE_M, n), 2)
            flow = flow * random.normal(1.0, _FLOW_NOISE, n)
            delay = _DELAY_MIN * np.exp(random.normal(0.0, _DELAY_SPREAD, n))
            dim = "gauge" if kind == "river" else "reservoir"
            names = flows[f"{dim}_name_zh"].values
            lat, lon = flows[f"{dim}_lat"].values, flows[f"{dim}_lon"].values
            for i in range(n):
                arrives = time + timedelta(minutes=min(float(delay[i]), _LATEST_MIN))
                if before < arrives <= until:
                    rows.append(
                        f"{'RG' if kind == 'river' else 'RS'}{i + 1:03d},{kind},{names[i]},"
                        f"{lat[i]:.5f},{lon[i]:.5f},{isoformat(time)},{level[i]:.2f},{datum},"
                        f"{flow[i]:.2f}"
                    )
    return rows


def write_reports(reports: RiverReports, before: datetime, until: datetime, folder: Path) -> Path:
    """Write what arrives in a step as one CSV file, its header alone where nothing does."""
    path = folder / f"water_levels_{until:%Y%m%d%H%M}.csv"
    lines = [",".join(COLUMNS), *rows_between(reports, before, until)]
    durable.write_atomic(path, ("\n".join(lines) + "\n").encode("utf-8"))
    return path
