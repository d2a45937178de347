"""An export as NetCDF with CF conventions."""

import tempfile
from pathlib import Path

import numpy as np
import xarray as xr

from jinghu.export_series import QUANTITIES, cautions
from jinghu.flow_export import FlowExport
from jinghu.grid.times import isoformat

_STANDARD = {"longitude": "degrees_east", "latitude": "degrees_north"}
_DROPPED = ("river_discharge", "reservoir_rule")  # of all reaches; text of each step


def to_netcdf(export: FlowExport) -> bytes:
    """Write an export as NetCDF-4: CF-1.11 time series, members along ``realization``.

    Places are discrete sampling geometries (CF 9): ``<kind>_id`` has the role ``timeseries_id``.
    """
    with tempfile.TemporaryDirectory(prefix="jinghu-") as folder:
        path = Path(folder) / "export.nc"
        of_cf(export).to_netcdf(path, engine="netcdf4", encoding=_encoding(export.data))
        return path.read_bytes()


def of_cf(export: FlowExport) -> xr.Dataset:
    """The data of an export with the names and attributes of CF."""
    kinds = [k for k in ("gauge", "reservoir", "basin") if k in export.data.dims]
    kept = [v for v in export.data.data_vars if _is_exported(str(v))]
    data = export.data[kept].drop_attrs(deep=False)
    wanted = [c for c in data.coords if str(c).split("_")[0] in ("gauge", "reservoir", "basin")]
    times = [c for c in ("time", "rain_time", "window", "quantile") if c in data.coords]
    data = data.drop_vars([c for c in data.coords if c not in {*wanted, *times}])
    for kind in kinds:
        data[f"{kind}_id"].attrs |= {"cf_role": "timeseries_id"}
        for name in ("lon", "lat"):
            if f"{kind}_{name}" in data.coords:
                long = "longitude" if name == "lon" else "latitude"
                data[f"{kind}_{name}"].attrs = {"standard_name": long, "units": _STANDARD[long]}
    data = data.rename({k: v for k, v in _MEMBERS.items() if k in data.dims})
    for name in set(_MEMBERS.values()) & set(map(str, data.dims)):
        number = {"standard_name": "realization", "units": "1"}
        data = data.assign_coords({name: (name, np.arange(data.sizes[name]), number)})
    for name in set(times) & {"time", "rain_time"}:
        data[name].attrs |= {"standard_name": "time"}
    if "quantile" in data.coords:
        data["quantile"].attrs |= {"standard_name": "quantile", "units": "1"}
    return data.assign_coords(
        forecast_reference_time=(
            (),
            np.datetime64(export.time.replace(tzinfo=None), "ns"),
            {"standard_name": "forecast_reference_time"},
        )
    ).assign_attrs(_told(export))


_MEMBERS = {"member": "realization", "rain_member": "rain_realization"}


def _is_exported(name: str) -> bool:
    """Whether a variable is one of those exported, or belongs to one."""
    if name == "areal_rainfall_past" or name.startswith("areal_rainfall_"):
        return True
    own = {q.variable for q in QUANTITIES} | {"observed_water_level", "observed_discharge"}
    return any(name == one or name.startswith(f"{one}_") for one in own) and name not in _DROPPED


def _told(export: FlowExport) -> dict[str, object]:
    said = cautions(export)
    return {
        "Conventions": "CF-1.11",
        "featureType": "timeSeries",
        "title": f"{said[0][0]} / {said[0][1]}",
        "institution": f"{export.city_zh} {export.city_en}",
        "source": "Jinghu flood model",
        "history": f"{isoformat(export.issued)} published",
        "comment": "; ".join(f"{zh} / {en}" for zh, en in said[1:]),
        "status": export.status,
        "cycle": export.cycle,
        "terrain_source": export.terrain_source,
    }


def _encoding(data: xr.Dataset) -> dict[str, dict[str, object]]:
    units = {"units": "seconds since 1970-01-01 00:00:00", "dtype": "int64", "calendar": "standard"}
    times = {"time", "rain_time", "observation_time"} & set(map(str, data.coords))
    return {name: dict(units) for name in (*times, "forecast_reference_time")}
