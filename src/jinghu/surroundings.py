"""What an installation knows of its radars' surroundings: clutter maps, shadows of terrain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr

from jinghu.configs.settings import Settings
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.spec import GridSpec
from jinghu.hydro.terrain import read_dem
from jinghu.radar.blockage import Shadow, shadow
from jinghu.radar.clutter_file import map_path, read_map
from jinghu.radar.clutter_map import ClutterMap
from jinghu.radar.geometry import place
from jinghu.radar.rain import Surroundings
from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Volume
from jinghu.stages import StageLog

_UP_TO_DEG = 10.0  # no terrain within reach stands higher


@dataclass(slots=True)
class KnownSites:
    """Clutter maps by site, terrain, and the shadows computed so far: keep it while they hold.

    Parameters
    ----------
    maps
        By code of the radar.
    terrain
        ``elevation(y, x)`` in m in the CRS of ``spec``; None where there is no survey.
    spec
        Grid whose plane the terrain is in.
    """

    maps: Mapping[str, ClutterMap]
    terrain: xr.DataArray | None
    spec: GridSpec
    _shadows: dict[tuple[RadarSite, float], Shadow] = field(default_factory=dict)

    def around(self, volume: Volume) -> Surroundings:
        """Surroundings of a volume's site; each shadow is computed once."""
        found = {round(s.elevation_deg, 2) for s in volume.sweeps if "DBZH" in s.moments}
        low = sorted(e for e in found if e <= _UP_TO_DEG)
        shadows = () if self.terrain is None else tuple(self._at(volume.site, e) for e in low)
        return Surroundings(self.maps.get(volume.site.code), shadows)

    def _at(self, site: RadarSite, elevation_deg: float) -> Shadow:
        key = (site, elevation_deg)
        if key not in self._shadows:
            assert self.terrain is not None
            at = place(site, self.spec)
            self._shadows[key] = shadow(self.terrain, at, site, elevation_deg)
        return self._shadows[key]


def read_surroundings(settings: Settings, volumes: Sequence[Volume], log: StageLog) -> KnownSites:
    """Read the clutter maps of the radars and the DEM, where the settings name them.

    What cannot be used is named as a degradation: rain without it is better than none. Generated
    terrain hides nothing.
    """
    maps = _maps(settings.radar.clutter_maps, sorted({v.site.code for v in volumes}), log)
    terrain = None
    if settings.hydro.dem is not None and volumes:
        try:
            terrain = read_dem(settings.hydro.dem, settings.grid.crs)["elevation"]
        except DataError as error:
            log.degrade(f"beams are not checked against terrain: {error}")
    return KnownSites(maps, terrain, settings.grid.working())


def _maps(folder: Path | None, codes: Sequence[str], log: StageLog) -> dict[str, ClutterMap]:
    if folder is None:
        return {}
    if not folder.is_dir():
        log.degrade(f"no clutter maps: {folder} is not a folder")
        return {}
    maps = {}
    for code in codes:
        path = map_path(folder, code)
        if not path.is_file():
            continue
        try:
            maps[code] = read_map(path, code)
        except ConfigError as error:
            log.degrade(f"{code} without its clutter map: {error}")
    return maps
