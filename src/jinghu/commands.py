"""What single-purpose commands do: files in, files out."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import xarray as xr
from rich.console import Console

from jinghu.analysis import analyse, rain_of_radars
from jinghu.configs.settings import CONFIGS, Settings
from jinghu.grid.errors import ConfigError, DataError
from jinghu.ingest import Ingested, Window, read_stations, read_volumes
from jinghu.melting import melting_now, nothing_seen
from jinghu.radar.datatree import summary, to_datatree
from jinghu.radar.decode import decode_volume
from jinghu.radar.sites import RadarSite, load_sites
from jinghu.radar.volume import Volume
from jinghu.rainfall import Records, merge_rainfall
from jinghu.stages import StageLog
from jinghu.surroundings import read_surroundings


def decode_files(
    files: Sequence[Path], out: Path | None, sites: Path | None
) -> Iterator[dict[str, Any]]:
    """Summaries of volumes; ``out`` takes the one volume as CfRadial2.

    Standard-format files of sites that are not in the table are placed by their header: looking
    into a file is not using it.
    """
    if out is not None and len(files) != 1:
        raise ConfigError("--out takes one volume")
    table = load_sites(sites or CONFIGS / "radar_sites.yaml")
    for file in files:
        volume = volume_of(file, table, placed_by_header=sites is None)
        if out is not None:
            to_datatree(volume).to_netcdf(out)
        yield summary(volume)


def volume_of(file: Path, table: Mapping[str, RadarSite], *, placed_by_header: bool) -> Volume:
    """Volume of a file; one of an unknown site is placed by its header where that is allowed."""
    data = _read(file)
    try:
        return decode_volume(data, file.name, table)
    except DataError as error:
        if "unknown site" not in error.cause or not placed_by_header:
            raise
    return decode_volume(data, file.name, None)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(file, error.strerror or str(error)) from None


def mosaic_files(
    files: Sequence[Path],
    stations: Sequence[Path],
    settings: Settings,
    at: datetime,
    out: Path,
    console: Console,
) -> None:
    """Write the analysis of the given volumes (and gauges) as NetCDF."""
    log = StageLog(console)
    found = Ingested()
    day = timedelta(days=1)
    read_volumes(files, load_sites(settings.inputs.sites), Window(at - day, at + day), found)
    read_stations(stations, settings.inputs.station_frame, found)
    for refused in found.refused:
        log.degrade(f"refused: {refused.error}")
    if not found.volumes:
        raise DataError("mosaic", "none of the files holds a usable volume")
    known = read_surroundings(settings, found.volumes, log)
    melting = melting_now(found.volumes, nothing_seen(settings.radar), at, settings.radar).level
    rains = rain_of_radars(found.volumes, settings.grid.working(), settings.radar, known, melting)
    analysis = analyse(rains, at, None, settings.radar.stale_after_min * 60.0, log)
    result = analysis.mosaic
    if stations:
        merged = merge_rainfall(analysis, found.stations, Records(None, None), at, settings, log)
        result = merged.analysis
    write_netcdf(result, out)


def write_netcdf(dataset: xr.Dataset, out: Path) -> None:
    """Write a NetCDF; ConfigError names the file where it cannot be written."""
    try:
        dataset.to_netcdf(out)
    except OSError as error:
        cause = error.strerror or str(error)
        raise ConfigError(f"--out {out} cannot be written: {cause}") from None


def network_file(dem: Path, out: Path, console: Console) -> None:
    """River network from a GeoTIFF."""
    from jinghu.hydro.network import build_network, write_network
    from jinghu.hydro.terrain import read_dem

    network = build_network(read_dem(dem))
    write_network(network, out)
    console.print(f"{network.n_reaches} reaches -> {out}", highlight=False)


def route_file(network: Path, inflow: Path, out: Path, method: str) -> None:
    """Route lateral inflow from file to file."""
    from jinghu.hydro.network import read_network
    from jinghu.hydro.routing import RoutingMethod, route

    try:
        chosen = RoutingMethod(method)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    try:
        q_lateral = xr.open_dataset(inflow).load()
    except (OSError, ValueError) as error:
        raise DataError(inflow, f"cannot be opened: {error}") from None
    route(read_network(network), q_lateral, method=chosen).to_netcdf(out)
