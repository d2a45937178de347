"""Routing of the Lower Colorado (Texas): 11,248 reaches, 27 hours, against gauges and the NWM.

Lateral inflow and the first discharges are those of the operational National Water Model (23
August 2021, 13 UTC). Compared are the hourly discharges at the gauges of the USGS, and the NWM's
own routed discharge, which had those gauges assimilated and lakes in it: ours has neither.
Trapezoids become wide rectangles that hold the same water at the first discharge or at 1 m3/s.
"""

import os
import time
from pathlib import Path

import numpy as np
import xarray as xr

from jinghu.grid.spec import GridSpec
from jinghu.hydro.network import RiverNetwork
from jinghu.hydro.routing import STATE_VERSION, RoutingMethod, route
from jinghu.hydro.segments import segments
from jinghu.hydro.steady_channels import steady_storage
from jinghu.hydro.trees import accumulate_rows, entering

STEP_S = 3600.0


def wide_width(flow, slope, n, bottom, side):
    """Width in m of the wide rectangle that holds as much as a trapezoid in uniform flow."""
    low, high = np.full(len(flow), 1e-4), np.full(len(flow), 100.0)
    for _ in range(60):  # depth by bisection: side is the run of the bank over its rise
        depth = 0.5 * (low + high)
        area = (bottom + side * depth) * depth
        radius = area / (bottom + 2 * depth * np.sqrt(1 + side**2))
        too_deep = area * radius ** (2 / 3) * np.sqrt(slope) / n > flow
        low, high = np.where(too_deep, low, depth), np.where(too_deep, depth, high)
    # A = Q^0.6 / a with a = (sqrt(S) / n)^0.6 B^-0.4
    return (area / flow**0.6 * (np.sqrt(slope) / n) ** 0.6) ** 2.5


def read(folder):
    """Network in order of flow, its links, which are lakes, times, inflow, NWM discharge."""
    links = xr.open_dataset(folder / "domain" / "RouteLink.nc").load()
    number = {int(link): i for i, link in enumerate(links["link"].values)}
    to = np.array([number.get(int(below), -1) for below in links["to"].values])
    depth = np.zeros(len(to), int)  # steps to the outlet
    for i in range(len(to)):
        path = []
        while i >= 0 and depth[i] == 0:
            path.append(i)
            i = to[i]
        base = depth[i] if i >= 0 else 0
        for k, reach in enumerate(reversed(path), 1):
            depth[reach] = base + k
    order = np.argsort(-depth, kind="stable")
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    files = sorted((folder / "channel_forcing").glob("*.CHRTOUT_DOMAIN1"))
    hours = [xr.open_dataset(f).load().sel(feature_id=links["link"].values) for f in files]
    times = np.array([h["time"].values[0] for h in hours])
    inflow = np.stack([np.maximum(h["q_lateral"].values, 0)[order] for h in hours])
    nwm = np.stack([np.nan_to_num(h["streamflow"].values[order]) for h in hours])
    links = links.isel(feature_id=order)
    n = len(order)
    flow = np.maximum(nwm[0], 1.0)
    slope, rough = (links[name].values.astype(float) for name in ("So", "n"))
    top = links["TopWdth"].values.astype(float)
    below = np.where(to[order] >= 0, place[np.maximum(to[order], 0)], -1).astype(np.int32)
    area = (top / 2.44) ** (1 / 0.34)  # the relation that gave the NWM its widths
    bottom, side = (links[name].values.astype(float) for name in ("BtmWdth", "ChSlp"))
    network = RiverNetwork(
        downstream=below,
        length_m=links["Length"].values.astype(float),
        slope=slope,
        width_m=wide_width(flow, slope, rough, bottom, 1.0 / side),
        manning_n=rough,
        local_area_km2=np.ones(n),
        upstream_area_km2=area,
        bed_m=links["alt"].values.astype(float),
        x_m=links["lon"].values.astype(float),
        y_m=links["lat"].values.astype(float),
        start_x_m=links["lon"].values.astype(float),
        start_y_m=links["lat"].values.astype(float),
        name_zh=("",) * n,
        name_en=("",) * n,
        grid=GridSpec("EPSG:4549", 5e5, 3.2e6, 2000.0, n, 1),
        cell_reach=np.arange(n, dtype=np.int32)[None],
        terrain_source="National Water Model 2.1",
    )
    lake = links["NHDWaterbodyComID"].values > 0
    return network, links, lake, times, inflow, nwm


