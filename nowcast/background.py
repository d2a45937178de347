"""What moves the rain where no echo tells: the field before, the steering wind, or nothing."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.fields import attrs

SOURCES = ("measured", "previous", "profiles")


@dataclass(frozen=True, slots=True)
class BackgroundParams:
    """Errors of the sources of motion, m/s a component.

    The variance of a source is ``near^2 + (1 - quality) far^2`` with its own quality: a measured
    field goes on beyond the echo that it was measured by, and a wind beyond its station.
    """

    near_m_s: float = 2.0  # of a motion where echo was matched
    steering_m_s: float = 4.0  # of rain against the steering wind at a station
    far_m_s: float = 8.0
    steering_quality: float = 0.3  # that the steering wind leaves to the next cycle, at a station
    forget_s: float = 5400.0  # e-folding time of the quality of a field
    forgotten: float = 0.02  # a field whose quality is nowhere higher is not used: after 6 h


@dataclass(frozen=True, slots=True)
class Source:
    """One field of motion: (2, y, x) m/s, and its variance and quality (y, x)."""

    motion: NDArray[np.float32]
    variance: NDArray[np.float32]
    quality: NDArray[np.float32]


def filled_motion(
    measured: xr.Dataset,
    previous: xr.Dataset | None,
    steering: xr.Dataset | None,
    params: BackgroundParams | None = None,
) -> xr.Dataset:
    """Fill the motion where no echo is near by what else is known.

    Where its quality is 1 the measured motion stays what it is; where it is 0 the result is the
    mean of what the measured field says far from its echo, of the previous field and of the
    steering wind, each weighted by its precision; between the two it goes over.

    Parameters
    ----------
    measured
        As of `jinghu.nowcast.motion.estimate_motion`; zero with quality 0 where there is none.
    previous, steering
        Of the cycle before and of profile stations, on the same grid, or None.
    params
        Parameters.

    Returns
    -------
    ``motion_x``, ``motion_y`` and ``quality`` like ``measured``; attributes ``measured_share``,
    ``previous_share`` and ``profiles_share`` say what it rests on, in the mean over the grid.
    """
    params = params or BackgroundParams()
    near = measured["quality"].values
    sources = [
        _source(measured, near, params.near_m_s, params),
        _previous(previous, measured, params),
        _steering(steering, params),
    ]
    background, quality, shares = weighed([one for one in sources if one is not None], near.shape)
    motion = near * _components(measured) + (1 - near) * background
    named = {name: 0.0 for name in SOURCES}
    present = (name for name, one in zip(SOURCES, sources, strict=True) if one is not None)
    for name, share in zip(present, shares, strict=True):
        named[name] = float(((1 - near) * share).mean())
    named["measured"] += float(near.mean())
    fields = {"motion_x": motion[0], "motion_y": motion[1], "quality": near + (1 - near) * quality}
    return xr.Dataset(
        {name: (("y", "x"), f.astype(np.float32), attrs(name)) for name, f in fields.items()},
        coords=measured.coords,
        attrs={f"{name}_share": round(share, 4) for name, share in named.items()},
    )


def rests_on(motion: xr.Dataset) -> dict[str, float]:
    """Share that each source has of a motion that `filled_motion` made."""
    return {name: float(motion.attrs[f"{name}_share"]) for name in SOURCES}


def weighed(
    sources: list[Source], shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[NDArray[np.float32]]]:
    """Mean of sources by their precision, its quality, and the share of each; zero without any."""
    if not sources:
        return np.zeros((2, *shape), np.float32), np.zeros(shape, np.float32), []
    precision = np.stack([1.0 / one.variance for one in sources])
    shares = precision / precision.sum(axis=0)
    motion = sum(s * one.motion for s, one in zip(shares, sources, strict=True))
    quality = sum(s * one.quality for s, one in zip(shares, sources, strict=True))
    return np.asarray(motion), np.asarray(quality), list(shares)


def no_motion(like: xr.Dataset, time: np.datetime64) -> xr.Dataset:
    """Motion of which nothing is known: zero, with quality 0, on the grid of a Dataset."""
    nothing = np.zeros((like.sizes["y"], like.sizes["x"]), np.float32)
    names = ("motion_x", "motion_y", "quality")
    return xr.Dataset(
        {name: (("y", "x"), nothing.copy(), attrs(name)) for name in names},
        coords={n: like[n] for n in ("x", "y", "lat", "lon", "crs") if n in like.coords},
    ).assign_coords(time=time)


def _components(motion: xr.Dataset) -> NDArray[np.float32]:
    return np.stack([motion["motion_x"].values, motion["motion_y"].values]).astype(np.float32)


def _source(
    motion: xr.Dataset, quality: NDArray[np.float32], near_m_s: float, params: BackgroundParams
) -> Source | None:
    """Source of a field, None where its quality is 0 everywhere: it knows nothing."""
    if not np.any(quality > 0):
        return None
    variance = near_m_s**2 + (1 - quality) * params.far_m_s**2
    return Source(_components(motion), variance.astype(np.float32), quality)


def _previous(
    previous: xr.Dataset | None, now: xr.Dataset, params: BackgroundParams
) -> Source | None:
    """Field of an earlier cycle, of less quality the older it is."""
    if previous is None:
        return None
    age_s = float((now["time"].values - previous["time"].values) / np.timedelta64(1, "s"))
    kept = np.float32(np.exp(-max(age_s, 0.0) / params.forget_s))
    quality = previous["quality"].values * kept
    if quality.max() < params.forgotten:
        return None
    return _source(previous, quality, params.near_m_s, params)


def _steering(steering: xr.Dataset | None, params: BackgroundParams) -> Source | None:
    """Wind of profile stations; what it leaves to the next cycle is worth less than an echo's."""
    if steering is None:
        return None
    found = _source(steering, steering["quality"].values, params.steering_m_s, params)
    if found is None:
        return None
    left = found.quality * np.float32(params.steering_quality)
    return Source(found.motion, found.variance, left)
