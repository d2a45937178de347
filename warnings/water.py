"""Water at gauges and reservoirs against the rules: levels, crossing times, peaks, cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.fields import check
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import from_numpy
from jinghu.warnings.evidence import Basis, WaterEvidence
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.reaches import Reaches
from jinghu.warnings.subjects import Subject, plain_keys
from jinghu.warnings.water_marks import Threshold, gauge_thresholds, reservoir_thresholds
from jinghu.warnings.water_rules import Along, Quantity, WaterRule, WaterRules


@dataclass(frozen=True, slots=True)
class Against:
    """One rule against the forecast: minutes to the crossing, None where there is none."""

    rule: WaterRule
    quantity: Quantity
    value: float
    crossing_min: float | None
    kept: bool


@dataclass(frozen=True, slots=True)
class WaterFinding:
    """The water of one gauge or reservoir in one cycle.

    Parameters
    ----------
    hazard, subject
        What it is about.
    home
        Cell in which it lies, -1 off the grid.
    cells
        Whom it stands for.
    known
        Whether the land above was watched: where not, nothing is lowered.
    rows
        The rules that apply, lowest level first.
    now_m, peak_m
        Level at the analysis time, and the highest of the forecast.
    peak_m3_s
        Largest discharge at the gauge, or into the reservoir.
    peak_time
        Of the highest level.
    datum
        Of the levels.
    rules
        Version of the table.
    """

    hazard: Hazard
    subject: Subject
    home: int
    cells: NDArray[np.int64]
    known: bool
    rows: tuple[Against, ...]
    now_m: float
    peak_m: float
    peak_m3_s: float
    peak_time: datetime | None
    datum: str
    rules: str

    @property
    def level(self) -> Level:
        """Highest level that is reached, or will be."""
        reached = (row.rule.level for row in self.rows if row.crossing_min is not None)
        return max(reached, default=Level.NONE)

    @property
    def kept(self) -> Level:
        """Level that a standing warning keeps."""
        return max((row.rule.level for row in self.rows if row.kept), default=Level.NONE)

    def evidence(self, cells: NDArray[np.int64], level: Level) -> tuple[float, WaterEvidence]:
        """Minutes to the crossing, and what speaks for a level; all cells have the same."""
        del cells
        mine = [row for row in self.rows if row.rule.level == level]
        first = min(
            (row for row in mine if row.crossing_min is not None),
            key=lambda row: row.crossing_min or 0.0,
            default=None,
        )
        if first is not None:
            return first.crossing_min or 0.0, self._evidence(Basis.REACHED, first)
        if not self.known or not self.rows:
            return 0.0, self._evidence(Basis.UNKNOWN, None)
        if self.kept >= level and mine:
            return 0.0, self._evidence(Basis.CLOSE, mine[0])
        return 0.0, self._evidence(Basis.WANING, None)

    def _evidence(self, basis: Basis, row: Against | None) -> WaterEvidence:
        return WaterEvidence(
            basis,
            None if row is None else row.rule.mark,
            None if row is None else row.quantity,
            0.0 if row is None else row.value,
            self.now_m,
            self.peak_m,
            self.peak_m3_s,
            self.peak_time,
            self.datum,
        )


def evaluate_water(
    rules: WaterRules,
    flows: xr.Dataset,
    known: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    spec: GridSpec,
) -> tuple[list[WaterFinding], list[str]]:
    """Find the levels of all gauges and reservoirs that stand for somebody in the city.

    Parameters
    ----------
    rules
        The table.
    flows
        Hydrographs from the analysis time on, as `hydro.zarr` holds them. The attribute
        ``observed_rain_share``, where there is one, tells how much of the rain of the last hours
        was observed.
    known
        (cell,) which cells a radar sees now.
    inside
        (cell,) which cells are of the city.
    spec
        Product grid.

    Returns
    -------
    What was found, and a line for each gauge without usable marks.
    """
    check(flows, "water_level", dims=("time", "gauge"))
    minutes = (flows["time"].values - flows["time"].values[0]) / np.timedelta64(1, "m")
    flows = flows.isel(time=minutes <= rules.within_h * 60.0)
    reaches = Reaches.of(flows, spec, inside)
    work = _Work(rules, flows, reaches, known)
    findings, lines = work.gauges()
    if "reservoir" in flows.dims:
        findings += work.reservoirs()
    return [one for one in findings if one.cells.size and one.rows], lines


@dataclass(frozen=True, slots=True)
class _Work:
    rules: WaterRules
    flows: xr.Dataset
    reaches: Reaches
    known: NDArray[np.bool_]

    def gauges(self) -> tuple[list[WaterFinding], list[str]]:
        flows, lines = self.flows, []
        at = [int(r) for r in flows["gauge_reach"].values]
        keys = plain_keys([str(name) for name in flows["gauge_name_en"].values])
        found, bare = [], 0
        for k, reach in enumerate(at):
            thresholds, line = gauge_thresholds(self.rules, flows, k)
            lines += [line] if line is not None else []
            bare += not thresholds
            name, river = (str(flows[f"gauge_{n}"].values[k]) for n in ("name_zh", "river"))
            own = self.rules.gauge(name)
            how_far = self.rules.river if own is None or own.along is None else own.along
            found.append(
                self._finding(
                    Hazard.RIVER_FLOOD,
                    Subject(
                        keys[k], f"{river}{name}站", f"{flows['gauge_name_en'].values[k]} gauge"
                    ),
                    (reach, *self._place("gauge", k)),
                    (how_far, set(at) - {reach}),
                    thresholds,
                    _Series(
                        flows["water_level"].values[:, k].astype(np.float64),
                        flows["gauge_discharge"].values[:, k].astype(np.float64),
                        str(flows["water_level"].attrs.get("vertical_datum", "")),
                    ),
                )
            )
        if bare:
            lines.append(
                f"rivers: {bare} of {len(at)} gauges have no usable level or discharge: nobody is"
                " warned of them"
            )
        return found, lines

    def reservoirs(self) -> list[WaterFinding]:
        flows, found = self.flows, []
        for k, reach in enumerate(int(r) for r in flows["reservoir_reach"].values):
            key = str(flows["reservoir_id"].values[k])
            own = self.rules.reservoir_marks(key)
            how_far = self.rules.reservoir if own is None or own.along is None else own.along
            name_zh, name_en, datum = (
                str(flows[f"reservoir_{n}"].values[k]) for n in ("name_zh", "name_en", "datum")
            )
            found.append(
                self._finding(
                    Hazard.RESERVOIR,
                    Subject(plain_keys([key])[0], name_zh, f"{name_en} reservoir"),
                    (reach, *self._place("reservoir", k)),
                    (how_far, set()),
                    reservoir_thresholds(self.rules, flows, k),
                    _Series(
                        flows["reservoir_level"].values[:, k].astype(np.float64),
                        flows["reservoir_inflow"].values[:, k].astype(np.float64),
                        datum,
                    ),
                )
            )
        return found

    def _place(self, kind: str, k: int) -> tuple[float, float]:
        return float(self.flows[f"{kind}_lon"].values[k]), float(
            self.flows[f"{kind}_lat"].values[k]
        )

    def _finding(
        self,
        hazard: Hazard,
        subject: Subject,
        at: tuple[int, float, float],
        area: tuple[Along, set[int]],
        thresholds: Sequence[Threshold],
        series: "_Series",
    ) -> WaterFinding:
        reach, lon, lat = at
        course = self.reaches.along(reach, *area)
        minutes = (self.flows["time"].values - self.flows["time"].values[0]) / np.timedelta64(
            1, "m"
        )
        rows = [_against(t, series, minutes, self.rules) for t in thresholds]
        rows.sort(key=lambda row: row.rule.level)
        peak = int(series.level_m.argmax())
        return WaterFinding(
            hazard,
            subject,
            int(self.reaches.spec.cell_of_lonlat(lon, lat)),
            self.reaches.cells_along(course, area[0].buffer_m),
            self._known(reach),
            tuple(rows),
            float(series.level_m[0]),
            float(series.level_m[peak]),
            float(series.discharge_m3_s.max()),
            from_numpy(self.flows["time"].values[peak]),
            series.datum,
            self.rules.version,
        )

    def _known(self, reach: int) -> bool:
        """Whether enough of the land above is watched now, and was in the last hours."""
        observed = float(self.flows.attrs.get("observed_rain_share", 1.0))
        above = self.known[self.reaches.cells_above(reach)]
        share = float(above.mean()) if above.size else 0.0
        return min(observed, share) >= self.rules.known_share


@dataclass(frozen=True, slots=True)
class _Series:
    """Level and discharge over time, each (time,)."""

    level_m: NDArray[np.float64]
    discharge_m3_s: NDArray[np.float64]
    datum: str


def _against(
    threshold: Threshold, series: _Series, minutes: NDArray[np.float64], rules: WaterRules
) -> Against:
    """Compare a forecast with one threshold; between two times the water rises evenly."""
    level = threshold.quantity is Quantity.LEVEL
    values = series.level_m if level else series.discharge_m3_s
    excess = values - threshold.value
    over = excess >= 0
    crossing = None
    if over.any():
        k = int(over.argmax())
        crossing = float(minutes[k])
        if k > 0:
            share = excess[k - 1] / (excess[k - 1] - excess[k])
            crossing = float(minutes[k - 1] + share * (minutes[k] - minutes[k - 1]))
    keep = threshold.value - rules.keep_m if level else threshold.value * rules.keep_share
    at = int((values - threshold.value).argmax())
    return Against(
        threshold.rule, threshold.quantity, float(threshold.value[at]), crossing,
        bool((values >= keep).any()),
    )  # fmt: skip
