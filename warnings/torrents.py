"""Mountain torrents: rain on small catchments and villages against the rules, cell by cell.

A catchment warns the cells along its river, where its people live. In the cells of a village with
marks of its own these marks decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.fields import check
from jinghu.grid.frames import to_wgs84
from jinghu.grid.spec import GridSpec
from jinghu.warnings.evidence import Basis, Stage, TorrentEvidence
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.lifecycle import Found
from jinghu.warnings.matters import Matter
from jinghu.warnings.reaches import Reaches
from jinghu.warnings.torrent_rules import TorrentRules, Village
from jinghu.warnings.units import Units

_HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True, slots=True)
class Cause:
    """What one catchment or village says: the mark that is exceeded most, and which cells hear it.

    ``share`` of the mark ``mark_mm`` falls within ``window_h`` hours; the flood begins after
    ``onset_min``, 0 where that is not known.
    """

    name_zh: str
    name_en: str
    level: Level
    kept: Level
    window_h: int
    share: float
    mark_mm: float
    onset_min: float
    village: bool
    cells: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TorrentFinding:
    """The torrents of one cycle; ``stages`` tells what each level asks for."""

    rules: str
    causes: tuple[Cause, ...]
    stages: dict[Level, Stage | None]
    known: NDArray[np.bool_]

    def evidence(self, cells: NDArray[np.int64], level: Level) -> tuple[float, TorrentEvidence]:
        """Minutes to the first flood, and the cause that speaks loudest for a level."""
        mine = [one for one in self.causes if np.isin(one.cells, cells).any()]
        reached = [one for one in mine if one.level >= level]
        if reached:
            onset = min(one.onset_min for one in reached)
            return onset, self._of(Basis.REACHED, reached, level)
        kept = [one for one in mine if one.kept >= level]
        if kept:
            return 0.0, self._of(Basis.CLOSE, kept, level)
        basis = Basis.WANING if self.known[cells].all() else Basis.UNKNOWN
        return 0.0, TorrentEvidence(basis, self.stages.get(level))

    def _of(self, basis: Basis, causes: Sequence[Cause], level: Level) -> TorrentEvidence:
        one = max(causes, key=lambda cause: cause.share)
        return TorrentEvidence(
            basis,
            self.stages.get(level),
            one.name_zh,
            one.name_en,
            one.window_h,
            one.share,
            one.mark_mm,
            one.village,
        )


def evaluate_torrents(
    rules: TorrentRules,
    flows: xr.Dataset,
    amounts: xr.DataArray,
    known: NDArray[np.bool_],
    units: Units,
    spec: GridSpec,
) -> list[Matter]:
    """Find the level of every cell of the city; each county is one matter.

    Parameters
    ----------
    rules
        The table.
    flows
        ``critical_rainfall`` mm and ``critical_rainfall_ratio`` 1 by (duration, reach),
        ``flood_onset(return_period, reach)`` h, and the places of the reaches.
    amounts
        ``rainfall_amount(window, lead_time, y, x)`` mm, observed and forecast: for villages.
    known
        (cell,) which cells a radar sees now.
    units, spec
        Counties, and the product grid.
    """
    check(flows, "critical_rainfall_ratio", dims=("duration", "reach"))
    inside = units.cell_county >= 0
    if float(flows.attrs.get("observed_rain_share", 1.0)) < rules.known_share:
        known = np.zeros_like(known)
    villages = [_village(rules, one, amounts, spec) for one in rules.villages]
    theirs = np.concatenate([np.empty(0, np.int64), *(one.cells for one in villages)])
    causes = _catchments(rules, flows, Reaches.of(flows, spec, inside), theirs)
    causes += [one for one in villages if one.kept > Level.NONE and inside[one.cells].all()]
    level, kept = np.zeros(inside.size, np.uint8), np.zeros(inside.size, np.uint8)
    for one in causes:
        level[one.cells] = np.maximum(level[one.cells], one.level)
        kept[one.cells] = np.maximum(kept[one.cells], one.kept)
    found = Found(level, kept, known)
    stages = {rule.level: rule.stage for rule in rules.rules}
    finding = TorrentFinding(rules.version, tuple(causes), stages, known)
    return [
        Matter(
            Hazard.MOUNTAIN_TORRENT,
            county,
            None,
            np.flatnonzero(units.cell_county == k),
            found,
            finding,
        )
        for k, county in enumerate(units.counties)
    ]


def _catchments(
    rules: TorrentRules, flows: xr.Dataset, reaches: Reaches, villages: NDArray[np.int64]
) -> list[Cause]:
    """Catchments whose rain bears or keeps a level, with the cells along their rivers."""
    ratio = np.nan_to_num(flows["critical_rainfall_ratio"].values, nan=-1.0, posinf=np.inf)
    hours, critical = flows["duration"].values, flows["critical_rainfall"].values
    worst = ratio.argmax(axis=0)
    least = rules.keep_share * rules.rules[0].ratio
    found = np.flatnonzero(ratio.max(axis=0) >= least)
    cells = _along(reaches, found, rules.buffer_m)
    onset = _onset_min(flows)
    causes = []
    for reach, mine in zip(found.tolist(), cells, strict=True):
        mine = np.setdiff1d(mine, villages)
        if not mine.size:
            continue
        k = int(worst[reach])
        share = float(ratio[k, reach])
        zh, en = (str(flows[f"reach_name_{n}"].values[reach]) for n in ("zh", "en"))
        causes.append(
            Cause(
                f"{zh}小流域" if zh else "小流域",
                f"a small catchment of the {en}" if en else "a small catchment",
                *_levels(rules, share),
                int(hours[k]),
                share,
                float(critical[k, reach]),
                float(onset[reach]),
                False,
                mine,
            )
        )
    return causes


def _along(reaches: Reaches, wanted: NDArray[np.int64], buffer_m: float) -> list[NDArray[np.int64]]:
    """Cells of the city within a distance of each of some reaches."""
    ends = np.stack([reaches.start[wanted], reaches.end[wanted]], axis=1)
    tree = shapely.STRtree(reaches.boxes)
    lines = shapely.linestrings(ends) if len(ends) else np.empty(0, object)
    which, near = tree.query(lines, predicate="dwithin", distance=buffer_m)
    return [reaches.cells[near[which == k]] for k in range(len(wanted))]


def _levels(rules: TorrentRules, share: float) -> tuple[Level, Level]:
    """Level that a share of the critical rain reaches, and the one that it keeps."""
    reached = (rule.level for rule in rules.rules if share >= rule.ratio)
    kept = (rule.level for rule in rules.rules if share >= rules.keep_share * rule.ratio)
    return max(reached, default=Level.NONE), max(kept, default=Level.NONE)


def _onset_min(flows: xr.Dataset) -> NDArray[np.float64]:
    """(reach,) minutes to the flood that the critical rain makes; 0 where it is not forecast."""
    years = float(flows.attrs["critical_return_period_years"])
    at = int(np.abs(flows["return_period"].values - years).argmin())
    hours = flows["flood_onset"].transpose("return_period", "reach").values[at]
    minutes: NDArray[np.float64] = 60.0 * np.nan_to_num(hours.astype(np.float64))
    return minutes


def _village(rules: TorrentRules, village: Village, amounts: xr.DataArray, spec: GridSpec) -> Cause:
    """What the marks of one village say; its cell may lie off the grid, and then says nothing."""
    lon, lat = to_wgs84(village.lon, village.lat, village.frame)
    cell = int(spec.cell_of_lonlat(float(lon), float(lat)))
    if cell < 0:
        empty = np.empty(0, np.int64)
        names = (village.name_zh, village.name_en)
        return Cause(*names, Level.NONE, Level.NONE, 0, 0.0, 0.0, 0.0, True, empty)
    row, column = cell // spec.nx, cell % spec.nx
    rain = amounts.isel(y=row, x=column)
    minutes = 60.0 * (amounts["lead_time"].values / _HOUR)
    reached = kept = Level.NONE
    best = (0.0, 0, 0.0, 0.0)  # share, hours, mark, onset
    for rule in rules.rules:
        for hours, mark in village.marks(rule.stage).items():
            series = rain.sel(window=hours).values
            share = float(np.nan_to_num(series).max(initial=0.0)) / mark
            if share >= rules.keep_share:
                kept = max(kept, rule.level)
            if share >= 1.0:
                onset = float(minutes[int((series >= mark).argmax())])
                if rule.level > reached or share > best[0]:
                    best = (share, int(hours), mark, onset)
                reached = max(reached, rule.level)
            elif reached is Level.NONE and share > best[0]:
                best = (share, int(hours), mark, 0.0)
    share, hours_best, mark_best, onset_best = best
    return Cause(
        village.name_zh,
        village.name_en,
        reached,
        kept,
        hours_best,
        share,
        mark_best,
        onset_best,
        True,
        np.array([cell], np.int64),
    )
