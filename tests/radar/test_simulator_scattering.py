"""Scattering against published values and against relations fitted by others."""

import numpy as np
import pytest

from jinghu.radar.simulator.scattering import (
    axis_ratio,
    drops,
    fall_speed,
    mie,
    permittivity,
    polarisabilities,
    rain_scattering,
)


def of_rain(table, rate, log10_drops):
    """Variables of a rain rate: dBZ, ZDR, KDP, Ah, Adp."""
    place = np.log10(rate) - log10_drops

    def at(values):
        return np.interp(place, table.log10_rate_per_drops, values)

    z, zv = rate * at(table.z_per_rate), rate * at(table.zv_per_rate)
    return (10 * np.log10(z), 10 * np.log10(z / zv), rate * at(table.kdp_per_rate),
            rate * at(table.ah_per_rate), rate * at(table.adp_per_rate))  # fmt: skip


def test_mie_is_that_of_bohren_and_huffman():
    """Their sample run: x = 5.213, m = 1.55: Qext = 3.10543, Qback = 2.92534 (appendix A)."""
    size = 2 * np.pi * 0.525 / 0.6328
    extinction, back = mie(size, 1.55 + 0j)
    assert extinction == pytest.approx(3.10543, abs=2e-5)
    assert back == pytest.approx(2.92534, abs=2e-5)


def test_small_drops_scatter_as_rayleigh_says():
    epsilon = permittivity(2.8, 20.0)
    k = (epsilon - 1) / (epsilon + 2)
    size = 0.01
    extinction, back = mie(size, np.sqrt(epsilon))
    assert back == pytest.approx(4 * size**4 * abs(k) ** 2, rel=2e-3)
    assert extinction == pytest.approx(4 * size * k.imag, rel=1e-2)
    across, along = polarisabilities(np.array([1.0]), epsilon)
    assert across[0] == pytest.approx(3 * k, rel=1e-6)
    assert along[0] == pytest.approx(3 * k, rel=1e-6)


def test_drops_are_flat_and_fast_as_measured():
    """Brandes et al. (2002): 2 mm: ratio 0.93, 6.5 m/s; 5 mm: 0.69, 9.1 m/s."""
    np.testing.assert_allclose(axis_ratio(np.array([2.0, 5.0])), [0.938, 0.717], atol=0.01)
    np.testing.assert_allclose(fall_speed(np.array([2.0, 5.0])), [6.54, 9.12], atol=0.1)


@pytest.mark.parametrize(
    ("ghz", "of_kdp", "of_ah"),
    [
        (2.8, lambda k: 44.0 * k**0.822, lambda a: 3100 * a**1.03),  # JPOLE; Ryzhkov et al. 2014
        (9.4, lambda k: 15.81 * k**0.7992, lambda a: 45.5 * a**0.83),  # Diederich et al. 2015
    ],
)
def test_rain_obeys_the_relations_that_others_fitted_within_their_spread(ghz, of_kdp, of_ah):
    """They hold for the mean of climates; half a decade of Nw around 4 is their spread."""
    table = rain_scattering(drops(ghz, 10.0))
    for rate in (20.0, 50.0, 100.0):
        by_kdp, by_ah = [], []
        for log10_drops in (3.6, 4.0, 4.4):
            _, _, kdp, ah, _ = of_rain(table, rate, log10_drops)
            by_kdp.append(of_kdp(kdp) / rate)
            by_ah.append(of_ah(ah) / rate)
        assert np.mean(by_kdp) == pytest.approx(0.85, abs=0.25)
        assert np.mean(by_ah) == pytest.approx(1.0, abs=0.3)


def test_attenuation_over_phase_and_reflectivity_are_the_usual_ones():
    """0.28 dB per degree at X, 0.016 at S (Bringi & Chandrasekar 2001, table 7.1, table 4.4)."""
    x, s = (rain_scattering(drops(f, 15.0)) for f in (9.4, 2.8))
    dbz, zdr, kdp, ah, adp = of_rain(x, 30.0, 4.0)
    assert ah / kdp == pytest.approx(0.29, abs=0.05)
    assert adp / ah == pytest.approx(0.18, abs=0.07)
    dbz, zdr, kdp, ah, _ = of_rain(s, 30.0, 4.0)
    assert dbz == pytest.approx(10 * np.log10(300 * 30**1.4), abs=2.5)
    assert 0.5 < zdr < 1.6
    assert ah / kdp == pytest.approx(0.018, abs=0.005)
    assert of_rain(x, 30.0, 4.0)[2] / kdp == pytest.approx(9.4 / 2.8, rel=0.2)
