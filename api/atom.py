"""An Atom feed (RFC 4287) of warnings, an entry a message, with a link to its CAP."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lxml import etree

from jinghu.grid.times import isoformat

_ATOM = "http://www.w3.org/2005/Atom"


def feed_xml(entries: Sequence[Mapping[str, Any]], base_url: str, now: datetime) -> bytes:
    """Write the feed.

    Parameters
    ----------
    entries
        Newest first: identifier, sent, headline_zh, headline_en.
    base_url
        Address of the service, with the slash at its end.
    now
        When nothing was ever sent, the feed is as new as now.
    """
    root = etree.Element(f"{{{_ATOM}}}feed", nsmap={None: _ATOM})
    _add(root, "id", f"{base_url}api/v1/warnings/feed.atom")
    _add(root, "title", "预警信息 Warnings")
    _add(root, "updated", str(entries[0]["sent"]) if entries else isoformat(now))
    author = _add(root, "author")
    _add(author, "name", "镜湖 Jinghu")
    _link(root, "self", f"{base_url}api/v1/warnings/feed.atom", "application/atom+xml")
    for entry in entries:
        _entry(root, entry, base_url)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _entry(root: etree._Element, entry: Mapping[str, Any], base_url: str) -> None:
    element = _add(root, "entry")
    address = f"{base_url}api/v1/warnings/{entry['identifier']}"
    _add(element, "id", address)
    _add(element, "title", f"{entry['headline_zh']} {entry['headline_en']}")
    _add(element, "updated", str(entry["sent"]))
    _add(element, "summary", f"{entry['headline_zh']} {entry['headline_en']}")
    _add(element, "category").set("term", str(entry["level"]))
    _link(element, "alternate", f"{address}.cap", "application/cap+xml")


def _link(parent: etree._Element, relation: str, address: str, media_type: str) -> None:
    element = _add(parent, "link")
    element.set("rel", relation)
    element.set("type", media_type)
    element.set("href", address)


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{_ATOM}}}{name}")
    element.text = text
    return element
