"""Volumes to the bytes of a phased-array radar (standard format, generic type 16)."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.radar.encode import (
    RadialRows,
    check_rays,
    describe_cut,
    describe_task,
    head,
    radial_rows,
    states,
)
from jinghu.radar.standard_layout import ARRAY_BEAM, MAX_BEAMS, MAX_CUTS, PHASED_ARRAY
from jinghu.radar.volume import Sweep, Volume


class RayOrder(IntEnum):
    """How the radials of an array, which scans all elevations in one turn, stand in the file."""

    TIME = 0  # as acquired: all elevations of an azimuth, then the next azimuth
    AZIMUTH_FIRST = 1  # all azimuths of an elevation, then the next elevation


def encode_phased_array(
    volume: Volume, order: RayOrder = RayOrder.AZIMUTH_FIRST, beams: int = 1
) -> bytes:
    """Encode as phased-array standard format.

    Parameters
    ----------
    volume
        Its sweeps are the receive beams.
    order
        Of the radials.
    beams
        Number of transmit beams; the sweeps are shared out to them in turn, low ones first.

    Raises
    ------
    DataError
        What `encode_standard` refuses, except that gates can have any length; a number of beams
        that cannot be.
    """
    check_rays(volume, MAX_CUTS)
    if not 1 <= beams <= min(MAX_BEAMS, len(volume.sweeps)):
        raise DataError(volume.source, f"{beams} transmit beams for {len(volume.sweeps)} sweeps")
    of_sweep = np.arange(len(volume.sweeps)) * beams // len(volume.sweeps) + 1
    task = np.zeros(1, PHASED_ARRAY.task)
    describe_task(task, volume)
    task["beam_number"], task["ray_order"] = beams, order
    parts = [head(volume, PHASED_ARRAY), task.tobytes()]
    parts.append(_beams(volume, of_sweep, beams))
    for number, sweep in enumerate(volume.sweeps, 1):
        parts.append(_cut(sweep, number, int(of_sweep[number - 1]), volume))
    return b"".join([*parts, *_radials(volume, of_sweep, order)])


def _beams(volume: Volume, of_sweep: NDArray[np.int64], beams: int) -> bytes:
    """Transmit beams, each in the middle of the elevations that it lights."""
    block = np.zeros(beams, ARRAY_BEAM)
    elevation = np.array([sweep.elevation_deg for sweep in volume.sweeps])
    for beam in range(beams):
        lit = elevation[of_sweep == beam + 1]
        block["direction"][beam] = lit.mean()
        block["width_v"][beam] = np.ptp(lit) + volume.site.beam_width_deg
    block["index"] = 1 + np.arange(beams)
    block["type"], block["sub_pulses"] = 1, 1
    block["width_h"] = volume.site.beam_width_deg
    return block.tobytes()


def _cut(sweep: Sweep, number: int, beam: int, volume: Volume) -> bytes:
    cut = np.zeros(1, PHASED_ARRAY.cut)
    cut["log_resolution"], cut["doppler_resolution"] = describe_cut(cut, sweep, volume.source)
    cut["index"], cut["beam"] = number, beam
    width = sweep.beam_width_deg or volume.site.beam_width_deg
    cut["beam_width_h"] = cut["beam_width_v"] = width
    return cut.tobytes()


def _radials(volume: Volume, of_sweep: NDArray[np.int64], order: RayOrder) -> list[bytes]:
    """Radials in their order, numbered in it."""
    sweeps = [radial_rows(sweep, PHASED_ARRAY, volume.source) for sweep in volume.sweeps]
    cut = np.repeat(np.arange(len(sweeps)), [len(rows.headers) for rows in sweeps])
    ray = np.concatenate([np.arange(len(rows.headers)) for rows in sweeps])
    place = np.argsort(ray, kind="stable") if order == RayOrder.TIME else np.arange(len(ray))
    sequence = np.empty(len(place), np.int64)
    sequence[place] = 1 + np.arange(len(place))
    for k, rows in enumerate(sweeps):
        rows.headers["elevation_number"], rows.headers["beam"] = k + 1, of_sweep[k]
        rows.headers["state"] = states(len(rows.headers), k + 1, last=False)
        rows.headers["sequence"] = sequence[cut == k]
    if volume.complete:
        sweeps[cut[place[-1]]].headers["state"][-1] = 4
    if order == RayOrder.AZIMUTH_FIRST:
        return [rows.tobytes() for rows in sweeps]
    return [_one(sweeps[cut[k]], int(ray[k])) for k in place]


def _one(rows: RadialRows, ray: int) -> bytes:
    return bytes(rows.headers[ray].tobytes() + rows.body[ray].tobytes())
