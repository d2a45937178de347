"""What a radar wave does to drops and drops to the wave: no coefficient of any retrieval is used.

Backscatter and extinction are those of spheres (Mie), shared between the polarisations as the
polarisabilities of spheroids share them (Rayleigh-Gans). At S band this is exact for practical
purposes; at X band the resonance of large drops is that of the sphere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LIGHT_MM_GHZ = 299.792458
_WATER_FACTOR = 0.93  # |K|^2 by which all radars define reflectivity


@dataclass(frozen=True, slots=True)
class Drops:
    """Scattering of single drops, each (diameter,).

    Parameters
    ----------
    diameter_mm
        Of the sphere of equal volume.
    back_h_mm2, back_v_mm2
        Backscatter cross sections of the polarisations.
    extinction_h_mm2, extinction_v_mm2
        Extinction cross sections.
    phase_mm
        Difference of the real forward amplitudes, horizontal less vertical.
    wavelength_mm
        Of the radar.
    """

    diameter_mm: NDArray[np.float64]
    back_h_mm2: NDArray[np.float64]
    back_v_mm2: NDArray[np.float64]
    extinction_h_mm2: NDArray[np.float64]
    extinction_v_mm2: NDArray[np.float64]
    phase_mm: NDArray[np.float64]
    wavelength_mm: float


def permittivity(frequency_ghz: float, temperature_c: float) -> complex:
    """Relative permittivity of water: double Debye of Recommendation ITU-R P.840, section 2.

    >>> found = permittivity(2.8, 20.0)
    >>> round(found.real, 1), round(found.imag, 1)
    (78.1, 12.0)
    """
    theta = 300.0 / (273.15 + temperature_c)
    static = 77.66 + 103.3 * (theta - 1)
    middle, high = 0.0671 * static, 3.52
    first = 20.20 - 146.0 * (theta - 1) + 316.0 * (theta - 1) ** 2
    second = 39.8 * first
    f = frequency_ghz
    real = (static - middle) / (1 + (f / first) ** 2) + (middle - high) / (1 + (f / second) ** 2)
    loss = f * (static - middle) / (first * (1 + (f / first) ** 2))
    loss += f * (middle - high) / (second * (1 + (f / second) ** 2))
    return complex(real + high, loss)


def mie(size: float, index: complex) -> tuple[float, float]:
    """Efficiencies of extinction and backscatter of a sphere.

    Bohren & Huffman (1983), eq. 4.62 and 4.88, with their downward recurrence of the logarithmic
    derivative; backscatter is that of radar, sigma_b / (pi r^2).

    Parameters
    ----------
    size
        Circumference over wavelength.
    index
        Complex refractive index, imaginary part positive.
    """
    n_terms = int(size + 4.05 * size ** (1 / 3) + 2)
    inside = index * size
    start = int(max(n_terms, abs(inside)) + 16)
    derivative = np.zeros(start + 1, complex)
    for n in range(start, 0, -1):
        derivative[n - 1] = n / inside - 1.0 / (derivative[n] + n / inside)
    psi_before, psi = np.cos(size), np.sin(size)
    chi_before, chi = -np.sin(size), np.cos(size)
    extinction, back = 0.0, 0.0j
    for n in range(1, n_terms + 1):
        psi_next = (2 * n - 1) * psi / size - psi_before
        chi_next = (2 * n - 1) * chi / size - chi_before
        xi, xi_next = complex(psi, -chi), complex(psi_next, -chi_next)
        electric = derivative[n] / index + n / size
        magnetic = derivative[n] * index + n / size
        a = (electric * psi_next - psi) / (electric * xi_next - xi)
        b = (magnetic * psi_next - psi) / (magnetic * xi_next - xi)
        extinction += (2 * n + 1) * (a + b).real
        back += (2 * n + 1) * (-1) ** n * (a - b)
        psi_before, psi, chi_before, chi = psi, psi_next, chi, chi_next
    return 2.0 / size**2 * extinction, float(abs(back) ** 2 / size**2)


def axis_ratio(diameter_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vertical over horizontal axis of falling drops: Brandes et al. (2002, JAM 41, 674), eq. 1."""
    d = diameter_mm
    ratio = 0.9951 + 0.02510 * d - 0.03644 * d**2 + 0.005303 * d**3 - 0.0002492 * d**4
    return np.clip(ratio, 0.4, 1.0)


