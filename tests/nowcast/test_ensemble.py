from dataclasses import replace

import numpy as np
import pytest
from scipy import fft

from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.errors import ConfigError
from jinghu.nowcast.autoregression import stationary, yule_walker
from jinghu.nowcast.ensemble import EnsembleParams, ensemble
from jinghu.nowcast.member_noise import step, still
from jinghu.nowcast.noise import draw
from jinghu.nowcast.raining import BINS, distances, rain_by_rank
from jinghu.nowcast.scales import ScaleParams, scales_of, to_db
from jinghu.nowcast.trajectories import MotionError, nodes_of, smoothed

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
    scales = scales_of(frames, motion, ScaleParams(LEVELS, exponent=0))
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
        step(scales.model, state, observed, white, parts, np.empty_like(white))
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
            np.testing.assert_allclose(a, b, rtol=0.02)


PARAMS = EnsembleParams(members=6, leads=4, levels=LEVELS)


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_the_bits_are_the_same_for_any_number_of_workers(workers, frames_of):
    frames = frames_of((60, 75))
    motion = steady((60, 75), 1.5, -0.7)
    one = run(frames, motion, PARAMS)
    np.testing.assert_array_equal(run(frames, motion, PARAMS, workers=workers), one)


def test_blocks_are_means_of_what_there_is_without_them(frames_of):
    frames, motion = frames_of((60, 75)), steady((60, 75), 1.5, -0.7)
    frames[-1, 10:20, 30:33] = np.nan
    blocks = run(frames, motion, replace(PARAMS, block_cells=5), workers=2)
    np.testing.assert_array_equal(blocks, coarsen_mean(run(frames, motion, PARAMS), 5))
    with pytest.raises(ConfigError, match="blocks of 7 cells do not cover"):
        run(frames, motion, replace(PARAMS, block_cells=7))


def test_a_member_does_not_depend_on_how_many_there_are(frames_of):
    frames, motion = frames_of((64, 64)), steady((64, 64), 1.0)
    few = EnsembleParams(members=2, leads=3, levels=LEVELS)
    longer = run(frames, motion, PARAMS)
    np.testing.assert_array_equal(run(frames, motion, few), longer[:3, :2])
    assert not np.array_equal(run(frames, motion, few, seed=2), longer[:3, :2], equal_nan=True)
    assert not np.array_equal(longer[:, 0], longer[:, 1], equal_nan=True)


def test_members_have_the_distribution_of_the_last_field(frames_of):
    still_there = EnsembleParams(members=3, leads=5, levels=LEVELS, motion_error=None)
    frames = frames_of((100, 120))
    rates = run(frames, steady((100, 120)), still_there)
    wet = np.mean(frames[-1] >= 0.1)
    for member in rates.reshape(-1, 100, 120):
        assert abs(np.mean(member >= 0.1) - wet) < 0.005
        for q in (0.8, 0.95, 0.99):
            np.testing.assert_allclose(
                np.quantile(member, q), np.quantile(frames[-1], q), rtol=0.03, atol=0.01
            )


def test_members_move_with_the_motion_each_by_its_own_error(frames_of):
    frames = frames_of((80, 100), memory=0.999)
    moved = [np.roll(f, (2 * k, 3 * k), (0, 1)) for k, f in enumerate(frames)]
    motion = steady((80, 100), 3.0, 2.0)
    rates = run(np.stack(moved), motion, EnsembleParams(members=8, leads=3, levels=LEVELS))
    truth = np.roll(moved[-1], (6, 9), (0, 1))
    inner = (slice(12, -12), slice(12, -12))
    mean = rates[2].mean(axis=0)[inner]
    known = np.isfinite(mean)
    assert known.mean() > 0.8
    with_truth = np.corrcoef(mean[known], truth[inner][known])[0, 1]
    with_last = np.corrcoef(mean[known], moved[-1][inner][known])[0, 1]
    assert with_truth > 0.6
    assert with_truth > with_last + 0.2
    edges = {int(np.isnan(m[40]).sum()) for m in rates[2]}
    assert len(edges) > 1
    assert min(edges) >= 4


def test_errors_of_the_motion_are_the_peers(quiet):
    from pysteps.noise.motion import generate_bps, initialize_bps

    motion = np.array([[[3.0]], [[4.0]]])
    peer = initialize_bps(motion, 1.0, 5.0, randstate=np.random.RandomState(1))
    for minutes in (5.0, 60.0):
        theirs = generate_bps(peer, minutes)[:, 0, 0]
        along, across = MotionError().at(minutes)
        along, across = along * peer["eps_par"] / 12, across * peer["eps_perp"] / 12
        ours = [along * 0.6 - across * 0.8, along * 0.8 + across * 0.6]
        np.testing.assert_allclose(theirs, ours, rtol=1e-9)


