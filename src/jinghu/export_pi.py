"""An export as Delft-FEWS PI-XML (pi_timeseries): one series a place, variable and member."""

import numpy as np
from lxml import etree

from jinghu.export_series import OneSeries, cautions, series_of
from jinghu.flow_export import FlowExport

_NS = "http://www.wldelft.nl/fews/PI"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "https://fewsdocs.deltares.nl/schemas/version1.0/pi-schemas/pi_timeseries.xsd"
_VERSION = "1.9"  # ensembleId came before it; nothing newer is used
_MISSING = "-999.0"
_ENSEMBLE = "jinghu"


def to_pi_xml(export: FlowExport) -> bytes:
    """Write an export as PI-XML in UTC.

    ``locationId`` is the station's code, or the id of the place where it has none; a quantile is a
    ``qualifierId`` (p05, p50), a member an ``ensembleMemberIndex`` of the ensemble ``jinghu``.
    Means and sums over a step are of the type ``accumulative``: its values belong to the step
    that ends at their time. The order of the header is that of the schema.
    """
    root = etree.Element(
        f"{{{_NS}}}TimeSeries",
        {f"{{{_XSI}}}schemaLocation": f"{_NS} {_SCHEMA}", "version": _VERSION},
        nsmap={None: _NS, "xsi": _XSI},
    )
    for zh, en in cautions(export):
        root.append(etree.Comment(f" {zh} / {en} ".replace("--", "- -")))
    _add(root, "timeZone", "0.0")
    for one in series_of(export):
        _write(root, one, export)
    found: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return found


def _write(root: etree._Element, one: OneSeries, export: FlowExport) -> None:
    """One series: its header in the order of the schema, then its events."""
    series = _add(root, "series")
    header = _add(series, "header")
    quantity, times = one.quantity, one.times.astype("datetime64[s]")
    _add(header, "type", "accumulative" if quantity.over_step else "instantaneous")
    _add(header, "locationId", one.station or one.id)
    _add(header, "parameterId", quantity.parameter)
    if one.quantile is not None:
        _add(header, "qualifierId", f"p{round(100 * one.quantile):02d}")
    if one.member is not None:
        _add(header, "ensembleId", _ENSEMBLE)
        _add(header, "ensembleMemberIndex", str(one.member))
    _add(header, "timeStep", **_step(times))
    _add(header, "startDate", **_clock(times[0]))
    _add(header, "endDate", **_clock(times[-1]))
    _add(header, "forecastDate", **_clock(np.datetime64(export.time.replace(tzinfo=None), "s")))
    _add(header, "missVal", _MISSING)
    _add(header, "longName", f"{quantity.zh} {quantity.en}")
    _add(header, "stationName", one.name_zh)
    if one.lat is not None and one.lon is not None:
        _add(header, "lat", f"{one.lat:.6f}")
        _add(header, "lon", f"{one.lon:.6f}")
    _add(header, "units", quantity.unit)
    for time, value in zip(times, one.values, strict=True):
        text = f"{value:.3f}" if np.isfinite(value) else _MISSING
        # Flags of FEWS: 0 original and reliable, 9 missing.
        flag = "0" if np.isfinite(value) else "9"
        _add(series, "event", **_clock(time), value=text, flag=flag)


def _step(times: np.ndarray[tuple[int], np.dtype[np.datetime64]]) -> dict[str, str]:
    """The time step, where it is the same throughout."""
    steps = np.unique(np.diff(times))
    if len(steps) != 1:
        return {"unit": "nonequidistant"}
    return {"unit": "second", "multiplier": str(int(steps[0] / np.timedelta64(1, "s")))}


def _clock(time: np.datetime64) -> dict[str, str]:
    date, _, clock = str(time.astype("datetime64[s]")).partition("T")
    return {"date": date, "time": clock}


def _add(parent: etree._Element, tag: str, text: str | None = None, **of: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{_NS}}}{tag}", of)
    element.text = text
    return element
