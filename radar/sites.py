"""Radar sites: where a radar stands is taken from a table, not from what a file says."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from jinghu.grid.errors import ConfigError


@dataclass(frozen=True, slots=True)
class RadarSite:
    """One radar: WGS-84 degrees, antenna height in m above mean sea level."""

    code: str
    name_zh: str
    name_en: str
    latitude: float
    longitude: float
    antenna_height_m: float
    band: str  # "S", "C" or "X"
    beam_width_deg: float = 1.0


def load_sites(path: Path) -> dict[str, RadarSite]:
    """Read the site table.

    Raises
    ------
    ConfigError
        Names the file, the site and the cause.
    """
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))["sites"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: no table of sites: {error}") from None
    sites = {}
    for code, row in table.items():
        try:
            site = RadarSite(code=str(code), **row)
        except TypeError as error:
            raise ConfigError(f"{path}: site {code}: {error}") from None
        if not (-90 <= site.latitude <= 90 and -180 <= site.longitude <= 180):
            raise ConfigError(f"{path}: site {code}: {site.latitude}, {site.longitude} is no place")
        if site.band not in ("S", "C", "X"):
            raise ConfigError(f"{path}: site {code}: band {site.band!r} is none of S, C, X")
        sites[site.code] = site
    return sites