def test_noise_ends_with_variance_and_memory_of_each_level(frames_of):
    """Far ahead nothing of the observation is left: the noise has to stand for all of it."""
    shape = (96, 96)
    model = scales_of(frames_of(shape), steady(shape), ScaleParams(LEVELS)).model
    phi = yule_walker(stationary(np.tile([0.8, 0.6], (LEVELS, 1)))).astype(np.float32)
    model = replace(model, phi=phi)
    packed, state = model.packed, still(model)
    white = np.empty((2, len(packed.order)), np.float32)
    sums = np.empty_like(white)
    spectrum = np.zeros((96, 49, 2), np.float32)
    fields = []
    for lead in range(1, 161):
        draw(3, 0, lead, packed.mirrored, packed.real, white[0], white[1])
        step(model, state, np.zeros_like(white), white, spectrum, sums)
        fields.append(model.amplitude * state.now)
    for k in range(LEVELS):
        run_k = slice(packed.offsets[k], packed.offsets[k + 1])
        places = packed.starts[k] + np.arange(run_k.stop - run_k.start)
        level = np.stack([f[:, run_k] for f in fields[20:]])
        level = level * np.sqrt(packed.multiplicity[places]) / (96 * 96)
        flat = level.reshape(len(level), -1)
        variance = (flat**2).sum(axis=1).mean()
        lag = (flat[1:] * flat[:-1]).sum(axis=1).mean() / variance
        np.testing.assert_allclose(variance, model.deviation[k] ** 2, rtol=0.25)
        np.testing.assert_allclose(lag, 0.8, atol=0.05)


def dry(frames):
    return frames * 0


def one_wet_cell(frames):
    out = frames * 0
    out[-1, 5, 6] = 20.0
    return out


def one_wet_frame(frames):
    out = frames * 0
    out[-1] = frames[-1]
    return out


def stripes(frames):
    out = frames.copy()
    out[:, ::3] = np.nan
    return out


def missing(frames):
    return frames * np.nan


def constant(frames):
    return frames * 0 + 5.0


def repeated(frames):
    return np.stack([frames[-1]] * 3)


CASES = [dry, one_wet_cell, one_wet_frame, stripes, missing, constant, repeated]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", [(8, 8), (33, 47)])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_any_rain_gives_rain_or_nothing(case, shape, n, frames_of):
    frames = case(frames_of(shape))[-n:].astype(np.float32)
    rates = run(frames, steady(shape, 0.4, 0.2), EnsembleParams(members=3, leads=3))
    known = np.isfinite(rates)
    assert (rates[known] >= 0).all()
    largest = np.nan_to_num(frames[-1]).max()
    assert rates[known].max(initial=0.0) <= largest * (1 + 1e-6)
    if case is missing:
        assert not known.any()
    else:
        assert known[:, :, 2:-2, 2:-2].mean() > 0.3


def test_missing_is_not_dry(frames_of):
    frames = frames_of((40, 50))
    frames[:, 10:20, 15:30] = np.nan
    rates = run(frames, steady((40, 50)), EnsembleParams(members=3, leads=2, motion_error=None))
    assert np.isnan(rates[:, :, 10:20, 15:30]).all()
    assert np.isfinite(rates[:, :, 22:, :]).all()


def test_a_grid_of_prime_size_is_widened_for_the_transforms(frames_of):
    rates = run(frames_of((61, 67)), steady((61, 67)), PARAMS)
    assert rates.shape == (4, 6, 61, 67)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"frames": np.zeros((3, 7, 9), np.float32)}, "needs 8 x 8 cells at least"),
        ({"frames": np.zeros((0, 9, 9), np.float32)}, "needs fields"),
        ({"motion": steady((9, 8))}, "does not fit"),
        ({"motion": steady((9, 9), np.nan)}, "missing values"),
        ({"params": EnsembleParams(members=0)}, "at least one member"),
        ({"params": EnsembleParams(leads=0)}, "one lead time"),
        ({"workers": 0}, "one worker"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_what_is_of_no_use_is_refused(change, cause):
    given = {"frames": np.zeros((3, 9, 9), np.float32), "motion": steady((9, 9)),
             "params": PARAMS, "seed": 1}  # fmt: skip
    with pytest.raises(ConfigError, match=cause):
        next(ensemble(**{**given, **change}))


def test_details_of_the_motion_fade_with_the_lead(frames_of):
    """A hole in the flow holds the rain at first, and lets it go as the flow is smoothed."""
    shape = (80, 120)
    motion = steady(shape, 2.0)
    motion[0, 35:45, 55:65] = 0.0
    nodes = nodes_of(motion, 4)
    slow = [float(smoothed(nodes, sigma)[0].min()) for sigma in (0.0, 1.0, 3.0)]
    assert slow[0] == 0.0
    assert slow[0] < slow[1] < slow[2]
    assert slow[2] > 1.5
    np.testing.assert_allclose(smoothed(nodes_of(steady(shape, 2.0), 4), 3.0)[0], 2.0, rtol=1e-6)
    kept = EnsembleParams(members=2, leads=3, levels=LEVELS, motion_km_h=0.0)
    faded = replace(kept, motion_km_h=80.0)
    frames = frames_of(shape)
    assert not np.array_equal(run(frames, motion, kept), run(frames, motion, faded), equal_nan=True)
    even = steady(shape, 1.0)
    np.testing.assert_array_equal(run(frames, even, kept), run(frames, even, faded))
