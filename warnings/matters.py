"""What one cycle has to decide upon: the rain of each county, the water of each place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.warnings.evidence import (
    AnyEvidence,
    Basis,
    Evidence,
    Finding,
    TorrentEvidence,
    WaterEvidence,
    WeatherEvidence,
)
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.lifecycle import Found
from jinghu.warnings.subjects import Subject
from jinghu.warnings.units import County, Units
from jinghu.warnings.water import WaterFinding


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing that may be warned of; it has one event at a time.

    Parameters
    ----------
    hazard, county, subject
        What and where; a county's rain has no subject.
    cells
        Cells that it may warn.
    found
        Levels of this cycle, for all cells of the grid.
    finding
        Why.
    """

    hazard: Hazard
    county: County
    subject: Subject | None
    cells: NDArray[np.int64]
    found: Found
    finding: Finding

    @property
    def key(self) -> str:
        """Key of the subject, empty where there is none."""
        return self.subject.key if self.subject else ""


@dataclass(frozen=True, slots=True)
class RainFinding:
    """Levels of the rain of one cycle, as `jinghu.warnings.rules.evaluate` gives them."""

    levels: xr.Dataset

    @property
    def rules(self) -> str:
        """Version of the table that decided."""
        return str(self.levels.attrs["rules"])

    def evidence(self, cells: NDArray[np.int64], level: Level) -> tuple[float, Evidence]:
        """Minutes to the first onset, and the largest amount, over the cells that decide the level.

        Where none of them reaches the level now, what keeps it speaks for it.
        """
        reached = cells[self._flat("warning_level", cells) >= level]
        if reached.size:
            onset = float(np.nanmin(self._flat("warning_onset_lead", reached)))
            return onset, self._strongest(Basis.REACHED, "warning", reached)
        kept = cells[self._flat("warning_level_kept", cells) >= level]
        if (self._flat("kept_window", kept) > 0).any():
            return 0.0, self._strongest(Basis.CLOSE, "kept", kept)
        waning = kept.size == 0 and self._flat("known", cells).all()
        return 0.0, Evidence(Basis.WANING if waning else Basis.UNKNOWN)

    def _strongest(self, basis: Basis, kind: str, cells: NDArray[np.int64]) -> Evidence:
        """The largest amount that is forecast; where none is, the likeliest."""
        names = ("amount", "window", "probability")
        amount, window, probability = (self._flat(f"{kind}_{n}", cells) for n in names)
        certain = (probability == 0) & (window > 0)
        strength = np.where(certain, amount, -1.0) if certain.any() else probability
        best = int(strength.argmax())
        return Evidence(basis, float(amount[best]), int(window[best]), float(probability[best]))

    def _flat(self, name: str, where: NDArray[np.int64]) -> NDArray[np.float64]:
        if name not in self.levels:  # levels without rules on probabilities
            return np.zeros(len(where))
        values: NDArray[np.float64] = self.levels[name].values.ravel()[where]
        return values


@dataclass(frozen=True, slots=True)
class NothingFound:
    """A cycle that could not tell: what stands is held."""

    hazard: Hazard
    rules: str

    def evidence(self, cells: NDArray[np.int64], level: Level) -> tuple[float, AnyEvidence]:
        """Say that nothing is known."""
        del cells, level
        if self.hazard is Hazard.MOUNTAIN_TORRENT:
            return 0.0, TorrentEvidence(Basis.UNKNOWN)
        if self.hazard in (Hazard.GALE, Hazard.HIGH_TEMPERATURE):
            return 0.0, WeatherEvidence(Basis.UNKNOWN)
        nan = float("nan")
        return 0.0, WaterEvidence(Basis.UNKNOWN, None, None, 0.0, nan, nan, nan, None, "")


def rain_matters(levels: xr.Dataset, units: Units) -> list[Matter]:
    """The rain of each county."""
    found = Found(
        levels["warning_level"].values.ravel(),
        levels["warning_level_kept"].values.ravel(),
        levels["known"].values.ravel(),
    )
    finding = RainFinding(levels)
    return [
        Matter(
            Hazard.RAINSTORM,
            county,
            None,
            np.flatnonzero(units.cell_county == index),
            found,
            finding,
        )
        for index, county in enumerate(units.counties)
    ]


def water_matters(findings: Sequence[WaterFinding], units: Units) -> list[Matter]:
    """The water of each place: its event is that of the county in which it lies.

    A place outside the city is warned of in the county that has most of its cells.
    """
    matters = []
    for one in findings:
        home = int(units.cell_county[one.home]) if one.home >= 0 else -1
        if home < 0:
            home = int(np.bincount(units.cell_county[one.cells]).argmax())
        level = np.zeros(units.cell_county.shape, np.uint8)
        kept = level.copy()
        level[one.cells], kept[one.cells] = one.level, one.kept
        found = Found(level, kept, np.full(level.shape, one.known))
        matters.append(Matter(one.hazard, units.counties[home], one.subject, one.cells, found, one))
    return matters


def held_matter(hazard: Hazard, county: County, subject: Subject | None, n_cells: int) -> Matter:
    """An open event of which a cycle could not tell anything."""
    nothing = np.zeros(n_cells, np.uint8)
    return Matter(
        hazard,
        county,
        subject,
        np.empty(0, np.int64),
        Found(nothing, nothing, np.zeros(n_cells, np.bool_)),
        NothingFound(hazard, "none"),
    )
