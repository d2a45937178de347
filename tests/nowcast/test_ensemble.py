import numpy as np
import pytest
from scipy import fft

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.cascade import bandpass, level_covariances
from jinghu.nowcast.ensemble import EnsembleParams, ensemble
from jinghu.nowcast.member_noise import still, step
from jinghu.nowcast.raining import BINS, distances, rain_by_rank
from jinghu.nowcast.scales import scales_of, to_db
from jinghu.nowcast.trajectories import MotionError

LEVELS = 6


def steady(shape, along_x=0.0, along_y=0.0):
    motion = np.empty((2, *shape), np.float32)
    motion[0], motion[1] = along_x, along_y
    return motion


def run(frames, motion, params, seed=1, workers=1):
    return np.stack([rates for _, rates in ensemble(frames, motion, params, seed, workers)])


def member_from(white_fields, frames, motion):
    """Our member before it moves, from given fields of white noise: (lead, y, x) mm/h."""
    shape = frames.shape[1:]
    scales = scales_of(frames, motion, LEVELS, 0.1, 1.0, 5.0)
    state, packed = still(scales.model), scales.model.packed
    distance = np.empty(shape, np.uint8)
    distances(frames[-1], 0.1, distance)
    work = np.empty(BINS, np.int32), np.empty(BINS + 1, np.float32)
    out = []
    for lead, field in enumerate(white_fields, 1):
        half = np.asarray(fft.rfft2(field)).ravel()[packed.order] / np.sqrt(field.size)
        white = np.stack([half.real, half.imag]).astype(np.float32)
        observed, mean = scales.observed(lead)
        spectrum = np.zeros((shape[0], shape[1] // 2 + 1), np.complex64)
        parts = spectrum.view(np.float32).reshape(*spectrum.shape, 2)
        step(scales.model, state, observed, white, parts)
        spectrum[0, 0] = mean
        rain = np.asarray(fft.irfft2(spectrum, shape)).astype(np.float32)
        rain_by_rank(rain, distance, 2, 10, scales.target, work)
        distances(rain, 0.1, distance)
        out.append(rain)
    return np.stack(out)


@pytest.mark.parametrize("shape", [(96, 128), (81, 75)])
def test_a_member_is_the_peers_where_the_noise_is_its(shape, frames_of, quiet):
    """The peer draws fields of white noise by seed; from the same fields comes the same rain."""
    from pysteps.nowcasts import steps

    frames, leads, seed = frames_of(shape), 6, 24
    db = np.stack([to_db(f, 0.1) for f in frames]).astype(np.float64)
    theirs = steps.forecast(
        db, steady(shape).astype(np.float64), leads, n_ens_members=1, n_cascade_levels=LEVELS,
        precip_thr=-10.0, kmperpixel=1.0, timestep=5.0, seed=seed, vel_pert_method=None,
    )[0]  # fmt: skip
    stream = np.random.RandomState(seed)
    stream.randint(0, high=int(1e9))  # the peer draws the seed of the motion first
    ours = member_from([stream.randn(*shape) for _ in range(leads)], frames, steady(shape))
    off = np.abs(np.where(ours >= 0.1, 10 * np.log10(np.maximum(ours, 0.1)), -15.0) - theirs)
    for k in range(leads):
        assert np.mean(off[k] < 0.1) > 0.985
        assert np.mean(off[k]) < 0.03
    for k in range(leads):
        for q in (0.9, 0.99, 0.999):
            a, b = np.quantile(ours[k], q), 10 ** (np.quantile(theirs[k], q) / 10)
            np.testing.assert_allclose(a, b, rtol=0.01)
