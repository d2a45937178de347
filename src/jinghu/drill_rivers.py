"""Reports of a drill's river and reservoir gauges, in files with declared columns.

Nothing reads them yet: taking them in is a step of the cycle that is still to come.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr

from jinghu.grid import durable
from jinghu.grid.times import from_numpy, isoformat

COLUMNS = ("station", "kind", "name_zh", "lat", "lon", "time_utc", "water_level_m", "datum",
           "discharge_m3s")  # fmt: skip
Row = tuple[str, ...]
_TAG = 0x5249
_LEVEL_NOISE_M = 0.01
_FLOW_NOISE = 0.04  # of a rating, standard deviation
_DELAY_MIN = 4.0  # median
_DELAY_SPREAD = 0.8  # of its logarithm
_LATEST_MIN = 60.0
# Kind, letters of its stations, dimension, and variables of the truth.
_KINDS = (
    ("river", "RG", "gauge", "water_level", "gauge_discharge"),
    ("reservoir", "RS", "reservoir", "reservoir_level", "reservoir_outflow"),
)


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


def rows_between(reports: RiverReports, before: datetime, until: datetime) -> list[Row]:
    """Rows of the reports that arrive after ``before`` and not after ``until``, oldest first."""
    rows = []
    for number, stamp in enumerate(reports.flows["time"].values):
        time = from_numpy(stamp)
        if before - timedelta(minutes=_LATEST_MIN) < time <= until:
            rows += [r for at, r in _reports_of(reports, number, time) if before < at <= until]
    return rows


def _reports_of(
    reports: RiverReports, number: int, time: datetime
) -> Iterator[tuple[datetime, Row]]:
    """All reports of one time of the truth, and when each arrives."""
    flows = reports.flows
    random = np.random.default_rng([reports.seed, _TAG, int(time.timestamp())])
    datum = str(flows["water_level"].attrs["vertical_datum"])
    for kind, letters, dim, level_of, flow_of in _KINDS:
        n = flows.sizes[dim]
        level = flows[level_of].values[number] + random.normal(0.0, _LEVEL_NOISE_M, n)
        flow = flows[flow_of].values[number] * random.normal(1.0, _FLOW_NOISE, n)
        delay = _DELAY_MIN * np.exp(random.normal(0.0, _DELAY_SPREAD, n))
        names = flows[f"{dim}_name_zh"].values
        lat, lon = flows[f"{dim}_lat"].values, flows[f"{dim}_lon"].values
        for i in range(n):
            arrives = time + timedelta(minutes=min(float(delay[i]), _LATEST_MIN))
            yield arrives, (
                f"{letters}{i + 1:03d}", kind, str(names[i]), f"{lat[i]:.5f}", f"{lon[i]:.5f}",
                isoformat(time), f"{level[i]:.2f}", datum, f"{flow[i]:.2f}",
            )  # fmt: skip


def write_reports(reports: RiverReports, before: datetime, until: datetime, folder: Path) -> Path:
    """Write what arrives in a step as one CSV file, its header alone where nothing does."""
    path = folder / f"water_levels_{until:%Y%m%d%H%M}.csv"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [COLUMNS, *rows_between(reports, before, until)]
    )
    durable.write_atomic(path, text.getvalue().encode("utf-8"))
    return path
