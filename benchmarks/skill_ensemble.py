"""Skill of ensembles on real rain beside pysteps: S-PROG and STEPS with 20 members.

The setting is that of the baseline which the project measured before: fields averaged to 2 km,
four fields in, 12 steps of 5 min out; scores over the cells that all methods and the observation
know. Needs the real data (``JINGHU_DATA``) and pysteps with OpenCV.
"""

import contextlib
import io

import numpy as np
from numpy.typing import NDArray
from sequences import Sequence

from jinghu.grid.accumulation import coarsen_mean
from jinghu.nowcast.engines import pysteps_motion
from jinghu.nowcast.scales import to_db

Rain = NDArray[np.float32]
FACTOR, CELL_KM, STEP_MIN = 2, 2.0, 5.0
LEADS = (3, 6, 12)
THRESHOLDS = (1.0, 5.0)
MEMBERS = 20


def coarse(sequence: Sequence) -> Sequence:
    """Means over 2 x 2 cells; a cell with missing parts is missing."""
    ny, nx = (n // FACTOR * FACTOR for n in sequence.rates.shape[1:])
    return Sequence(sequence.name, coarsen_mean(sequence.rates[:, :ny, :nx], FACTOR))


def peer(frames: Rain, members: int | None) -> Rain:
    """S-PROG (1, lead, y, x) or STEPS (member, lead, y, x) of pysteps in mm/h."""
    with contextlib.redirect_stdout(io.StringIO()):
        from pysteps.nowcasts import sprog, steps

        motion = pysteps_motion(frames).astype(np.float64)
        db = np.stack([to_db(f, 0.1) for f in frames[-3:]]).astype(np.float64)
        db[np.isnan(frames[-3:])] = np.nan
        if members is None:
            found = sprog.forecast(db, motion, max(LEADS), n_cascade_levels=6, precip_thr=-10.0)
            found = found[None]
        else:
            found = steps.forecast(
                db, motion, max(LEADS), n_ens_members=members, n_cascade_levels=6,
                precip_thr=-10.0, kmperpixel=CELL_KM, timestep=STEP_MIN, seed=1,
            )  # fmt: skip
    return np.where(found < -10.0, 0.0, 10.0 ** (found / 10.0)).astype(np.float32)
