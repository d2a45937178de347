"""Work on flows that the umbrella does for the service, which runs no science itself."""

from typing import Protocol

import xarray as xr

from jinghu.api.export_schemas import ExportFile, ExportRequest


class FlowJobs(Protocol):
    """Exports, and flows of members."""

    def export(self, request: ExportRequest) -> ExportFile:
        """Make a file; DataError where what it is about is not there."""

    def members(self, cycle: str) -> xr.Dataset:
        """``<variable>_quantile`` and ``_member`` of a cycle's flows; DataError without members."""
