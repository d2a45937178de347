"""Byte layout of CINRAD standard-format base data ("RSTM"), conventional scanning radars.

CMA "Weather radar base data standard format": generic header 32 bytes, site 128, task 256, cuts
256 each, then radials of 64 bytes plus moments of 32 bytes plus data until the end of the file.
All numbers are little-endian, nothing is padded.
"""

import numpy as np

MAGIC = b"RSTM"
CUTS_AT = 416
CUT_BYTES = 256
RADIAL_HEADER_BYTES = 64
MOMENT_HEADER_BYTES = 32
FIRST_VALID = 5
MAX_CUTS = 256
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
