"""What moves the rain where no echo tells: the field before, the steering wind, or nothing."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.fields import attrs

_AFAR = 0.01  # where both qualities are less, there was no echo: the newer field goes on
SOURCES = ("measured", "previous", "profiles")


@dataclass(frozen=True, slots=True)
class BackgroundParams:
    """Errors of the sources of motion, m/s a component.

    The variance of a source is ``near^2 + ((1 - quality) far)^2`` with its own quality: a measured
    field goes on beyond the echo that it was measured by, and a wind beyond its station. That of
    the steering wind has the variance between the stations added: where they disagree, as around
    a typhoon, none speaks for the places between them.
    """

    near_m_s: float = 2.0  # of a motion where echo was matched
    steering_m_s: float = 4.0  # of rain against the steering wind at a station
    far_m_s: float = 8.0
    forget_s: float = 5400.0  # e-folding time of the quality of a field
    forgotten: float = 0.02  # a field whose quality is nowhere higher is not used: after 6 h


@dataclass(frozen=True, slots=True)
class Source:
    """One field of motion: (2, y, x) m/s, and its variance (y, x)."""

    motion: NDArray[np.float32]
    variance: NDArray[np.float32]


def filled_motion(
    measured: xr.Dataset,
    previous: xr.Dataset | None,
    steering: xr.Dataset | None,
    params: BackgroundParams | None = None,
) -> xr.Dataset:
    """Fill the motion where no echo is near by what else is known.

    Where its quality is 1 the measured motion stays what it is; where it is 0 the result is the
    mean of what echo told there last (or tells from afar) and of the steering wind, each weighted
    by its precision; between the two it goes over.

    Parameters
    ----------
    measured
        As of `jinghu.nowcast.motion.estimate_motion`; zero with quality 0 where there is none.
    previous, steering
        What this function made in the cycle before (or any motion); as of
        `jinghu.nowcast.steering.steering_motion`; on the same grid, or None.
    params
        Parameters.

    Returns
    -------
    ``motion_x``, ``motion_y`` to move rain with; ``echo_motion_x``, ``echo_motion_y`` as echo told
    last, and its ``quality``: what the next cycle goes on from, so that a wind is not counted anew
    in every cycle. Attributes ``measured_share``, ``previous_share`` and ``profiles_share`` say
    what the motion rests on, in the mean over the grid.
    """
    params = params or BackgroundParams()
    near, now = measured["quality"].values, _components(measured)
    last = _previous(previous, measured, params)
    told, quality, older = _told((now, near), last)
    echo = _source(told, quality, params.near_m_s, params)
    sources = [one for one in (echo, _steering(steering, params)) if one is not None]
    background, shares = weighed(sources, near.shape)
    motion = near * now + (1 - near) * background
    by_echo = shares[0] if echo is not None else np.zeros_like(near)
    by_wind = 1 - by_echo if sources else by_echo
    named = {
        "measured": near + (1 - near) * by_echo * (1 - older),
        "previous": (1 - near) * by_echo * older,
        "profiles": (1 - near) * by_wind,
    }
    fields = {
        "motion_x": motion[0],
        "motion_y": motion[1],
        "echo_motion_x": told[0],
        "echo_motion_y": told[1],
        "quality": quality,
    }
    return xr.Dataset(
        {
            name: (("y", "x"), f.astype(np.float32), attrs(name.removeprefix("echo_")))
            for name, f in fields.items()
        },
        coords=measured.coords,
        attrs={f"{name}_share": round(float(share.mean()), 4) for name, share in named.items()},
    )


def _told(
    now: tuple[NDArray[np.float32], NDArray[np.float32]],
    last: tuple[NDArray[np.float32], NDArray[np.float32]] | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Motion as echo tells and told last, (2, y, x), its quality, and the share of the latter.

    ``now`` and ``last`` are a motion and its quality; far from all echo the newer one goes on.
    """
    motion, quality = now
    if last is None:
        return motion, quality, np.zeros_like(quality)
    rest = (1 - quality) * last[1]
    total = quality + rest
    if not np.any(quality > 0):
        return last[0], total, np.ones_like(quality)
    older = np.asarray(rest / (total + np.float32(_AFAR)), np.float32)
    joined = np.asarray((1 - older) * motion + older * last[0], np.float32)
    return joined, total, older


def rests_on(motion: xr.Dataset) -> dict[str, float]:
    """Share that each source has of a motion that `filled_motion` made."""
    return {name: float(motion.attrs[f"{name}_share"]) for name in SOURCES}


def weighed(
    sources: list[Source], shape: tuple[int, int]
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Mean of sources by their precision, and the share of each; zero without any."""
    if not sources:
        return np.zeros((2, *shape), np.float32), []
    precision = np.stack([1.0 / one.variance for one in sources])
    shares = list(precision / precision.sum(axis=0))
    return np.asarray(sum(s * one.motion for s, one in zip(shares, sources, strict=True))), shares


def no_motion(like: xr.Dataset, time: np.datetime64) -> xr.Dataset:
    """Motion of which nothing is known: zero, with quality 0, on the grid of a Dataset."""
    nothing = np.zeros((like.sizes["y"], like.sizes["x"]), np.float32)
    names = ("motion_x", "motion_y", "quality")
    return xr.Dataset(
        {name: (("y", "x"), nothing.copy(), attrs(name)) for name in names},
        coords={n: like[n] for n in ("x", "y", "lat", "lon", "crs") if n in like.coords},
    ).assign_coords(time=time)


def _components(motion: xr.Dataset, prefix: str = "") -> NDArray[np.float32]:
    found = (motion[f"{prefix}motion_{axis}"].values for axis in "xy")
    return np.stack(list(found)).astype(np.float32)


def _source(
    motion: NDArray[np.float32],
    quality: NDArray[np.float32],
    near_m_s: float,
    params: BackgroundParams,
) -> Source | None:
    """Source of a field, None where its quality is 0 everywhere: it knows nothing."""
    if not np.any(quality > 0):
        return None
    variance = near_m_s**2 + ((1 - quality) * params.far_m_s) ** 2
    return Source(motion, variance.astype(np.float32))


def _previous(
    previous: xr.Dataset | None, now: xr.Dataset, params: BackgroundParams
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Motion as echo told last in an earlier cycle, and its quality, less the older it is."""
    if previous is None:
        return None
    age_s = float((now["time"].values - previous["time"].values) / np.timedelta64(1, "s"))
    kept = np.float32(np.exp(-max(age_s, 0.0) / params.forget_s))
    quality = previous["quality"].values * kept
    if quality.max() < params.forgotten:
        return None
    return _components(previous, "echo_" if "echo_motion_x" in previous else ""), quality


def _steering(steering: xr.Dataset | None, params: BackgroundParams) -> Source | None:
    """Wind of profile stations; where they disagree it says less."""
    if steering is None:
        return None
    found = _source(_components(steering), steering["quality"].values, params.steering_m_s, params)
    if found is None:
        return None
    return Source(found.motion, found.variance + steering["spread"].values ** 2)
