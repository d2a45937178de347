"""Motion, extrapolation and ensembles of rain."""

from jinghu.nowcast.ensemble import EnsembleParams, ensemble
from jinghu.nowcast.extrapolate import extrapolate
from jinghu.nowcast.nowcast import Engine, Members, Method, nowcast
from jinghu.nowcast.probabilities import ProbabilityParams, probabilities

__all__ = [
    "Engine",
    "EnsembleParams",
    "Members",
    "Method",
    "ProbabilityParams",
    "ensemble",
    "extrapolate",
    "nowcast",
    "probabilities",
]
