"""The Chinese national scheme beside CAP 1.2: identifiers of GB/T 35965.1, and its times.

``ZZZZZZDDDUUUXX_YYYYMMDDhhmmss_N``: area (GB/T 2260), agency (GB/T 4657), unit, extension, Beijing
time, serial number 0 to 9. The rest of the national format is not written: there is no copy of the
standard at hand to check it against.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from lxml import etree
from sqlalchemy import Connection, select

from jinghu.grid.times import BEIJING
from jinghu.warnings.cap_rules import NAMESPACE
from jinghu.warnings.tables import alert

_UNIT, _EXTENSION = "000", "00"
_SERIALS = 10  # of one area, agency and second
_TIMES = ("sent", "effective", "onset", "expires")
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)


def allocate(connection: Connection, area: str, agency: str, sent: datetime) -> str:
    """Take the next free identifier, inside the caller's transaction.

    The eleventh message of a second gets the next second.

    Parameters
    ----------
    connection
        Of the transaction in which the alert is written with it.
    area, agency
        Codes of 6 and 3 digits.
    sent
        Time of the message.
    """
    second = sent
    while True:
        stem = f"{area}{agency}{_UNIT}{_EXTENSION}_{second.astimezone(BEIJING):%Y%m%d%H%M%S}_"
        query = select(alert.c.cn_identifier).where(
            alert.c.cn_identifier.in_([f"{stem}{n}" for n in range(_SERIALS)])
        )
        taken = set(connection.execute(query).scalars())
        free = [name for n in range(_SERIALS) if (name := f"{stem}{n}") not in taken]
        if free:
            return free[0]
        second += timedelta(seconds=1)


def to_cn_xml(cap_xml: bytes, names: Mapping[str, str]) -> bytes:
    """Write a CAP 1.2 message of ours with national identifiers and times.

    Parameters
    ----------
    cap_xml
        As it was issued.
    names
        National identifiers by those of CAP: of the message, and of those it refers to. One that
        is not among them is left as it is.
    """
    root = etree.fromstring(cap_xml, _PARSER)
    for element in root.iter(f"{{{NAMESPACE}}}identifier"):
        element.text = names.get(element.text or "", element.text)
    for element in root.iter(f"{{{NAMESPACE}}}references"):
        element.text = " ".join(_renamed(word, names) for word in (element.text or "").split())
    for name in _TIMES:
        for element in root.iter(f"{{{NAMESPACE}}}{name}"):
            element.text = (element.text or "").replace("T", " ")
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def _renamed(reference: str, names: Mapping[str, str]) -> str:
    """One ``sender,identifier,sent``; its time keeps the T, for references are parted by spaces."""
    sender, identifier, sent = reference.split(",")
    return ",".join((sender, names.get(identifier, identifier), sent))
