"""Design rain: how much falls in so many hours once in so many years, and how it falls.

Depths follow the Pearson III law of the year's largest amounts (SL 44-2006, 3.3); between the
durations of the table they go as a power of the duration, as the law of storm intensity has it.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from scipy.stats import pearson3

from jinghu.grid.errors import DataError
from jinghu.grid.yaml_text import load_yaml

_KM2_PER_MI2 = 2.589988

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Duration(_Data):
    """The year's largest amount in so many hours at a point: its mean and variation."""

    hours: Positive
    mean_mm: Positive
    cv: Annotated[float, Field(gt=0, le=2)]


class DesignRain(_Data):
    """Table of an installation."""

    version: str
    source: str = Field(min_length=1)
    skewness_ratio: Annotated[float, Field(ge=2, le=6)]
    durations: tuple[Duration, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _ascend(self) -> "DesignRain":
        for one, other in zip(self.durations, self.durations[1:], strict=False):
            if one.hours >= other.hours:
                raise ValueError("hours must ascend")
            if one.mean_mm > other.mean_mm:
                raise ValueError(f"{other.hours:g} h have less rain than {one.hours:g} h")
        return self


def read_design_rain(path: Path) -> DesignRain:
    """Read the table of an installation.

    Raises
    ------
    DataError
        Where it cannot be read: names the file and the entry.
    """
    try:
        return DesignRain.model_validate(load_yaml(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(path, f"{place}: {first['msg']}".lstrip(": ")) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(path, str(error).splitlines()[0]) from None


def depths_mm(
    table: DesignRain, hours: NDArray[np.float64], years: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Depth (year, hour) in mm that is reached in so many hours once in so many years, at a point.

    Parameters
    ----------
    table
        Of the installation.
    hours
        Durations; beyond those of the table its last power law goes on.
    years
        Return periods, above 1.
    """
    rare = 1.0 / np.asarray(years, np.float64)
    rows = [
        d.mean_mm * (1.0 + d.cv * pearson3.isf(rare, table.skewness_ratio * d.cv))
        for d in table.durations
    ]
    known = np.log([d.hours for d in table.durations])
    wanted = np.log(np.asarray(hours, np.float64))
    at = np.clip(np.searchsorted(known, wanted) - 1, 0, len(known) - 2)
    share = (wanted - known[at]) / (known[at + 1] - known[at])
    logs = np.log(np.stack(rows, axis=1))  # (year, duration)
    return np.asarray(np.exp(logs[:, at] + share * (logs[:, at + 1] - logs[:, at])))


def areal_share(hours: NDArray[np.float64], area_km2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share (area, hour) of a point's design rain that falls on the mean of an area.

    Leclerc & Schaake 1972 (MIT, Ralph M. Parsons Laboratory report 142), their fit to the curves of
    the U.S. Weather Bureau's Technical Paper 29.
    """
    square_miles = np.asarray(area_km2, np.float64)[:, None] / _KM2_PER_MI2
    fall = np.exp(-1.1 * np.asarray(hours, np.float64) ** 0.25)
    return np.asarray(1.0 - fall + fall * np.exp(-0.01 * square_miles))


def design_storms(
    table: DesignRain,
    years: NDArray[np.float64],
    area_km2: NDArray[np.float64],
    hours: float,
    step_h: float,
) -> NDArray[np.float64]:
    """Rain (time, year, area) in mm a step of storms that hold the depth of every duration.

    The alternating block method (Chow, Maidment & Mays 1988, 14.4): the step with most rain in the
    middle, the next ones before and after it in turn, so that the worst of any number of steps has
    the depth of its duration.
    """
    n = max(1, round(hours / step_h))
    ends = np.arange(1, n + 1) * np.float64(step_h)
    depth = depths_mm(table, ends, years)[:, None, :] * areal_share(ends, area_km2)[None]
    blocks = np.diff(np.maximum.accumulate(depth, axis=2), axis=2, prepend=0.0)
    blocks = -np.sort(-blocks, axis=2)  # a law of depth that is not concave at a knot
    rank = np.arange(n)
    out = np.empty_like(blocks)
    out[:, :, (n - 1) // 2 + (rank + 1) // 2 * np.where(rank % 2, 1, -1)] = blocks
    return np.ascontiguousarray(np.moveaxis(out, 2, 0))
