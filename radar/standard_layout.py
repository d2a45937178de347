"""Byte layouts of CINRAD standard-format base data ("RSTM"): scanning and phased-array radars.

CMA "Weather radar base data standard format": generic header 32 bytes, site 128, task 256, (phased
array: transmit beams 640 each), cuts 256 each, then radials of 64 (128) bytes plus moments of 32
bytes plus data until the end of the file. All numbers are little-endian, nothing is padded.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

MAGIC = b"RSTM"
TASK_AT = 160
BEAMS_AT = 416  # where the task ends; conventional files have no beams here
CUT_BYTES = 256
BEAM_BYTES = 640
MOMENT_HEADER_BYTES = 32
FIRST_VALID = 5
MAX_CUTS = 256
MAX_BEAMS = 256
MAX_MOMENTS = 64
MAX_GATES = 8192

GENERIC = np.dtype(
    [("magic", "S4"), ("major", "<i2"), ("minor", "<i2"), ("generic_type", "<i4"),
     ("product_type", "<i4"), ("reserved", "V16")]
)  # fmt: skip
SITE = np.dtype(
    [("code", "S8"), ("name", "S32"), ("latitude", "<f4"), ("longitude", "<f4"),
     ("antenna_height", "<i4"), ("ground_height", "<i4"), ("frequency_mhz", "<f4"),
     ("beam_width_h", "<f4"), ("beam_width_v", "<f4"), ("rda_version", "<i4"),
     ("radar_type", "<i2"), ("reserved", "V54")]
)  # fmt: skip
TASK = np.dtype(
    [("name", "S32"), ("description", "S128"), ("polarization", "<i4"), ("scan_type", "<i4"),
     ("pulse_width", "<i4"), ("start_time", "<i4"), ("cut_number", "<i4"), ("noise", "<f4", 2),
     ("calibration", "<f4", 2), ("noise_temperature", "<f4", 2), ("zdr_calibration", "<f4"),
     ("phidp_calibration", "<f4"), ("ldr_calibration", "<f4"), ("reserved", "V40")]
)  # fmt: skip
CUT = np.dtype(
    {
        "names": ["process_mode", "wave_form", "prf", "dealiasing", "elevation", "start_angle",
                  "end_angle", "angular_resolution", "scan_speed", "log_resolution",
                  "doppler_resolution", "maximum_range", "start_range", "nyquist"],
        "formats": ["<i4", "<i4", ("<f4", 2), "<i4", "<f4", "<f4", "<f4", "<f4", "<f4", "<i4",
                    "<i4", ("<i4", 2), "<i4", "<f4"],
        "offsets": [0, 4, 8, 16, 24, 28, 32, 36, 40, 44, 48, 52, 60, 80],
        "itemsize": CUT_BYTES,
    }
)  # fmt: skip
RADIAL = np.dtype(
    [("state", "<i4"), ("spot_blank", "<i4"), ("sequence", "<i4"), ("radial_number", "<i4"),
     ("elevation_number", "<i4"), ("azimuth", "<f4"), ("elevation", "<f4"), ("seconds", "<i4"),
     ("microseconds", "<i4"), ("length", "<i4"), ("moments", "<i4"), ("reserved", "<i2"),
     ("noise_h", "<i2"), ("noise_v", "<i2"), ("zip_type", "u1"), ("reserved2", "V13")]
)  # fmt: skip
ARRAY_TASK = np.dtype(
    [("name", "S32"), ("description", "S128"), ("polarization", "<i4"), ("scan_type", "<i4"),
     ("beam_number", "<i4"), ("cut_number", "<i4"), ("ray_order", "<i4"), ("start_time", "<i8"),
     ("reserved", "V68")]
)  # fmt: skip
ARRAY_BEAM = np.dtype(
    {
        "names": ["index", "type", "sub_pulses", "direction", "width_h", "width_v"],
        "formats": ["<i4", "<i4", "<i4", "<f4", "<f4", "<f4"],
        "offsets": [0, 4, 8, 12, 16, 20],
        "itemsize": BEAM_BYTES,
    }
)
ARRAY_CUT = np.dtype(
    {
        "names": ["index", "beam", "elevation", "beam_width_h", "beam_width_v", "process_mode",
                  "wave_form", "prf", "dealiasing", "start_angle", "end_angle",
                  "angular_resolution", "scan_speed", "log_resolution", "doppler_resolution",
                  "maximum_range", "start_range", "nyquist"],
        "formats": ["<i2", "<i2", "<f4", "<f4", "<f4", "<i4", "<i4", ("<f4", 4), "<i4", "<f4",
                    "<f4", "<f4", "<f4", "<f4", "<f4", ("<i4", 2), "<i4", "<f4"],
        "offsets": [0, 2, 4, 12, 16, 24, 28, 32, 48, 56, 60, 64, 68, 72, 76, 80, 88, 108],
        "itemsize": CUT_BYTES,
    }
)  # fmt: skip
ARRAY_RADIAL = np.dtype(
    [("state", "<i4"), ("spot_blank", "<i4"), ("sequence", "<i4"), ("radial_number", "<i4"),
     ("elevation_number", "<i4"), ("azimuth", "<f4"), ("elevation", "<f4"), ("seconds", "<i8"),
     ("microseconds", "<i4"), ("length", "<i4"), ("moments", "<i4"), ("beam", "<i2"),
     ("noise_h", "<i2"), ("noise_v", "<i2"), ("prf_flag", "<u4"), ("reserved", "V70")]
)  # fmt: skip
MOMENT = np.dtype(
    [("data_type", "<i4"), ("scale", "<i4"), ("offset", "<i4"), ("bin_length", "<i2"),
     ("flags", "<i2"), ("length", "<i4"), ("reserved", "V12")]
)  # fmt: skip
MOMENT_NAMES = {
    1: "DBTH", 2: "DBZH", 3: "VRADH", 4: "WRADH", 5: "SQIH", 6: "CPA", 7: "ZDR", 8: "LDR",
    9: "RHOHV", 10: "PHIDP", 11: "KDP", 12: "CP", 14: "HCL", 15: "CF", 16: "SNRH", 17: "SNRV",
    32: "DBZHC", 33: "VRADHC", 34: "WRADHC", 35: "ZDRC",
}  # fmt: skip
DOPPLER_TYPES = (3, 4, 33, 34)
FOLDED_RESOLUTION = 32768  # gate lengths above it are hundredths of a metre


class RadialFields(NamedTuple):
    """Where the fields of a radial header stand (what the kernels need; the rest is common)."""

    header_bytes: int
    long_seconds: bool  # 8 bytes, not 4
    microseconds: int
    length: int
    moments: int
    zip_type: int  # 0: no radial is compressed


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout of the standard format.

    Parameters
    ----------
    generic_type, format_name
        Number in the generic header, and what volumes call it.
    task, cut, radial
        Records of the common block and the header of radials.
    fields
        The same of the radial header, for kernels.
    fixed_bytes
        Bytes of a radial header that are reserved or the high ends of small numbers.
    off_cut_deg
        How far from the elevation of its cut a radial can be.
    cuts_together
        Whether all cuts are scanned in one turn, so that their radials alternate or share times.
    """

    generic_type: int
    format_name: str
    task: np.dtype[Any]
    cut: np.dtype[Any]
    radial: np.dtype[Any]
    fields: RadialFields
    fixed_bytes: tuple[int, ...]
    off_cut_deg: float
    cuts_together: bool


_HIGH_BYTES = (1, 2, 3, 5, 6, 7, 11, 14, 15, 17, 18, 19, 30, 31)
CONVENTIONAL = Layout(
    generic_type=1,
    format_name="CINRAD standard",
    task=TASK,
    cut=CUT,
    radial=RADIAL,
    fields=RadialFields(64, False, 32, 36, 40, 50),
    fixed_bytes=(*_HIGH_BYTES, 35, 39, 41, 42, 43, *range(50, 64)),
    off_cut_deg=1.0,
    cuts_together=False,
)
PHASED_ARRAY = Layout(
    generic_type=16,
    format_name="CINRAD phased array",
    task=ARRAY_TASK,
    cut=ARRAY_CUT,
    radial=ARRAY_RADIAL,
    fields=RadialFields(128, True, 36, 40, 44, 0),
    fixed_bytes=(*_HIGH_BYTES, *range(32, 36), 39, 43, 45, 46, 47, 49, 55, 56, 57, *range(58, 128)),
    off_cut_deg=0.4,  # cuts of an array lie 0.75 to 1.5 degrees apart and are steered exactly
    cuts_together=True,
)
LAYOUTS = (CONVENTIONAL, PHASED_ARRAY)
