"""Flood waves in one channel against finer and fuller equations than the model solves."""

import numpy as np
import pytest
from tests.hydro.channel_cases import CASES, cascade, classical, scores, truth

MILD, FLAT = CASES[0], CASES[2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_muskingum_cunge_against_the_full_channel(case):
    """Peak within 2 %, NSE at least 0.98, no water lost."""
    routed, missing = cascade(case, case.dx, case.dt, case.substeps())
    error, skill = scores(routed, truth(case))
    assert abs(missing) < 1e-14
    assert abs(error) < 2.0
    assert skill > 0.98
    assert routed.min() > 0.98 * case.base


@pytest.mark.parametrize(("case", "lost"), [(MILD, 3.0), (FLAT, 7.9)], ids=["mild", "flat"])
def test_classical_variable_parameter_scheme_loses_water(case, lost):
    """The negative control: 3.0 and 7.9 % of the flood are gone."""
    inflow, routed = case.inflow(case.dt), classical(case)
    flood = (inflow - case.base).sum()
    assert 100 * (routed - inflow).sum() / flood == pytest.approx(-lost, abs=0.05)


def test_kinematic_wave_lacks_the_diffusion_of_a_flat_river():
    """The other negative control: without diffusion the peak is 32 % too high."""
    routed, missing = cascade(FLAT, FLAT.dx, FLAT.dt, 1, kinematic_wave=True)
    assert abs(missing) < 1e-14
    assert 25 < scores(routed, truth(FLAT))[0] < 40
    assert np.isfinite(routed).all()
