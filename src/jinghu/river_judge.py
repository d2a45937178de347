"""River reports judged: whose they are, whether they can be right, and what flow they tell."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.river_reports import Kind, RiverReport
from jinghu.hydro.gauges import PlacedGauge
from jinghu.hydro.network import RiverNetwork
from jinghu.hydro.ratings import Offsets, section_flow_m3_s, section_sd
from jinghu.hydro.reservoirs import PlacedReservoir

DISCHARGE_SD = 0.10
"""Standard deviation of the logarithm of a discharge that a station reports."""
_FAR_M = 10_000.0
_DRY_M = -1.0  # depth below which a level is not of this place
_DEEPEST_M = 40.0


@dataclass(frozen=True, slots=True)
class GaugeReport:
    """A report of a gauge of the network.

    Parameters
    ----------
    gauge
        Its number.
    report
        As it came.
    flow_m3_s, sd
        What it tells of the flow, and the standard deviation of its logarithm; NaN where nothing.
    """

    gauge: int
    report: RiverReport
    flow_m3_s: float
    sd: float


@dataclass(frozen=True, slots=True)
class PoolReport:
    """A level of a reservoir of the network."""

    reservoir: int
    report: RiverReport


@dataclass(slots=True)
class Judged:
    """Reports by what became of them.

    Parameters
    ----------
    gauges, pools
        Of gauges and reservoirs of the installation, oldest first.
    unknown
        Stations that are in no table.
    wrong
        What cannot be right, a line each.
    """

    gauges: list[GaugeReport] = field(default_factory=list)
    pools: list[PoolReport] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tables:
    """Who may report: gauges and reservoirs of the installation on its network.

    ``held`` (gauge,) is where a pond holds the river: a stage there tells nothing of the flow.
    """

    network: RiverNetwork
    gauges: Sequence[PlacedGauge]
    reservoirs: Sequence[PlacedReservoir]
    held: NDArray[np.bool_]

    @property
    def level_datum(self) -> str:
        """Datum of the levels of the flood model."""
        return f"heights of the terrain: {self.network.terrain_source}"


def judge(reports: Sequence[RiverReport], tables: Tables, offsets: Offsets) -> Judged:
    """Sort reports by station and refuse what cannot be right, each station and cause once.

    Parameters
    ----------
    reports
        Oldest first.
    tables
        Who may report.
    offsets
        What is known of the stations' levels.
    """
    found = Judged()
    by_code = {g.gauge.code: k for k, g in enumerate(tables.gauges)}
    by_name = {g.gauge.name_zh: k for k, g in enumerate(tables.gauges)}
    pools = {p.site.name_zh: k for k, p in enumerate(tables.reservoirs)}
    pools |= {p.site.id: k for k, p in enumerate(tables.reservoirs)}
    wrong: dict[str, None] = {}
    for report in reports:
        if report.kind is Kind.RIVER:
            gauge = by_code.get(report.station, by_name.get(report.name_zh))
            if gauge is None:
                found.unknown.add(report.station)
            elif text := _misplaced(report, tables.gauges[gauge].gauge.lon,
                                    tables.gauges[gauge].gauge.lat, tables):  # fmt: skip
                wrong[text] = None
            else:
                told = _told(report, gauge, tables, offsets, wrong)
                found.gauges.append(told)
        else:
            pool = pools.get(report.station, pools.get(report.name_zh))
            if pool is None:
                found.unknown.add(report.station)
            elif text := _wrong_pool(report, tables.reservoirs[pool], tables):
                wrong[text] = None
            elif np.isfinite(report.level_m):
                found.pools.append(PoolReport(pool, report))
    found.wrong = list(wrong)
    return found


def _misplaced(report: RiverReport, lon: float, lat: float, tables: Tables) -> str | None:
    """What is wrong with the place of a report."""
    x, y = tables.network.grid.to_xy(np.array([report.lon, lon]), np.array([report.lat, lat]))
    away = float(np.hypot(x[1] - x[0], y[1] - y[0]))
    if away <= _FAR_M:
        return None
    return (
        f"river station {report.station} ({report.name_zh}): reports from {away / 1000:.0f} km"
        " away from its place in the table: refused"
    )


def _told(
    report: RiverReport, gauge: int, tables: Tables, offsets: Offsets, wrong: dict[str, None]
) -> GaugeReport:
    """Flow of a report: that of the station, else that of the section at its level."""
    placed = tables.gauges[gauge]
    if np.isfinite(report.discharge_m3_s):
        return GaugeReport(gauge, report, report.discharge_m3_s, DISCHARGE_SD)
    nothing = GaugeReport(gauge, report, float("nan"), float("nan"))
    own = report.datum == tables.level_datum
    if offsets.known[gauge] and (not own or offsets.steady[gauge]):
        shift = float(offsets.mean_m[gauge])
    elif own:
        shift = 0.0
    else:
        return nothing  # how its datum lies to the terrain is not known yet
    depth = report.level_m - shift - float(tables.network.bed_m[placed.reach])
    if not _DRY_M <= depth <= _DEEPEST_M:
        text = "below its bed" if depth < 0 else "above its bed"
        wrong[
            f"river station {report.station} ({report.name_zh}): its level stands"
            f" {abs(depth):.0f} m {text}: datum wrong, not used"
        ] = None
        return nothing
    if tables.held[gauge]:
        return nothing
    flow = section_flow_m3_s(tables.network, placed.reach, depth)
    return GaugeReport(gauge, report, flow, section_sd(depth))


def _wrong_pool(report: RiverReport, placed: PlacedReservoir, tables: Tables) -> str | None:
    """What is wrong with the level of a reservoir."""
    site = placed.site
    name = f"reservoir {site.name_zh}"
    if text := _misplaced(report, site.lon, site.lat, tables):
        return text
    if not np.isfinite(report.level_m):
        return None
    if report.datum != site.datum:
        return f"{name}: reports levels above {report.datum!r}, its tables are above {site.datum!r}"
    low, high = site.storage.level_m[0], site.storage.level_m[-1]
    if not low <= report.level_m <= high:
        return (
            f"{name}: the reported level {report.level_m:.2f} m is outside its table"
            f" ({low:g} to {high:g} m): not used"
        )
    return None
