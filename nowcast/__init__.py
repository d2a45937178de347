"""Motion and extrapolation of rain."""

from jinghu.nowcast.extrapolate import extrapolate
from jinghu.nowcast.nowcast import Engine, Method, nowcast

__all__ = ["Engine", "Method", "extrapolate", "nowcast"]
