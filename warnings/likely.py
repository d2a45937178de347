"""Rules on probabilities: a level is reached where an amount is likely enough."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import check
from jinghu.warnings.cell_levels import CellLevels, to_dataset
from jinghu.warnings.rules import HYSTERESIS, Rule, RuleSet, may_continue
from jinghu.warnings.units import Units


def evaluate_likely(rules: RuleSet, products: xr.Dataset, units: Units | None = None) -> xr.Dataset:
    """Find the level of every cell from the probabilities of a full part.

    Parameters
    ----------
    rules
        Those rows of it that give a probability are applied.
    products
        ``probability_of_exceedance(window, threshold, lead_time, y, x)``; ``rainfall_rate`` where
        it is there tells whether rain is still to come.
    units
        Needed where a row has other thresholds in some units.

    Returns
    -------
    As `jinghu.warnings.rules.evaluate`; ``warning_probability`` and ``kept_probability`` are the
    largest of the lead times.

    Raises
    ------
    ConfigError
        Where a row needs a threshold or window of which there are no probabilities.
    """
    dims = ("window", "threshold", "lead_time", "y", "x")
    check(products, "probability_of_exceedance", dims=dims)
    shape = products["probability_of_exceedance"].shape[3:]
    minutes = products["lead_time"].values / np.timedelta64(1, "m")
    continues = may_continue(products, rules.continues_mm)
    reached, kept = CellLevels.none(shape), CellLevels.none(shape)
    onset = np.full(shape, np.nan, np.float32)
    for rule in rules.likely():
        assert rule.probability is not None
        wanted = rule.threshold_field(units, shape)
        shares = _shares(products, rule, wanted)
        over = shares >= rule.probability
        highest = shares.max(axis=0)
        here = over.any(axis=0) & (~over[0] | continues)
        reached.put(here, rule, wanted, highest)
        onset[here] = minutes[over.argmax(axis=0)][here]
        kept.put(highest >= HYSTERESIS * rule.probability, rule, wanted, highest)
    return to_dataset(reached, kept, onset, products, rules.version)


def _shares(products: xr.Dataset, rule: Rule, wanted: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities (lead_time, y, x) of reaching a rule's threshold, cell by cell."""
    known = products["threshold"].values
    if rule.window_h not in products["window"].values:
        raise ConfigError(f"rule {rule.id}: there are no {rule.window_h} h probabilities")
    of_window = products["probability_of_exceedance"].sel(window=rule.window_h)
    result = np.zeros((of_window.sizes["lead_time"], *wanted.shape), np.float32)
    for value in np.unique(wanted):
        k = int(np.abs(known - value).argmin())
        if not np.isclose(known[k], value):
            raise ConfigError(
                f"rule {rule.id}: there are no probabilities of {value:g} mm; name it in"
                " nowcast.amount_thresholds_mm"
            )
        here = wanted == value
        result[:, here] = of_window.isel(threshold=k).values[:, here]
    return result
