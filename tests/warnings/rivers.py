"""Flows of a small river in the small world: four reaches, a gauge, a reservoir."""

import numpy as np
import xarray as xr

ROW_Y = 3_300_000.0 + 2500.0 * 5.5  # the river runs through the middle of row 5
GENERATED = "generated from river lines; not a survey"


def flows(spec, time, level_m, discharge_m3_s, *, terrain="a survey", pool_m=None, **gauge):
    """Hydrographs of 24 h in steps of an hour; one gauge at the end of reach 1.

    Reaches 0 to 3 are 5 km long each and end 5, 10, 15, 20 km east of the grid's edge.
    """
    n = 25
    ends = spec.x0_m + 5000.0 * np.arange(1, 5)
    lon, lat = spec.to_lonlat(ends, np.full(4, ROW_Y))
    start_lon, start_lat = spec.to_lonlat(ends - 5000.0, np.full(4, ROW_Y))

    def series(values):
        known = np.asarray(values, np.float32)
        return np.concatenate([known, np.full(n - len(known), known[-1])])[:, None]

    texts = {"gauge_name_zh": "枫桥", "gauge_name_en": "Fengqiao", "gauge_river": "枫桥江",
             "gauge_level_datum": "1985"}  # fmt: skip
    texts |= {k: v for k, v in gauge.items() if isinstance(v, str)}
    numbers = {"gauge_warning_level": np.nan, "gauge_guarantee_level": np.nan,
               "gauge_lon": lon[1], "gauge_lat": lat[1]}  # fmt: skip
    numbers |= {k: v for k, v in gauge.items() if isinstance(v, float)}
    found = xr.Dataset(
        {
            "water_level": (("time", "gauge"), series(level_m),
                            {"units": "m", "vertical_datum": f"heights of the terrain: {terrain}"}),
            "gauge_discharge": (("time", "gauge"), series(discharge_m3_s)),
        },
        coords={
            "time": np.datetime64(time.replace(tzinfo=None), "ns")
            + np.arange(n) * np.timedelta64(3600, "s"),
            "reach_lon": ("reach", lon), "reach_lat": ("reach", lat),
            "reach_start_lon": ("reach", start_lon), "reach_start_lat": ("reach", start_lat),
            "reach_downstream": ("reach", [1, 2, 3, -1]),
            "reach_upstream_area": ("reach", [100.0, 216.0, 300.0, 400.0]),
            "gauge_reach": ("gauge", [1]),
            **{k: ("gauge", np.array([v], object)) for k, v in texts.items()},
            **{k: ("gauge", [float(v)]) for k, v in numbers.items()},
        },
        attrs={"terrain_source": terrain, "observed_rain_share": 1.0},
    )  # fmt: skip
    return found if pool_m is None else found.merge(_pool(series(pool_m), n, lon[0], lat[0]))


def _pool(level, n, lon, lat):
    flat = np.zeros((n, 1), np.float32)
    return xr.Dataset(
        {
            "reservoir_level": (("time", "reservoir"), level),
            "reservoir_inflow": (("time", "reservoir"), flat + 55),
            "reservoir_flood_limit": (("time", "reservoir"), flat + 30),
        },
        coords={
            "reservoir_id": ("reservoir", np.array(["shibi"], object)),
            "reservoir_name_zh": ("reservoir", np.array(["石壁水库"], object)),
            "reservoir_name_en": ("reservoir", np.array(["Shibi"], object)),
            "reservoir_datum": ("reservoir", np.array(["its own"], object)),
            "reservoir_lon": ("reservoir", [lon]),
            "reservoir_lat": ("reservoir", [lat]),
            "reservoir_reach": ("reservoir", [0]),
            "reservoir_normal_level": ("reservoir", [31.0]),
            "reservoir_crest_level": ("reservoir", [38.0]),
        },
    )
