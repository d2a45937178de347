"""Sums over windows against scipy, and rays that are nearest against the plain definition."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from jinghu.radar.windows import nearest_rays, window_sums


@pytest.mark.parametrize(("repeated", "beyond"), [(True, "nearest"), (False, "constant")])
@pytest.mark.parametrize(("rays", "gates"), [(1, 3), (12, 40), (0, 1), (3, 0)])
def test_sums_are_those_of_scipy(
    repeated: bool, beyond: Literal["nearest", "constant"], rays: int, gates: int
) -> None:
    values = np.random.default_rng(5).normal(0.0, 3.0, (36, 50)).astype(np.float32)
    size = (2 * rays + 1, 2 * gates + 1)
    expected = uniform_filter(values.astype(np.float64), size, mode=("wrap", beyond))
    found = window_sums(values, rays, gates, repeated)
    assert found == pytest.approx(expected * size[0] * size[1], abs=2e-4)


def test_window_wider_than_the_ray() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert window_sums(values, 1, 9, False) == pytest.approx(np.full((3, 4), values.sum()))


@given(st.integers(1, 40), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_nearest_ray_by_definition(n: int, wanted: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    azimuth = random.uniform(0.0, 360.0, n).astype(np.float32)
    of = random.uniform(0.0, 360.0, wanted).astype(np.float32)
    off = np.abs((azimuth[None].astype(float) - of[:, None] + 180.0) % 360.0 - 180.0)
    ray, distance = nearest_rays(azimuth, of)
    assert distance == pytest.approx(off.min(axis=1), abs=1e-4)
    assert off[np.arange(wanted), ray] == pytest.approx(off.min(axis=1), abs=1e-4)
