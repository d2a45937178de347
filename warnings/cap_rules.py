"""The rules of CAP 1.2 (OASIS, 1 July 2010), one small check each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import shapely
from lxml import etree

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MAX_BYTES = 4 * 2**20
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
_NO_MARKS = re.compile(r"[\s,<&]")
_DECIMAL = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)")


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule: its name, where, and what is wrong."""

    rule: str
    place: str
    message: str


@dataclass(frozen=True, slots=True)
class _Child:
    """An element that may stand in its parent: name, least and most."""

    name: str
    least: int
    most: int | None  # None = any number


def _children(text: str) -> tuple[_Child, ...]:
    """Parse names marked with ! (once), ? (at most once), * (any number), + (at least once)."""
    bounds: dict[str, tuple[int, int | None]] = {
        "!": (1, 1),
        "?": (0, 1),
        "*": (0, None),
        "+": (1, None),
    }
    return tuple(_Child(word[:-1], *bounds[word[-1]]) for word in text.split())


_ORDER = {
    "alert": _children(
        "identifier! sender! sent! status! msgType! source? scope! restriction? addresses? code*"
        " note? references? incidents? info*"
    ),
    "info": _children(
        "language? category+ event! responseType* urgency! severity! certainty! audience?"
        " eventCode* effective? onset? expires? senderName? headline? description? instruction?"
        " web? contact? parameter* resource* area*"
    ),
    "resource": _children("resourceDesc! mimeType! size? uri? derefUri? digest?"),
    "area": _children("areaDesc! polygon* circle* geocode* altitude? ceiling?"),
    "eventCode": _children("valueName! value!"),
    "parameter": _children("valueName! value!"),
    "geocode": _children("valueName! value!"),
}
_VALUES = {
    "status": "Actual Exercise System Test Draft",
    "msgType": "Alert Update Cancel Ack Error",
    "scope": "Public Restricted Private",
    "category": "Geo Met Safety Security Rescue Fire Health Env Transport Infra CBRNE Other",
    "responseType": "Shelter Evacuate Prepare Execute Avoid Monitor Assess AllClear None",
    "urgency": "Immediate Expected Future Past Unknown",
    "severity": "Extreme Severe Moderate Minor Unknown",
    "certainty": "Observed Likely Possible Unlikely Unknown",
}


def validate(xml: bytes) -> list[Problem]:
    """Check a document; see `jinghu.warnings.cap.validate`."""
    if len(xml) > MAX_BYTES:
        return [Problem("size", "document", f"larger than {MAX_BYTES // 2**20} MiB")]
    doctype = [Problem("doctype", "document", "DOCTYPE and entities are refused")]
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        return doctype
    if b"\0" in xml:
        return [Problem("encoding", "document", "neither UTF-8 nor another code on top of ASCII")]
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        return [Problem("xml", f"line {error.lineno}", str(error.msg))]
    if root.getroottree().docinfo.internalDTD is not None:  # written in an outlandish encoding
        return doctype
    if root.tag != f"{{{NAMESPACE}}}alert":
        return [Problem("namespace", "document", f"the root is {_name(root)}, not CAP 1.2's alert")]
    problems = list(_structure(root, "alert"))
    return problems or [*_header(root), *_infos(root)]


def _name(element: etree._Element) -> str:
    tag = element.tag
    if not isinstance(tag, str):
        return ""  # a comment or a processing instruction
    prefix = f"{{{NAMESPACE}}}"
    return tag.removeprefix(prefix) if tag.startswith(prefix) else tag


def _place(element: etree._Element) -> str:
    return f"{_name(element)}, line {element.sourceline}"


def _structure(element: etree._Element, name: str) -> Iterator[Problem]:
    """Order, cardinality, and text of simple elements, all the way down."""
    position = 0
    order = _ORDER[name]
    counts = dict.fromkeys((c.name for c in order), 0)
    for child in element:
        inner = _name(child)
        if inner == "" or inner.startswith("{"):
            if inner and "xmldsig" not in inner:
                yield Problem("element", _place(child), f"{inner} is not of CAP")
            continue
        ahead = [k for k, c in enumerate(order) if c.name == inner]
        if not ahead:
            yield Problem("element", _place(child), f"{inner} cannot stand in {name}")
            continue
        if ahead[0] < position:
            yield Problem("order", _place(child), f"{inner} stands after {order[position].name}")
        position = max(position, ahead[0])
        counts[inner] += 1
        if inner in _ORDER:
            yield from _structure(child, inner)
        else:
            yield from _simple(child, inner)
    for child_rule in order:
        n = counts[child_rule.name]
        if n < child_rule.least:
            yield Problem("missing", _place(element), f"{child_rule.name} is missing in {name}")
        if child_rule.most is not None and n > child_rule.most:
            yield Problem("repeated", _place(element), f"{child_rule.name} stands {n} times")


