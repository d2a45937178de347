"""Warnings on probabilities: the second pass of a cycle, once its full part is published."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import xarray as xr

from jinghu.alerting import Judged, WarningLevels, units_of, warn
from jinghu.configs.settings import Settings
from jinghu.grid.errors import DataError, StoreError
from jinghu.grid.store import Part, Store
from jinghu.grid.times import cycle_name
from jinghu.stages import StageLog
from jinghu.warnings.cell_levels import higher, kept_also
from jinghu.warnings.likely import evaluate_likely
from jinghu.warnings.rules import RuleSet

_REMEMBERED = timedelta(hours=3)  # probabilities reach three hours ahead


def likely_of(rules: RuleSet, part: Part, settings: Settings) -> xr.Dataset:
    """Levels that a full part's probabilities give.

    Raises
    ------
    ConfigError
        Where a row needs probabilities that are not made.
    StoreError
        Where the part cannot be read.
    """
    units = units_of(settings) if rules.needs_units else None
    names = ["probability_of_exceedance", "rainfall_rate"]
    with part.open("products.zarr") as opened:
        return evaluate_likely(rules, opened[names].load(), units)


def keep_likely(
    levels: WarningLevels, store: Store, time: datetime, settings: Settings, log: StageLog
) -> WarningLevels:
    """Let what was likely last keep what stands.

    The fast part of a cycle knows no probabilities: without this a warning that rests on them
    would be lowered between two full parts.
    """
    if not levels.rules.likely():
        return levels
    oldest = cycle_name(time - _REMEMBERED)
    for name in store.cycles():
        if not oldest <= name < cycle_name(time):
            continue
        part = store.find(name, "full")
        if part is None:
            continue
        try:
            before = likely_of(levels.rules, part, settings)
        except (DataError, StoreError) as error:
            log.degrade(f"probabilities of {name} keep no warning: {error}")
            return levels
        return replace(levels, evaluated=kept_also(levels.evaluated, before))
    return levels


def warn_of_likely(
    levels: WarningLevels, full: Part, now: datetime, settings: Settings, log: StageLog
) -> Mapping[str, object]:
    """Bring the warnings in line with the probabilities of a full part; returns what it came to.

    Nothing is done, and nothing returned, where no row of the table asks for probabilities.

    Raises
    ------
    ConfigError
        Where a row needs probabilities that are not made.
    StoreError
        Where the part or the database cannot be read or written.
    """
    if not levels.rules.likely():
        return {}
    likely = likely_of(levels.rules, full, settings)
    both = replace(levels, evaluated=higher(levels.evaluated, likely))
    had_their_turn = Judged([], [], [])
    return warn(both, full.cycle, now, settings, log, had_their_turn, second=True).summary
