"""What the commands about clutter maps do: volumes in, a map a site out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinghu.commands import volume_of
from jinghu.configs.settings import CONFIGS
from jinghu.grid.errors import ConfigError, DataError
from jinghu.radar.clutter import ClutterParams
from jinghu.radar.clutter_file import map_path, read_map, write_map
from jinghu.radar.clutter_map import ClutterMap, cover, learn
from jinghu.radar.interference import without_spokes
from jinghu.radar.polar import reflectivity_sweeps
from jinghu.radar.sites import load_sites

_PARAMS = ClutterParams()


def learn_files(
    files: Sequence[Path], out: Path, sites: Path | None, *, all_dry: bool
) -> dict[str, Any]:
    """Learn the maps of the files' sites; all maps are written at the end.

    Parameters
    ----------
    files
        Volumes; one that cannot be used, or is not dry, is named and left out.
    out
        Folder of the maps; made where absent.
    sites
        Table of sites; the shipped one where None, and then files place unknown sites themselves.
    all_dry
        The caller says that no scan holds rain; else each is judged by `clutter_map.cover`.

    Returns
    -------
    The object of ``--json``.

    Raises
    ------
    DataError
        Where no scan could be learned from.
    ConfigError
        Where a map in the folder cannot be carried on, or the folder cannot be written to.
    """
    table = load_sites(sites or CONFIGS / "radar_sites.yaml")
    maps: dict[str, ClutterMap] = {}
    learned: dict[str, int] = {}
    refused: list[dict[str, str]] = []
    for file in dict.fromkeys(files):
        try:
            volume = volume_of(file, table, placed_by_header=sites is None)
        except DataError as error:
            refused.append({"file": file.name, "cause": error.cause})
            continue
        code = volume.site.code
        if code not in maps:
            maps[code] = _map_of(out, code)
        sweeps = [without_spokes(s, _PARAMS.spokes) for s in reflectivity_sweeps(volume)]
        if not sweeps:
            refused.append({"file": file.name, "cause": "holds no reflectivity"})
            continue
        if not all_dry and (cause := _not_dry(cover(maps[code], sweeps, _PARAMS.mapped))):
            refused.append({"file": file.name, "cause": cause})
            continue
        maps[code] = learn(maps[code], sweeps, _PARAMS.mapped)
        learned[code] = learned.get(code, 0) + 1
    if not learned:
        cause = "; ".join(f"{r['file']}: {r['cause']}" for r in refused[:3])
        raise DataError("clutter learn", f"none of {len(refused)} scans can be used: {cause}")
    _write({code: maps[code] for code in learned}, out)
    summaries = [_summary(maps[code], n, out) for code, n in sorted(learned.items())]
    return {"sites": summaries, "refused": refused}


def _map_of(out: Path, code: str) -> ClutterMap:
    path = map_path(out, code)
    return read_map(path, code) if path.is_file() else ClutterMap(code, _PARAMS.mapped.echo_dbz)


def _not_dry(share: float) -> str | None:
    if share <= _PARAMS.mapped.dry_cover:
        return None
    return (
        f"not dry: echo over {100 * share:.1f} % of the area away from known clutter, "
        f"{100 * _PARAMS.mapped.dry_cover:g} % at most (--dry where it was looked at)"
    )


def _write(maps: dict[str, ClutterMap], out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for code, clutter in maps.items():
            write_map(clutter, map_path(out, code))
    except OSError as error:
        raise ConfigError(f"--out {out} cannot be written: {error.strerror or error}") from None


def _summary(clutter: ClutterMap, learned: int, out: Path) -> dict[str, Any]:
    scans = max(int(one.scans.max()) for one in clutter.elevations)
    return {
        "radar": clutter.site,
        "learned": learned,
        "scans": scans,
        "needed": max(0, _PARAMS.mapped.least_scans - scans),
        "elevations": [one.elevation_deg for one in clutter.elevations],
        "cells": sum(int(one.known(_PARAMS.mapped).sum()) for one in clutter.elevations),
        "out": str(map_path(out, clutter.site)),
    }