def _simple(element: etree._Element, name: str) -> Iterator[Problem]:
    text = (element.text or "").strip()
    if len(element):
        yield Problem("content", _place(element), f"{name} holds elements")
    if name in _VALUES and text not in _VALUES[name].split():
        yield Problem("value", _place(element), f"{text!r} is none of {_VALUES[name]}")
    if name in ("sent", "effective", "onset", "expires") and _parse_time(text) is None:
        yield Problem("time", _place(element), f"{text!r} is not YYYY-MM-DDThh:mm:ss+hh:mm")
    if name in ("identifier", "sender") and (not text or _NO_MARKS.search(text)):
        yield Problem(
            "identifier", _place(element), f"{name} {text!r}: empty or with , < & or space"
        )
    if name in ("areaDesc", "event", "valueName", "resourceDesc", "mimeType") and not text:
        yield Problem("empty", _place(element), f"{name} is empty")
    if name == "size" and not text.isdigit():
        yield Problem("number", _place(element), f"size {text!r} is not a whole number")
    if name in ("altitude", "ceiling") and not _DECIMAL.fullmatch(text):
        yield Problem("number", _place(element), f"{name} {text!r} is not a number")


def _parse_time(text: str) -> datetime | None:
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _text(element: etree._Element, name: str) -> str:
    return (element.findtext(f"{{{NAMESPACE}}}{name}") or "").strip()


def _all(element: etree._Element, name: str) -> list[etree._Element]:
    return element.findall(f"{{{NAMESPACE}}}{name}")


def _header(root: etree._Element) -> Iterator[Problem]:
    """Rules between the elements of the alert block."""
    scope, kind = _text(root, "scope"), _text(root, "msgType")
    if (scope == "Restricted") != bool(_text(root, "restriction")):
        yield Problem("restriction", _place(root), "restriction belongs to scope Restricted")
    if scope == "Private" and not _text(root, "addresses"):
        yield Problem("addresses", _place(root), "scope Private needs addresses")
    references = _text(root, "references").split()
    if kind in ("Update", "Cancel", "Ack", "Error") and not references:
        yield Problem("references", _place(root), f"msgType {kind} needs references")
    if kind == "Error" and not _text(root, "note"):
        yield Problem("note", _place(root), "msgType Error needs its reason in note")
    if _text(root, "status") == "Exercise" and not _text(root, "note"):
        yield Problem("note", _place(root), "status Exercise needs the exercise's id in note")
    if kind in ("Alert", "Update", "Cancel") and not _all(root, "info"):
        yield Problem("info", _place(root), f"msgType {kind} without info tells nobody anything")
    sent = _parse_time(_text(root, "sent"))
    for reference in references:
        parts = reference.split(",")
        if len(parts) != 3 or _parse_time(parts[2]) is None:
            yield Problem(
                "references", _place(root), f"{reference!r} is not sender,identifier,sent"
            )
            continue
        if parts[1] == _text(root, "identifier") and parts[0] == _text(root, "sender"):
            yield Problem("references", _place(root), "the message refers to itself")
        earlier = _parse_time(parts[2])
        if earlier and sent and earlier > sent:
            yield Problem("references", _place(root), f"{parts[1]} was sent after this message")


def _infos(root: etree._Element) -> Iterator[Problem]:
    infos = _all(root, "info")
    kinds = {
        (tuple(sorted((c.text or "").strip() for c in _all(i, "category"))), _codes(i))
        for i in infos
    }
    if len(kinds) > 1:
        yield Problem("infos", _place(infos[1]), "infos differ in category or eventCode")
    sent = _parse_time(_text(root, "sent"))
    for info in infos:
        expires, onset = (_parse_time(_text(info, n)) for n in ("expires", "onset"))
        start = _parse_time(_text(info, "effective")) or sent
        if expires and start and expires <= start:
            yield Problem("expires", _place(info), "it expires before it takes effect")
        if expires and onset and onset > expires:
            yield Problem("onset", _place(info), "the onset is after the end")
        for area in _all(info, "area"):
            yield from _area(area)


def _codes(info: etree._Element) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted((_text(c, "valueName"), _text(c, "value")) for c in _all(info, "eventCode"))
    )


def _area(area: etree._Element) -> Iterator[Problem]:
    if _text(area, "ceiling") and not _text(area, "altitude"):
        yield Problem("ceiling", _place(area), "ceiling needs altitude")
    for polygon in _all(area, "polygon"):
        yield from _polygon(polygon)
    for circle in _all(area, "circle"):
        words = (circle.text or "").split()
        point = _point(words[0]) if words else None
        if len(words) != 2 or point is None or not _DECIMAL.fullmatch(words[1]):
            yield Problem("circle", _place(circle), "a circle is lat,lon radius_km")
        elif float(words[1]) < 0:
            yield Problem("circle", _place(circle), "the radius is negative")


def _polygon(polygon: etree._Element) -> Iterator[Problem]:
    pairs = [_point(word) for word in (polygon.text or "").split()]
    points = [p for p in pairs if p is not None]
    if len(points) != len(pairs):
        yield Problem("polygon", _place(polygon), "not a list of lat,lon in -90..90, -180..180")
    elif len(points) < 4:
        yield Problem("polygon", _place(polygon), f"{len(points)} points; a polygon has at least 4")
    elif points[0] != points[-1]:
        yield Problem("polygon", _place(polygon), "the first and the last point differ")
    elif not shapely.Polygon(points).is_valid:
        reason = shapely.is_valid_reason(shapely.Polygon(points))
        yield Problem("polygon", _place(polygon), f"not a simple polygon: {reason}")


def _point(word: str) -> tuple[float, float] | None:
    parts = word.split(",")
    if len(parts) != 2 or not all(_DECIMAL.fullmatch(p) for p in parts):
        return None
    lat, lon = map(float, parts)
    return (lat, lon) if abs(lat) <= 90 and abs(lon) <= 180 else None