def fall_speed(diameter_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fall speed of drops in m/s: Brandes et al. (2002), eq. 4."""
    d = diameter_mm
    speed = -0.1021 + 4.932 * d - 0.9551 * d**2 + 0.07934 * d**3 - 0.002362 * d**4
    return np.maximum(speed, 0.0)


def polarisabilities(
    ratio: NDArray[np.float64], epsilon: complex
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Polarisability per volume across and along the axis of oblate spheroids.

    Bringi & Chandrasekar (2001), eq. A1.21: 1 / (1 / (eps - 1) + depolarisation factor).
    """
    flat = np.sqrt(np.maximum(1.0 / ratio**2 - 1.0, 1e-9))
    along = np.where(ratio < 0.9999, (1 + flat**2) / flat**2 * (1 - np.arctan(flat) / flat), 1 / 3)
    across = (1.0 - along) / 2.0
    inverse = 1 / (epsilon - 1)
    return np.asarray(1 / (inverse + across), complex), np.asarray(1 / (inverse + along), complex)


def drops(frequency_ghz: float, temperature_c: float, canting_deg: float = 8.0) -> Drops:
    """Scattering of drops of 0.1 to 8 mm.

    Parameters
    ----------
    frequency_ghz, temperature_c
        Of the radar; of the water.
    canting_deg
        Standard deviation of the axes about the vertical (Bringi & Chandrasekar 2001, 7.3.3).
    """
    diameter = np.arange(0.1, 8.0, 0.05)
    wavelength = _LIGHT_MM_GHZ / frequency_ghz
    epsilon = permittivity(frequency_ghz, temperature_c)
    efficiency = np.array([mie(np.pi * d / wavelength, np.sqrt(epsilon)) for d in diameter])
    area = np.pi * diameter**2 / 4.0
    sphere = 3.0 * (epsilon - 1) / (epsilon + 2)
    h, v = polarisabilities(axis_ratio(diameter), epsilon)
    tilt = (1.0 - np.exp(-2.0 * np.radians(canting_deg) ** 2)) / 2.0
    h, v = h - tilt * (h - v), v + tilt * (h - v)
    volume = np.pi * diameter**3 / 6.0
    wave_number = 2.0 * np.pi / wavelength
    return Drops(
        diameter,
        efficiency[:, 1] * area * np.abs(h / sphere) ** 2,
        efficiency[:, 1] * area * np.abs(v / sphere) ** 2,
        efficiency[:, 0] * area * h.imag / sphere.imag,
        efficiency[:, 0] * area * v.imag / sphere.imag,
        wave_number**2 / (4 * np.pi) * volume * (h - v).real,
        wavelength,
    )


@dataclass(frozen=True, slots=True)
class RainScattering:
    """Radar variables of rain by the size of its drops, per rain rate; each (size,).

    Parameters
    ----------
    log10_rate_per_drops
        log10 of mm/h per intercept Nw (m-3 mm-1): ascending with the size.
    dm_mm
        Mass-weighted mean diameter.
    z_per_rate, zv_per_rate
        Reflectivities in mm6 m-3 per mm/h.
    kdp_per_rate
        Degrees per km per mm/h.
    ah_per_rate, adp_per_rate
        One-way specific attenuation and its difference, dB/km per mm/h.
    rhohv
        Correlation of the polarisations.
    """

    log10_rate_per_drops: NDArray[np.float64]
    dm_mm: NDArray[np.float64]
    z_per_rate: NDArray[np.float64]
    zv_per_rate: NDArray[np.float64]
    kdp_per_rate: NDArray[np.float64]
    ah_per_rate: NDArray[np.float64]
    adp_per_rate: NDArray[np.float64]
    rhohv: NDArray[np.float64]


def rain_scattering(found: Drops, mu: float = 3.0) -> RainScattering:
    """Integrate over normalised gamma distributions (Testud et al. 2001, JAM 40, 1118, eq. 17).

    Parameters
    ----------
    found
        Scattering of single drops.
    mu
        Shape of the distributions.
    """
    sizes = np.geomspace(0.35, 4.2, 120)
    d = found.diameter_mm
    step = d[1] - d[0]
    scale = d[None, :] / sizes[:, None]
    gamma = float(np.prod(np.arange(1, round(mu) + 4)))  # Gamma(mu + 4)
    factor = 6.0 / 4.0**4 * (4 + mu) ** (mu + 4) / gamma
    number = factor * scale**mu * np.exp(-(4 + mu) * scale)
    number[scale > 3.0] = 0.0  # drops three times the mean size break up

    def integral(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((number * values).sum(axis=1) * step)

    rate = 6e-4 * np.pi * integral(d**3 * fall_speed(d))
    to_z = found.wavelength_mm**4 / (np.pi**5 * _WATER_FACTOR)
    z, zv = to_z * integral(found.back_h_mm2), to_z * integral(found.back_v_mm2)
    together = to_z * integral(np.sqrt(found.back_h_mm2 * found.back_v_mm2))
    kdp = 1e-3 * np.degrees(1.0) * found.wavelength_mm * integral(found.phase_mm)
    ah = 4.343e-3 * integral(found.extinction_h_mm2)
    av = 4.343e-3 * integral(found.extinction_v_mm2)
    return RainScattering(
        np.log10(rate), sizes, z / rate, zv / rate, kdp / rate, ah / rate, (ah - av) / rate,
        np.minimum(together / np.sqrt(z * zv), 0.998),
    )  # fmt: skip
