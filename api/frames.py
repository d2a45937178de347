"""Frames of a published cycle: which there are, and their bytes."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from jinghu.api.legend import (
    AMOUNT_LOWER,
    BLOCKED,
    MISSING,
    SCALES,
    quality_codes,
    rain_codes,
    scale_edges,
)
from jinghu.api.published import Published
from jinghu.grid.fields import State
from jinghu.grid.times import cycle_name, to_numpy

GZIP_LEVEL = 6


class GridName(StrEnum):
    """The two grids of frames."""

    WORKING = "working"
    PRODUCT = "product"


def _exceedance(hours: int, above_mm: float) -> "Layer":
    return Layer(
        f"probability_{hours}h_{above_mm:.0f}mm",
        f"{hours}小时雨量≥{above_mm:.0f}毫米概率",
        f"Probability of {above_mm:.0f} mm in {hours} h",
        "probability",
        GridName.PRODUCT,
        hours,
        above_mm,
    )


@dataclass(frozen=True, slots=True)
class Layer:
    """One thing that frames show."""

    id: str
    zh: str
    en: str
    scale: str
    grid: GridName
    window_h: int | None = None
    above_mm: float | None = None  # whose probability it shows

    @property
    def unit(self) -> str:
        """Unit of its values."""
        return SCALES[self.scale].unit


LAYERS = {
    layer.id: layer
    for layer in (
        Layer("rate", "雨强", "Rain rate", "rate", GridName.WORKING),
        *(
            Layer(
                f"amount_{h}h", f"{h}小时雨量", f"{h} h rain", f"amount_{h}h", GridName.PRODUCT, h
            )
            for h in AMOUNT_LOWER
        ),
        Layer("warning", "预警等级", "Warning level", "warning", GridName.PRODUCT),
        Layer("quality", "质量", "Quality", "quality", GridName.WORKING),
        Layer("state", "数据状态", "Data state", "state", GridName.WORKING),
        Layer(
            "composite_reflectivity",
            "组合反射率",
            "Composite reflectivity",
            "reflectivity",
            GridName.WORKING,
        ),
        Layer("cappi_3km", "等高面反射率 3 km", "CAPPI 3 km", "reflectivity", GridName.WORKING),
        Layer("echo_top", "回波顶高", "Echo top 18 dBZ", "echo_top", GridName.WORKING),
        _exceedance(1, 20.0),
        _exceedance(3, 50.0),
        Layer("vil", "垂直积分液态水", "VIL", "liquid", GridName.WORKING),
    )
}


# layer -> variable of working.zarr, and its unit over that of the layer
_COLUMNS = {
    "composite_reflectivity": ("composite_reflectivity", 1.0),
    "cappi_3km": ("cappi_reflectivity", 1.0),
    "echo_top": ("echo_top", 1e-3),
    "vil": ("vertically_integrated_liquid", 1.0),
}
_CAPPI_M = 3000.0


@dataclass(frozen=True, slots=True)
class FrameTime:
    """One frame of a layer; observed up to the analysis time, forecast after it."""

    time: datetime
    observed: bool
    cycle: str
    part: str

    def url(self, layer: Layer) -> str:
        """Where its bytes are."""
        at = cycle_name(self.time)
        return f"/api/v1/frames/{self.cycle}/{self.part}/{layer.id}/{at}"


def frame_times(of: Published, layer: Layer, earlier: Sequence[Published] = ()) -> list[FrameTime]:
    """Frames of a layer in order of time.

    Parameters
    ----------
    of
        The cycle.
    layer
        The layer.
    earlier
        Earlier cycles, whose analyses come first on the time axis of the rain rate.
    """
    if layer.id == "rate":
        before = [FrameTime(p.time, True, p.cycle, p.part) for p in earlier]
        seen = [FrameTime(t, True, of.cycle, of.part) for t in of.observed_times]
        later = [FrameTime(t, False, of.cycle, of.part) for t in of.lead_times[1:]]
        return sorted([*before, *seen, *later], key=lambda f: f.time)
    if layer.window_h is not None:
        if layer.window_h not in of.products["window"].values:
            return []
        if layer.above_mm is not None and not _holds_probability(of, layer.above_mm):
            return []
        return [FrameTime(t, t <= of.time, of.cycle, of.part) for t in of.lead_times]
    if layer.id in _COLUMNS and not _holds_columns(of, layer):
        return []
    return [FrameTime(of.time, True, of.cycle, of.part)]


def frame_codes(of: Published, layer: Layer, time: datetime) -> NDArray[np.uint8] | None:
    """Codes (y, x) of one frame, south first; None where there is no such frame."""
    if not any(f.time == time for f in frame_times(of, layer)):
        return None
    if layer.id == "rate":
        return _rate(of, time)
    if layer.above_mm is not None:
        return _probability(of, layer, time)
    if layer.window_h is not None:
        return _amount(of, layer, time)
    if layer.id in _COLUMNS:
        return _column(of, layer)
    if layer.id == "quality":
        return quality_codes(of.fields["quality"].values)
    source = of.products["warning_level"] if layer.id == "warning" else of.fields["state"]
    return np.asarray(source.values, np.uint8)


def frame_bytes(codes: NDArray[np.uint8]) -> bytes:
    """Compress a frame; the same frame gives the same bytes."""
    return gzip.compress(np.ascontiguousarray(codes).tobytes(), GZIP_LEVEL, mtime=0)


def _rate(of: Published, time: datetime) -> NDArray[np.uint8]:
    low = scale_edges("rate")
    state = of.fields["state"].values
    if time in of.observed_times:
        values = of.fields["observed_rainfall_rate"].sel(observation_time=to_numpy(time)).values
        # The state is that of the analysis: before it, it tells only where nothing is seen.
        return rain_codes(values, state if time == of.time else _unseen_only(state), low)
    lead = to_numpy(time) - to_numpy(of.time)
    values = of.fields["rainfall_rate"].sel(lead_time=lead).values
    return rain_codes(values, _unseen_only(state), low)


def _holds_columns(of: Published, layer: Layer) -> bool:
    """Whether the cycle has the layer: older ones were published without it."""
    name, _ = _COLUMNS[layer.id]
    if name not in of.fields or "column_state" not in of.fields:
        return False
    return layer.id != "cappi_3km" or bool((of.fields["height"].values == _CAPPI_M).any())


def _column(of: Published, layer: Layer) -> NDArray[np.uint8]:
    """Codes of what the column over each cell holds; no echo is below all bounds."""
    name, factor = _COLUMNS[layer.id]
    field = of.fields[name]
    if "height" in field.dims:
        field = field.sel(height=_CAPPI_M)
    values = field.values.astype(np.float32) * np.float32(factor)
    return rain_codes(values, of.fields["column_state"].values, scale_edges(layer.scale))


def _amount(of: Published, layer: Layer, time: datetime) -> NDArray[np.uint8]:
    """Amounts are lower bounds: no rain where nothing is seen is missing, not dry."""
    lead = to_numpy(time) - to_numpy(of.time)
    values = of.products["rainfall_amount"].sel(window=layer.window_h, lead_time=lead).values
    return _of_window(of, layer, values)


def _holds_probability(of: Published, above_mm: float) -> bool:
    """Whether the cycle has an ensemble, and one that was asked for this amount."""
    if "probability_of_exceedance" not in of.products:
        return False
    return bool((of.products["threshold"].values == above_mm).any())


def _probability(of: Published, layer: Layer, time: datetime) -> NDArray[np.uint8]:
    """Percentage of the members that reach an amount."""
    lead = to_numpy(time) - to_numpy(of.time)
    of_window = of.products["probability_of_exceedance"].sel(window=layer.window_h)
    share = of_window.sel(threshold=layer.above_mm, lead_time=lead).values
    return _of_window(of, layer, share.astype(np.float32) * np.float32(100))


def _of_window(of: Published, layer: Layer, values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Codes of values (y, x) of a window; nothing where nothing was seen is missing."""
    state = of.products["state"].values
    codes = rain_codes(values, state, scale_edges(layer.scale))
    never = of.products["window_observed"].sel(window=layer.window_h).values == 0
    unseen = (never | np.isin(state, (State.MISSING, State.BLOCKED))) & (codes == 0)
    nothing = np.where(state == State.BLOCKED, BLOCKED, MISSING)
    return np.where(unseen, nothing, codes).astype(np.uint8)


def _unseen_only(state: NDArray[np.uint8]) -> NDArray[np.uint8]:
    kept = np.where(state == State.BLOCKED, State.BLOCKED, State.MISSING)
    return kept.astype(np.uint8)
