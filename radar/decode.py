"""Opening a radar volume: unpack, recognise the format by its bytes, decode."""

import re
from collections.abc import Mapping

from jinghu.grid.errors import DataError
from jinghu.radar import container, interop, legacy, standard
from jinghu.radar.sites import RadarSite
from jinghu.radar.standard_layout import MAGIC
from jinghu.radar.volume import Volume

_SITE_IN_NAME = re.compile(r"(?:^|_)(Z[A-Z0-9]\w{3})_", re.ASCII)
_OTHERS = {
    b"SSTM": "a CINRAD history file",
    b"PSTM": "a CINRAD real-time radial stream, which this version cannot read yet",
    b"WSTM": "a CINRAD monitoring file",
}


def decode_volume(data: bytes, source: str, sites: Mapping[str, RadarSite] | None = None) -> Volume:
    """Decode a CINRAD volume: legacy SA/SB, or standard format, scanning or phased array.

    It may be wrapped in bzip2 or gzip. ODIM and GAMIC volumes are decoded as well:
    `jinghu.radar.interop`.

    A damaged file gives the rays that are whole as far as can be told, and no others: rays with
    changed or contradictory headers are dropped, and a file with many of them is refused. Changed
    bytes inside gate data cannot be told from rain, because the formats have no checksum
    (bzip2 and gzip have: of those nothing damaged gets this far).

    Parameters
    ----------
    data
        Content of the file.
    source
        Its name: for messages, and the only place where legacy files carry their site.
    sites
        Table of known sites. Without one, standard-format files are placed by their header and
        legacy files are refused, because no coordinates are inside.

    Raises
    ------
    DataError
        Names the file and the cause.
    """
    return decode_unpacked(container.unpack(data, source), source, sites)


def decode_unpacked(
    unpacked: container.Unpacked, source: str, sites: Mapping[str, RadarSite] | None
) -> Volume:
    """Decode what `container.unpack` gives; otherwise `decode_volume`."""
    data, damage = unpacked.data, unpacked.damage
    if interop.is_foreign(data):
        return interop.decode_foreign(data, source, sites)
    if is_standard(data, source, damage):
        return standard.decode(data, source, sites, damage)
    return legacy.decode(data, source, legacy_site(source, sites), damage)


def is_standard(data: bytes | bytearray, source: str, damage: tuple[str, ...] = ()) -> bool:
    """Tell standard format (true) from legacy (false) by the first radial of a file.

    Raises
    ------
    DataError
        Where it is neither; says what it is instead.
    """
    head = bytes(data[: len(MAGIC)])
    if head == MAGIC:
        return True
    if head in _OTHERS:
        raise DataError(source, _OTHERS[head])
    if legacy.looks_like(data):
        return False
    causes = damage or (
        "neither CINRAD standard format (RSTM) nor legacy SA/SB: not a radar volume",
    )
    raise DataError(source, "; ".join(causes))


def legacy_site(source: str, sites: Mapping[str, RadarSite] | None) -> RadarSite:
    """Site of a legacy file by the code in its name.

    Raises
    ------
    DataError
        Where the name has none, or the table does not know it.
    """
    match = _SITE_IN_NAME.search(source.rsplit("/", 1)[-1].removeprefix("Z_RADR_I"))
    if match is None:
        raise DataError(source, "a legacy volume without a site code in its name (Z_RADR_I_Zxxxx_)")
    code = match.group(1)
    if sites is None:
        raise DataError(source, f"site {code}: a legacy volume needs a table of radar sites")
    if code not in sites:
        raise DataError(source, f"unknown site {code!r}: it is not in the table of radar sites")
    return sites[code]
