"""Levels of cells while rules are applied one by one, and as a Dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

_COORDINATES = ("time", "x", "y", "lat", "lon", "crs")


class Decides(Protocol):
    """What a rule must be to decide cells."""

    @property
    def level(self) -> int:
        """Level of danger."""
        ...

    @property
    def window_h(self) -> int:
        """Window of the rain, h."""
        ...


@dataclass(frozen=True, slots=True)
class CellLevels:
    """Level of every cell (y, x), and what speaks for it.

    Parameters
    ----------
    level
        0 where there is none.
    amount
        mm; of a rule on probabilities its threshold. 0 where nothing speaks for it.
    window
        h
    probability
        Of reaching the amount; 0 where the amount itself is forecast.
    """

    level: NDArray[np.uint8]
    amount: NDArray[np.float32]
    window: NDArray[np.uint8]
    probability: NDArray[np.float32]

    @staticmethod
    def none(shape: tuple[int, ...]) -> "CellLevels":
        """No level anywhere."""
        return CellLevels(
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.uint8),
            np.zeros(shape, np.float32),
        )

    def put(
        self,
        here: NDArray[np.bool_],
        rule: Decides,
        amount: NDArray[np.float32] | None,
        probability: NDArray[np.float32] | None = None,
    ) -> None:
        """Let a rule of at least the level so far decide some cells."""
        self.level[here] = rule.level
        self.amount[here] = 0 if amount is None else amount[here]
        self.window[here] = 0 if amount is None else rule.window_h
        self.probability[here] = 0 if probability is None else probability[here]


def to_dataset(
    reached: CellLevels,
    kept: CellLevels,
    onset_min: NDArray[np.float32],
    like: xr.Dataset,
    version: str,
) -> xr.Dataset:
    """Levels as a Dataset on (y, x), with the coordinates of ``like``."""
    return xr.Dataset(
        {
            "warning_level": _field(reached.level, "1", "warning level"),
            "warning_level_kept": _field(kept.level, "1", "level that a standing warning keeps"),
            "warning_onset_lead": _field(onset_min, "min", "time to the level"),
            "warning_amount": _field(reached.amount, "mm", "deciding amount"),
            "warning_window": _field(reached.window, "h", "deciding window"),
            "warning_probability": _field(reached.probability, "1", "deciding probability"),
            "kept_amount": _field(kept.amount, "mm", "amount that keeps the level"),
            "kept_window": _field(kept.window, "h", "window that keeps the level"),
            "kept_probability": _field(kept.probability, "1", "probability that keeps the level"),
        },
        coords={n: like[n] for n in _COORDINATES if n in like},
        attrs={"rules": version},
    )


def higher(one: xr.Dataset, other: xr.Dataset) -> xr.Dataset:
    """Of two Datasets of levels the higher one cell by cell; ``one`` where they are equal.

    What else ``one`` holds is kept.
    """
    return _where(_where(one, other, _REACHED), other, _KEPT)


def kept_also(one: xr.Dataset, other: xr.Dataset) -> xr.Dataset:
    """Let levels of ``other`` keep what stands, without raising anything."""
    return _where(one, other, _KEPT)


_REACHED = {
    "warning_level": ("warning_level", "warning_onset_lead", "warning_amount", "warning_window",
                      "warning_probability")
}  # fmt: skip
_KEPT = {
    "warning_level_kept": ("warning_level_kept", "kept_amount", "kept_window", "kept_probability")
}


def _where(one: xr.Dataset, other: xr.Dataset, names: Mapping[str, tuple[str, ...]]) -> xr.Dataset:
    result = one.copy()
    for level, together in names.items():
        taken = other[level].values > one[level].values
        for name in together:
            result[name] = (
                ("y", "x"),
                np.where(taken, other[name].values, one[name].values),
                one[name].attrs,
            )
    return result


def _field(values: NDArray[np.generic], units: str, long_name: str) -> xr.Variable:
    return xr.Variable(("y", "x"), values, {"units": units, "long_name": long_name})
