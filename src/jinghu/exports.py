"""Exports of flows: what is asked for to the bytes of a file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

import xarray as xr

from jinghu.api.export_schemas import ExportFile, ExportFormat, ExportRequest
from jinghu.configs.settings import Settings
from jinghu.export_csv import to_csv
from jinghu.export_netcdf import to_netcdf
from jinghu.export_pi import to_pi_xml
from jinghu.export_sl323 import to_sl323
from jinghu.flow_export import FlowExport, flow_export, flows_part
from jinghu.flow_members import flow_members
from jinghu.grid.store import Store

_CYCLES_KEPT = 2
_WRITERS: Mapping[ExportFormat, tuple[Callable[[FlowExport], bytes], str, str]] = {
    ExportFormat.CSV: (to_csv, "csv", "text/csv; charset=utf-8"),
    ExportFormat.NETCDF: (to_netcdf, "nc", "application/x-netcdf"),
    ExportFormat.PI_XML: (to_pi_xml, "xml", "application/xml"),
    ExportFormat.SL323: (to_sl323, "zip", "application/zip"),
}


def export_flows(request: ExportRequest, settings: Settings) -> ExportFile:
    """Make the file of an export.

    Raises
    ------
    DataError
        Where the cycle, a gauge or a reservoir is not there, or the format cannot hold them.
    ConfigError
        Where the name of the cycle is none.
    """
    write, ending, media = _WRITERS[request.format]
    found = flow_export(request, settings)
    return ExportFile(f"jinghu-flows-{found.cycle}.{ending}", media, write(found))


@dataclass(slots=True)
class FlowService:
    """Exports and members of flows for the API: the members of a cycle are run once.

    ``settings`` are those of the installation. The members of the newest cycles that were asked
    for are kept.
    """

    settings: Settings
    _known: dict[str, xr.Dataset] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def export(self, request: ExportRequest) -> ExportFile:
        """Make a file."""
        return export_flows(request, self.settings)

    def members(self, cycle: str) -> xr.Dataset:
        """Flows of the members of a cycle; DataError where it has none."""
        with self._lock:
            if cycle not in self._known:
                part = flows_part(Store(self.settings.store), cycle)
                with part.open("hydro.zarr") as opened:
                    found = flow_members(opened.load(), cycle, self.settings)
                kept = sorted(self._known)[-_CYCLES_KEPT + 1 :]
                self._known = {name: self._known[name] for name in kept} | {cycle: found}
            return self._known[cycle]
