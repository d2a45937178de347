"""Rain that the tests of the ensemble share, and the peer they compare with."""

import contextlib
import io
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter


def made_frames(shape=(96, 128), n=3, seed=0, memory=0.9):
    """Showers (n, y, x) in mm/h that stand still and change, a third of the field wet."""
    rng = np.random.default_rng(seed)

    def field():
        white = rng.standard_normal(shape)
        return np.sum([gaussian_filter(white, s, mode="wrap") * s for s in (1.5, 4, 12)], axis=0)

    fields = [field()]
    for _ in range(n - 1):
        fields.append(memory * fields[-1] + np.sqrt(1 - memory**2) * field())
    unit = (np.stack(fields) - fields[0].mean()) / fields[0].std()
    return np.where(unit > 0.4, 0.3 * np.exp(2.0 * (unit - 0.4)), 0.0).astype(np.float32)


@pytest.fixture
def frames_of():
    return made_frames


@pytest.fixture
def quiet():
    """The peer, which prints as it works, off the standard output."""
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.importorskip("pysteps")
        yield


@pytest.fixture(scope="session")
def quiet_peer():
    """The verification of the peer."""
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.importorskip("pysteps")
        from pysteps.verification import detcatscores, ensscores, probscores, spatialscores
    return SimpleNamespace(
        detcatscores=detcatscores,
        ensscores=ensscores,
        probscores=probscores,
        spatialscores=spatialscores,
    )
