"""Gale and high temperature: station analyses against the rules, cell by cell."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.fields import check
from jinghu.grid.weather_analysis import KELVIN
from jinghu.warnings.evidence import Basis, Measured, WeatherEvidence
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.lifecycle import Found
from jinghu.warnings.matters import Matter
from jinghu.warnings.units import Units
from jinghu.warnings.weather_rules import WeatherRule, WeatherRules

_HAZARDS = (Hazard.GALE, Hazard.HIGH_TEMPERATURE)


@dataclass(frozen=True, slots=True)
class WeatherFinding:
    """The wind, or the heat, of one cycle.

    Parameters
    ----------
    rules
        Version of the table.
    rows
        Rows of the hazard, lowest level first.
    values
        What was measured, (cell,) m/s or degC, NaN where nothing was.
    found
        Levels of the cells.
    """

    rules: str
    rows: tuple[WeatherRule, ...]
    values: dict[Measured, NDArray[np.float64]]
    found: Found

    def evidence(self, cells: NDArray[np.int64], level: Level) -> tuple[float, WeatherEvidence]:
        """Say what was measured where the level is reached, or where it is kept; it is so now."""
        reached = cells[self.found.level[cells] >= level]
        if reached.size:
            return 0.0, self._strongest(Basis.REACHED, reached, level)
        kept = cells[(self.found.kept[cells] >= level) & self.found.known[cells]]
        if kept.size:
            return 0.0, self._strongest(Basis.CLOSE, kept, level)
        waning = bool(self.found.known[cells].all())
        return 0.0, WeatherEvidence(Basis.WANING if waning else Basis.UNKNOWN)

    def _strongest(self, basis: Basis, cells: NDArray[np.int64], level: Level) -> WeatherEvidence:
        """What exceeds its threshold most: the gust of one cell, or the mean wind of another."""
        row = next(r for r in self.rows if r.level >= level)
        best: tuple[float, WeatherEvidence] = (-np.inf, WeatherEvidence(basis))
        for quantity, threshold in thresholds(row):
            value = float(np.nan_to_num(self.values[quantity][cells], nan=-np.inf).max())
            if value / threshold > best[0]:
                days = row.days if basis is Basis.REACHED else 1
                best = value / threshold, WeatherEvidence(basis, quantity, value, days)
        return best[1]


def thresholds(rule: WeatherRule) -> Iterator[tuple[Measured, float]]:
    """What a row compares, and with what."""
    for quantity, threshold in (
        (Measured.MEAN_WIND, rule.mean_m_s),
        (Measured.GUST, rule.gust_m_s),
        (Measured.TEMPERATURE, rule.temperature_c),
    ):
        if threshold is not None:
            yield quantity, threshold


def evaluate_weather(rules: WeatherRules, fields: xr.Dataset, units: Units) -> list[Matter]:
    """Find the level of every cell of the city; each county is one matter of each hazard.

    What stations measure is judged, nothing is forecast: a level is reached when it is there.

    Parameters
    ----------
    rules
        The table.
    fields
        ``wind_speed``, ``wind_speed_of_gust`` (m s-1) and ``air_temperature`` (K) on (y, x);
        ``air_temperature_maximum(day, y, x)`` (K), of today, yesterday and the day before. Where
        there is no value no station has just reported, and nothing is lowered.
    units
        Counties.
    """
    check(fields, "air_temperature_maximum", dims=("day", "y", "x"))
    check(fields, "wind_speed", "wind_speed_of_gust", "air_temperature", dims=("y", "x"))
    values = {
        Measured.MEAN_WIND: _tenths(fields["wind_speed"].values),
        Measured.GUST: _tenths(fields["wind_speed_of_gust"].values),
        Measured.TEMPERATURE: _tenths(fields["air_temperature"].values, KELVIN),
    }
    days = fields["air_temperature_maximum"].values
    days = np.stack([_tenths(day, KELVIN) for day in days])
    matters = []
    for hazard in _HAZARDS:
        rows = rules.of(hazard)
        if not rows:
            continue
        of = {quantity for row in rows for quantity, _ in thresholds(row)}
        measured = np.stack([values[quantity] for quantity in Measured if quantity in of])
        known: NDArray[np.bool_] = np.asarray(np.isfinite(measured).any(axis=0))
        found = _found(rows, rules, values, days, known)
        finding = WeatherFinding(rules.version, rows, values, found)
        matters += [
            Matter(hazard, county, None, np.flatnonzero(units.cell_county == k), found, finding)
            for k, county in enumerate(units.counties)
        ]
    return matters


def _tenths(field: NDArray[np.float32], zero: float = 0.0) -> NDArray[np.float64]:
    """Values (cell,) in tenths, as stations report them and the signals are worded."""
    values: NDArray[np.float64] = np.round(field.astype(np.float64).ravel() - zero, 1)
    return values


def _found(
    rows: tuple[WeatherRule, ...],
    rules: WeatherRules,
    values: dict[Measured, NDArray[np.float64]],
    days: NDArray[np.float64],
    known: NDArray[np.bool_],
) -> Found:
    level, kept = np.zeros(known.size, np.uint8), np.zeros(known.size, np.uint8)
    for row in rows:  # the highest comes last
        reached, keeps = np.zeros(known.size, np.bool_), np.zeros(known.size, np.bool_)
        for quantity, threshold in thresholds(row):
            of = values[quantity]
            warm = quantity is Measured.TEMPERATURE
            reached |= of >= threshold
            keeps |= of >= (threshold - rules.keep_k if warm else threshold * rules.keep_share)
        if row.temperature_c is not None:
            reached &= (days[1 : row.days] >= row.temperature_c).all(axis=0)
        level[reached], kept[keeps] = row.level, row.level
    return Found(level, kept, known)
