"""Volumes as FM301/CfRadial2, in xradar's data model, and their summaries."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.times import isoformat
from jinghu.radar.gates import GateTable, state_table, value_table
from jinghu.radar.volume import Moment, Sweep, Volume

_ROUNDED = 3  # digits of the values in summaries

# Names of CfRadial2 (WMO FM301): standard_name, long_name, units.
_MEANING = {
    "DBTH": ("radar_equivalent_reflectivity_factor_h", "Total power H, unfiltered", "dBZ"),
    "DBZH": ("radar_equivalent_reflectivity_factor_h", "Equivalent reflectivity factor H", "dBZ"),
    "VRADH": (
        "radial_velocity_of_scatterers_away_from_instrument_h",
        "Radial velocity of scatterers away from instrument H",
        "meters per second",
    ),
    "WRADH": ("radar_doppler_spectrum_width_h", "Doppler spectrum width H", "meters per second"),
    "ZDR": ("radar_differential_reflectivity_hv", "Log differential reflectivity H/V", "dB"),
    "LDR": ("radar_linear_depolarization_ratio", "Linear depolarization ratio", "dB"),
    "RHOHV": ("radar_correlation_coefficient_hv", "Correlation coefficient HV", "unitless"),
    "PHIDP": ("radar_differential_phase_hv", "Differential phase HV", "degrees"),
    "KDP": (
        "radar_specific_differential_phase_hv",
        "Specific differential phase HV",
        "degrees per kilometer",
    ),
    "SQIH": ("signal_quality_index_h", "Signal quality H", "unitless"),
    "SNRH": ("signal_to_noise_ratio_h", "Signal to noise ratio H", "dB"),
    "SNRV": ("signal_to_noise_ratio_v", "Signal to noise ratio V", "dB"),
    "CPA": ("clutter_phase_alignment", "Clutter phase alignment", "unitless"),
    "CP": ("clutter_probability", "Clutter probability", "unitless"),
    "CF": ("clutter_flag", "Clutter flag", "unitless"),
    "HCL": ("hydrometeor_class", "Hydrometeor class", "unitless"),
    "DBZHC": ("radar_equivalent_reflectivity_factor_h", "Corrected reflectivity H", "dBZ"),
    "VRADHC": (
        "radial_velocity_of_scatterers_away_from_instrument_h",
        "Corrected radial velocity H",
        "meters per second",
    ),
    "WRADHC": ("radar_doppler_spectrum_width_h", "Corrected spectrum width H", "meters per second"),
    "ZDRC": ("radar_differential_reflectivity_hv", "Corrected log differential reflectivity", "dB"),
}


def to_datatree(volume: Volume) -> xr.DataTree:
    """Return a volume as a DataTree: the root, and ``sweep_0``, ... on (azimuth, range).

    Values are decoded to float32, NaN where there are none; a gate that was scanned without echo
    is NaN as well, and named in ``<moment>_state`` (0 data, 1 below threshold, 2 range folded,
    3 not scanned), because dry is not missing. Rays are sorted by azimuth, as xradar's are; their
    order in time is in ``time``. Moments with fewer gates than the longest of the sweep end in
    "not scanned"; those with longer gates than the shortest are repeated onto the finer gates.
    """
    return xr.DataTree.from_dict(dict(groups(volume)))


def groups(
    volume: Volume, load: Callable[[GateTable], Any] = GateTable.all
) -> Iterator[tuple[str, xr.Dataset]]:
    """Name and content of every group, the root first; ``load`` makes the arrays of moments."""
    yield "/", _root(volume)
    for number in range(len(volume.sweeps)):
        yield f"/sweep_{number}", sweep_dataset(volume, number, load)


def _root(volume: Volume) -> xr.Dataset:
    names = np.array([f"sweep_{k}" for k in range(len(volume.sweeps))])
    angles = np.array([s.elevation_deg for s in volume.sweeps], np.float32)
    return xr.Dataset(
        {
            "volume_number": ((), 0),
            "platform_type": ((), "fixed"),
            "instrument_type": ((), "radar"),
            "time_coverage_start": ((), isoformat(volume.time)),
            "time_coverage_end": ((), isoformat(volume.end_time)),
            "sweep_group_name": ("sweep", names),
            "sweep_fixed_angle": ("sweep", angles, {"units": "degrees"}),
        },
        coords=_place(volume),
        attrs=_attributes(volume),
    )


def _place(volume: Volume) -> dict[str, Any]:
    site = volume.site
    return {
        "latitude": ((), site.latitude, {"standard_name": "latitude", "units": "degrees_north"}),
        "longitude": ((), site.longitude, {"standard_name": "longitude", "units": "degrees_east"}),
        "altitude": (
            (),
            site.antenna_height_m,
            {"standard_name": "altitude", "units": "meters", "positive": "up"},
        ),
    }


def _attributes(volume: Volume) -> dict[str, Any]:
    return {
        "Conventions": "Cf/Radial",
        "version": "2.0",
        "title": f"{volume.format_name} {volume.task}".strip(),
        "instrument_name": volume.site.code,
        "site_name": volume.site.name_en,
        "institution": "",
        "references": "",
        "source": volume.source,
        "history": "decoded by Jinghu",
        "comment": "; ".join(volume.damage),
        "complete": int(volume.complete),
        "dropped_bytes": volume.dropped_bytes,
    }


def sweep_dataset(
    volume: Volume, number: int, load: Callable[[GateTable], Any] = GateTable.all
) -> xr.Dataset:
    """One sweep on (azimuth, range), as in `to_datatree`; ``load`` makes the arrays of moments."""
    sweep = volume.sweeps[number]
    order = np.argsort(sweep.azimuth_deg, kind="stable")
    gate_m = min(m.gate_m for m in sweep.moments.values())
    start = min(m.first_gate_m - m.gate_m / 2 for m in sweep.moments.values())
    end = max(m.range_m[-1] + m.gate_m / 2 for m in sweep.moments.values())
    range_m = start + gate_m * (np.arange(round((end - start) / gate_m)) + 0.5)
    dims = ("azimuth", "range")
    data: dict[str, Any] = {}
    for name, moment in sweep.moments.items():
        values = load(value_table(moment, order, range_m))
        state = load(state_table(moment, order, range_m))
        data[name] = (dims, values, _moment_attrs(name))
        data[f"{name}_state"] = (dims, state, _STATE_ATTRS)
    nyquist = np.full(sweep.n_rays, sweep.nyquist_m_s, np.float32)
    prt = np.full(sweep.n_rays, 1 / sweep.prf_hz if sweep.prf_hz else np.nan, np.float32)
    data |= {
        "sweep_number": ((), number),
        "sweep_mode": ((), "azimuth_surveillance"),
        "follow_mode": ((), "none"),
        "prt_mode": ((), "not_set"),
        "sweep_fixed_angle": ((), np.float32(sweep.elevation_deg), {"units": "degrees"}),
        "nyquist_velocity": ("azimuth", nyquist, {"units": "meters per second"}),
        "prt": ("azimuth", prt, {"units": "seconds"}),
    }
    return xr.Dataset(data, coords=_coordinates(sweep, order, range_m, gate_m, volume))


def _coordinates(
    sweep: Sweep,
    order: NDArray[np.intp],
    range_m: NDArray[np.float64],
    gate_m: float,
    volume: Volume,
) -> dict[str, Any]:
    micro = np.rint(sweep.time_s[order] * 1e6).astype("int64").astype("datetime64[us]")
    distance = {
        "standard_name": "projection_range_coordinate",
        "long_name": "range_to_measurement_volume",
        "units": "meters",
        "axis": "radial_range_coordinate",
        "meters_between_gates": gate_m,
        "meters_to_center_of_first_gate": float(range_m[0]),
        "spacing_is_constant": "true",
    }
    azimuth = {
        "standard_name": "ray_azimuth_angle",
        "long_name": "azimuth_angle_from_true_north",
        "units": "degrees",
        "axis": "radial_azimuth_coordinate",
    }
    elevation = {
        "standard_name": "ray_elevation_angle",
        "long_name": "elevation_angle_from_horizontal_plane",
        "units": "degrees",
        "axis": "radial_elevation_coordinate",
    }
    return {
        "azimuth": ("azimuth", sweep.azimuth_deg[order].astype(np.float64), azimuth),
        "elevation": ("azimuth", sweep.ray_elevation_deg[order].astype(np.float64), elevation),
        "time": ("azimuth", micro.astype("datetime64[ns]"), {"standard_name": "time"}),
        "range": ("range", range_m.astype(np.float32), distance),
        **_place(volume),
    }


_STATE_ATTRS: Mapping[str, Any] = {
    "flag_values": np.array([0, 1, 2, 3], np.uint8),
    "flag_meanings": "data below_threshold range_folded not_scanned",
}


def _moment_attrs(name: str) -> dict[str, str]:
    standard, long, units = _MEANING[name]
    return {"standard_name": standard, "long_name": long, "units": units}


def summary(volume: Volume) -> dict[str, Any]:
    """What ``jinghu decode --json`` prints: site, band, time, sweeps, and what was damaged."""
    return {
        "site": volume.site.code,
        "band": volume.site.band,
        "time": isoformat(volume.time),
        "end_time": isoformat(volume.end_time),
        "format": volume.format_name,
        "task": volume.task,
        "sweeps": [_sweep_summary(sweep) for sweep in volume.sweeps],
        "complete": volume.complete,
        "dropped_bytes": volume.dropped_bytes,
        "damage": list(volume.damage),
    }


def _sweep_summary(sweep: Sweep) -> dict[str, Any]:
    """One sweep; gates are those of the moment with most of them, reflectivity first."""
    longest = max(sweep.moments.values(), key=lambda m: m.codes.shape[1], default=None)
    return {
        "elevation": sweep.elevation_deg,
        "rays": sweep.n_rays,
        "gates": 0 if longest is None else longest.codes.shape[1],
        "gate_m": None if longest is None else longest.gate_m,
        "moments": {name: _extremes(moment) for name, moment in sweep.moments.items()},
    }


def _extremes(moment: Moment) -> dict[str, Any]:
    """Number of gates with data, least and largest value; None where there are none."""
    valid = moment.codes[moment.codes >= moment.first_valid]
    if valid.size == 0:
        return {"valid": 0, "min": None, "max": None}
    ends = (np.array([valid.min(), valid.max()], np.float64) - moment.offset) / moment.scale
    low, high = sorted(float(v) for v in ends)
    return {"valid": int(valid.size), "min": round(low, _ROUNDED), "max": round(high, _ROUNDED)}
