"""CAP 1.2: messages written as XML, and files validated by our own rules."""

from datetime import datetime

from lxml import etree

from jinghu.grid.times import BEIJING
from jinghu.warnings import cap_rules
from jinghu.warnings.cap_rules import NAMESPACE, Problem
from jinghu.warnings.evidence import Basis, Evidence, WaterEvidence, WeatherEvidence
from jinghu.warnings.instructions import instruction_en, instruction_zh
from jinghu.warnings.levels import Action, Level
from jinghu.warnings.message import (
    Area,
    Message,
    description_en,
    description_zh,
    headline_en,
    headline_zh,
)
from jinghu.warnings.water_rules import Quantity

__all__ = ["Problem", "to_xml", "validate"]


def validate(xml: bytes) -> list[Problem]:
    """Check a CAP 1.2 document; an empty list means that it conforms.

    The rules are those of the OASIS schema (order, cardinality, values) and of sections 3.2 and
    3.3 that a schema cannot say (references, polygons, restrictions). DOCTYPE is refused, nothing
    outside the document is read.
    """
    return cap_rules.validate(xml)


def to_xml(message: Message) -> bytes:
    """Write a message as CAP 1.2: for each level an info in Chinese, then one in English."""
    alert = etree.Element(f"{{{NAMESPACE}}}alert", nsmap={None: NAMESPACE})
    _add(alert, "identifier", message.identifier)
    _add(alert, "sender", message.sender)
    _add(alert, "sent", cap_time(message.sent))
    _add(alert, "status", message.status)
    _add(alert, "msgType", message.action.cap_type)
    _add(alert, "scope", "Public")
    if message.status != "Actual":
        word = {"Exercise": "演练", "Test": "测试"}[message.status]
        _add(alert, "note", f"{word} {message.status} {message.event_id}")
    if message.references:
        known = (f"{r.sender},{r.identifier},{cap_time(r.sent)}" for r in message.references)
        _add(alert, "references", " ".join(known))
    for area in message.areas:
        _info(alert, message, area, chinese=True)
    for area in message.areas:
        _info(alert, message, area, chinese=False)
    return bytes(etree.tostring(alert, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def cap_time(time: datetime) -> str:
    """Write a time as CAP wants it: whole seconds, numeric offset, never Z.

    >>> from datetime import UTC
    >>> cap_time(datetime(2019, 8, 9, 16, 30, tzinfo=UTC))
    '2019-08-10T00:30:00+08:00'
    """
    return time.astimezone(BEIJING).isoformat(timespec="seconds")


def _info(alert: etree._Element, message: Message, area: Area, *, chinese: bool) -> None:
    ended = message.action is Action.CANCEL
    level = Level.NONE if ended else area.level
    info = _add(alert, "info")
    _add(info, "language", "zh-CN" if chinese else "en-US")
    _add(info, "category", "Met")
    hazard = message.hazard
    _add(info, "event", hazard.zh if chinese else hazard.en)
    _add(info, "responseType", "AllClear" if ended else "Prepare")
    _add(info, "urgency", "Past" if ended else _urgency(message))
    _add(info, "severity", area.level.cap_severity)
    _add(info, "certainty", _certainty(message))
    if hazard.event_code is not None:
        code = _add(info, "eventCode")
        _add(code, "valueName", "GB/T 35965")
        _add(code, "value", hazard.event_code)
    _add(info, "effective", cap_time(message.sent))
    _add(info, "onset", cap_time(message.onset))
    _add(info, "expires", cap_time(message.expires))
    _add(info, "senderName", _sender_name(message, chinese=chinese))
    _add(info, "headline", headline_zh(message) if chinese else headline_en(message))
    _add(info, "description", description_zh(message) if chinese else description_en(message))
    words = instruction_zh if chinese else instruction_en
    _add(info, "instruction", words(level, hazard))
    for name, value in (
        ("level", area.level.en),
        ("action", message.action.value),
        ("event_id", message.event_id),
        ("rules", message.rules),
        *([("cn_identifier", message.cn_identifier)] if message.cn_identifier else []),
        *_water_parameters(message),
    ):
        parameter = _add(info, "parameter")
        _add(parameter, "valueName", name)
        _add(parameter, "value", value)
    _area(info, message, area, chinese=chinese)


def _area(info: etree._Element, message: Message, area: Area, *, chinese: bool) -> None:
    county, along = message.county, message.subject is not None
    element = _add(info, "area")
    if chinese:
        where = f"{message.place_zh}{'沿河' if along else ''}"
        _add(element, "areaDesc", f"{where}：{area.n_cells}个2.5公里网格")
    else:
        where = f"{message.place_en}{', along the river' if along else ''}"
        _add(element, "areaDesc", f"{where}: {area.n_cells} cells of 2.5 km")
    for outline in area.polygons:
        _add(element, "polygon", " ".join(f"{lat:.5f},{lon:.5f}" for lon, lat in outline))
    geocode = _add(element, "geocode")
    _add(geocode, "valueName", "GB/T 2260")
    _add(geocode, "value", county.code)


def _water_parameters(message: Message) -> list[tuple[str, str]]:
    """What machines want to know of a gauge or reservoir."""
    found = message.evidence
    if not isinstance(found, WaterEvidence) or message.subject is None:
        return []
    rows = [("place", message.subject.key)]
    if found.mark is not None and found.quantity is not None:
        unit = "m" if found.quantity is Quantity.LEVEL else "m3_s"
        rows += [("mark", found.mark.value), (f"mark_{unit}", f"{found.value:.2f}")]
    if found.peak_time is not None:
        rows += [
            ("peak_level_m", f"{found.peak_m:.2f}"),
            ("peak_discharge_m3_s", f"{found.peak_m3_s:.1f}"),
            ("peak_time", cap_time(found.peak_time)),
            ("level_datum", found.datum or "not stated"),
        ]
    return rows


def _certainty(message: Message) -> str:
    if message.evidence.basis is not Basis.REACHED:
        return "Possible"
    if isinstance(message.evidence, WeatherEvidence):
        return "Observed"
    if not isinstance(message.evidence, Evidence):
        return "Likely"  # also the level now is computed, not read off a staff
    if 0 < message.evidence.probability <= 0.5:  # CAP calls likely what is more likely than not
        return "Possible"
    return "Likely" if message.onset > message.sent else "Observed"


def _sender_name(message: Message, *, chinese: bool) -> str:
    if chinese:
        return f"{message.city_zh}{message.hazard.issuer_zh}"
    return f"{message.city_en} {message.hazard.issuer_en}"


def _urgency(message: Message) -> str:
    hours = (message.onset - message.sent).total_seconds() / 3600
    return "Immediate" if hours < 1 else "Expected"


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    element.text = text
    return element
