"""Reports of a drill's river and reservoir gauges, and the table of the gauges.

The reservoirs are those of the installation, by their ids, and small ones that its flood model
does not know.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr

from jinghu.grid import durable
from jinghu.grid.river_reports import COLUMNS, Kind
from jinghu.grid.times import from_numpy, isoformat
from jinghu.hydro.gauges import COLUMNS as GAUGE_COLUMNS
from jinghu.hydro.gauges import PlacedGauge

Row = tuple[str, ...]
_TAG = 0x5249
_LEVEL_NOISE_M = 0.01
_FLOW_NOISE = 0.04  # of a rating, standard deviation
_DELAY_MIN = 4.0  # median
_DELAY_SPREAD = 0.8  # of its logarithm
_LATEST_MIN = 60.0
# Kind, letters of its stations, dimension, and variables of the truth.
_KINDS = (
    (Kind.RIVER, "RG", "gauge", "water_level", "gauge_discharge"),
    (Kind.RESERVOIR, "RS", "reservoir", "reservoir_level", "reservoir_outflow"),
    (Kind.RESERVOIR, "", "dam", "dam_level", "dam_outflow"),
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
        if dim not in flows.dims:
            continue  # the installation has no reservoirs
        n = flows.sizes[dim]
        level = flows[level_of].values[number] + random.normal(0.0, _LEVEL_NOISE_M, n)
        flow = flows[flow_of].values[number] * random.normal(1.0, _FLOW_NOISE, n)
        delay = _DELAY_MIN * np.exp(random.normal(0.0, _DELAY_SPREAD, n))
        names = flows[f"{dim}_name_zh"].values
        lat, lon = flows[f"{dim}_lat"].values, flows[f"{dim}_lon"].values
        codes = [f"{letters}{i + 1:03d}" for i in range(n)]
        datums = [datum] * n
        if dim == "dam":
            codes, datums = (list(map(str, flows[f"dam_{v}"].values)) for v in ("id", "datum"))
        for i in range(n):
            arrives = time + timedelta(minutes=min(float(delay[i]), _LATEST_MIN))
            yield arrives, (
                codes[i], kind.value, str(names[i]), f"{lat[i]:.5f}", f"{lon[i]:.5f}",
                isoformat(time), f"{level[i]:.2f}", datums[i], f"{flow[i]:.2f}",
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


def write_gauges(gauges: Sequence[PlacedGauge], path: Path) -> Path:
    """Write the table of the gauges as an office has it, with the codes of their reports."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow((*GAUGE_COLUMNS, "station"))
    for number, placed in enumerate(gauges, 1):
        g = placed.gauge
        levels = ["" if np.isnan(v) else f"{v:g}" for v in (g.warning_level_m, g.guarantee_level_m)]
        rows.writerow(
            (g.name_zh, g.name_en, g.river, g.lon, g.lat, *levels, g.datum, g.source,
             f"RG{number:03d}")
        )  # fmt: skip
    durable.write_atomic(path, text.getvalue().encode("utf-8"))
    return path