def observed(folder, times):
    """Discharge (time, gauge) in m3/s on the hours, and the names of the gauges."""
    slices = {}
    for path in sorted((folder / "usgs_TimeSlice").glob("*.ncdf")):
        found = xr.open_dataset(path)
        names = [name.decode().strip() for name in found["stationId"].values]
        slices[path.name[:19]] = dict(zip(names, found["discharge"].values, strict=True))
    names = sorted({name for values in slices.values() for name in values})
    hours = [str(t)[:19].replace("T", "_") for t in times.astype("datetime64[s]")]
    table = [[slices.get(h, {}).get(name, np.nan) for name in names] for h in hours]
    values = np.array(table, float)
    return np.where(values >= 0, values, np.nan), names


def first_state(network, flow, method):
    """Channels that hold what passes at the first hour."""
    parts = segments(network, STEP_S)
    outflow = flow[parts.reach][:, None]
    storage = steady_storage(parts.kc, parts.kd, entering(parts.downstream, outflow), outflow)
    return xr.Dataset(
        {
            "outflow_m3_s": ("segment", outflow[:, 0]),
            "storage_m3": ("segment", storage[:, 0] * parts.step_s),
        },
        attrs={
            "network": network.fingerprint(),
            "method": method.value,
            "step_s": STEP_S,
            "state_version": STATE_VERSION,
        },
    )


def main() -> None:
    folder = Path(os.environ.get("JINGHU_DATA", "../shared/data")) / "hydrology"
    folder = folder / "t-route_LowerColorado" / "test" / "LowerColorado_TX"
    network, links, lake, times, inflow, nwm = read(folder)
    lateral = xr.DataArray(inflow[1:], dims=("time", "reach"), coords={"time": times[1:]})
    method = RoutingMethod.MUSKINGUM_CUNGE
    initial = first_state(network, nwm[0], method)
    start = time.process_time()
    routed = route(network, lateral, method=method, initial=initial)
    seconds = time.process_time() - start
    flow = routed["river_discharge"].values
    parts = segments(network, STEP_S)
    print(
        f"{network.n_reaches} reaches, {len(parts.reach)} segments, {len(flow)} hours of "
        f"{parts.substeps} steps: {seconds:.2f} s, balance "
        f"{routed.attrs['water_balance_error']:.0e}"
    )
    below = network.downstream.astype(np.int64)
    below_lake = accumulate_rows(below, lake[:, None] * 1.0)[:, 0] > 0
    for name, chosen in (("all reaches", nwm[0] >= 0), ("no lake above", ~below_lake)):
        use = chosen & (nwm.max(0) > 1.0)
        last, theirs = flow[-1][use], nwm[-1][use]
        print(
            f"against the NWM, {name}, flows over 1 m3/s: {use.sum()} reaches, r "
            f"{np.corrcoef(last, theirs)[0, 1]:.3f}, sum {last.sum() / theirs.sum():.3f}, median "
            f"difference {100 * np.median(np.abs(last / np.maximum(theirs, 0.01) - 1)):.0f} %"
        )
    table, names = observed(folder, times[1:])
    gages = np.char.strip(links["gages"].values.astype(str))
    pairs = [(int(np.flatnonzero(gages == s)[0]), k) for k, s in enumerate(names) if s in gages]
    reach, column = np.array([p for p in pairs if np.isfinite(table[:, p[1]]).sum() >= 6]).T
    for name, chosen in (("all gauges", reach >= 0), ("no lake above", ~below_lake[reach])):
        at, k = reach[chosen], column[chosen]
        seen = table[:, k]
        print(f"against the USGS, {name} ({len(at)}):")
        for who, values in (("ours", flow[:, at]), ("NWM", nwm[1:][:, at])):
            error = values - seen
            rmse = np.sqrt(np.nanmean(error**2))
            typical = np.nanmedian(np.nanmean(np.abs(error), 0))
            print(
                f"  {who:<5} rmse {rmse:.2f} m3/s, bias {np.nanmean(error):+.2f}, median of the "
                f"gauges' mean error {typical:.3f}"
            )


if __name__ == "__main__":
    main()
