"""Radar sites: where a radar stands is taken from a table, not from what a file says."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from jinghu.grid.errors import ConfigError
from jinghu.grid.yaml_text import load_yaml


@dataclass(frozen=True, slots=True)
class HiddenSector:
    """What the survey of a site found: azimuths that something near hides up to an elevation."""

    from_deg: float
    to_deg: float
    up_to_deg: float


@dataclass(frozen=True, slots=True)
class RadarSite:
    """One radar: WGS-84 degrees, antenna height in m above mean sea level, hidden sectors."""

    code: str
    name_zh: str
    name_en: str
    latitude: float
    longitude: float
    antenna_height_m: float
    band: str  # "S", "C" or "X"
    beam_width_deg: float = 1.0
    hidden: tuple[HiddenSector, ...] = ()


def load_sites(path: Path) -> dict[str, RadarSite]:
    """Read the site table.

    Raises
    ------
    ConfigError
        Names the file, the site and the cause.
    """
    try:
        table = load_yaml(path.read_text(encoding="utf-8"))["sites"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: no table of sites: {error}") from None
    sites = {}
    for code, row in table.items():
        try:
            sectors = tuple(HiddenSector(**sector) for sector in row.pop("hidden", ()))
            site = RadarSite(code=str(code), hidden=sectors, **row)
        except (TypeError, AttributeError) as error:
            raise ConfigError(f"{path}: site {code}: {error}") from None
        if not (-90 <= site.latitude <= 90 and -180 <= site.longitude <= 180):
            raise ConfigError(f"{path}: site {code}: {site.latitude}, {site.longitude} is no place")
        if site.band not in ("S", "C", "X"):
            raise ConfigError(f"{path}: site {code}: band {site.band!r} is none of S, C, X")
        sites[site.code] = site
    return sites
