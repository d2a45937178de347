"""Tide from harmonic constants: h = Z0 + sum of f A cos(V + u - g).

V is the equilibrium argument at Greenwich, f and u the nodal corrections (Schureman 1940, Manual
of Harmonic Analysis and Prediction of Tides, sections 44-79; mean longitudes after Meeus 1998).
"""

from enum import StrEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Array = NDArray[np.float64]
_J2000 = np.datetime64("2000-01-01T12:00:00", "ns")


class Constituent(StrEnum):
    """Constituents that are known here."""

    M2 = "M2"
    S2 = "S2"
    N2 = "N2"
    K1 = "K1"
    O1 = "O1"
    M4 = "M4"
    MS4 = "MS4"


class Harmonic(BaseModel):
    """One constituent: amplitude, and phase lag behind the equilibrium tide at Greenwich."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    constituent: Constituent
    amplitude_m: Annotated[float, Field(ge=0, le=15)]
    phase_deg: Annotated[float, Field(ge=0, lt=360)]


class Tide(BaseModel):
    """Tide of one place above ``datum``; ``source`` says where the constants came from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    mean_level_m: Annotated[float, Field(allow_inf_nan=False)]
    datum: str = Field(min_length=1)
    source: str = Field(min_length=1)
    constituents: tuple[Harmonic, ...] = Field(min_length=1)

    def level(self, times: NDArray[np.datetime64]) -> Array:
        """Level (time) in m at UTC times."""
        total = np.full(len(times), self.mean_level_m)
        for one in self.constituents:
            argument, factor = equilibrium(one.constituent, times)
            total += one.amplitude_m * factor * np.cos(np.deg2rad(argument - one.phase_deg))
        return total


def equilibrium(constituent: Constituent, times: NDArray[np.datetime64]) -> tuple[Array, Array]:
    """V + u in degrees and the factor f of a constituent at UTC times."""
    days = (times.astype("datetime64[ns]") - _J2000) / np.timedelta64(1, "D")
    sun_time = 15.0 * 24.0 * ((days + 0.5) % 1.0) + 180.0  # T: hour angle of the mean sun
    moon = 218.3164477 + 13.17639648 * days  # s
    sun = 280.4664567 + 0.98564736 * days  # h
    perigee = 83.3532465 + 0.11140353 * days  # p
    node = np.deg2rad(125.0445479 - 0.05295377 * days)  # N
    m2 = 2.0 * (sun_time - moon + sun) - 2.1 * np.sin(node)
    f_m2 = 1.0 - 0.037 * np.cos(node)
    one = np.ones(len(days))
    match constituent:
        case Constituent.M2:
            return m2, f_m2
        case Constituent.S2:
            return 2.0 * sun_time, one
        case Constituent.N2:
            return m2 - moon + perigee, f_m2
        case Constituent.K1:
            argument = sun_time + sun - 90.0 - 8.9 * np.sin(node)
            return argument, 1.006 + 0.115 * np.cos(node)
        case Constituent.O1:
            argument = sun_time - 2.0 * moon + sun + 90.0 + 10.8 * np.sin(node)
            return argument, 1.009 + 0.187 * np.cos(node)
        case Constituent.M4:
            return 2.0 * m2, f_m2**2
        case Constituent.MS4:
            return m2 + 2.0 * sun_time, f_m2
