"""Tables of people as offices keep them: CSV, XLSX or GeoJSON, as rows of text with their places.

What the text means is decided in `jinghu.warnings.audience`, the same for all of them.
"""

import csv
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from jinghu.grid.errors import DataError

COLUMNS = ("person", "name", "role", "unit_code", "unit_name", "lon", "lat")
PHONE = "phone"  # need not be there
_CHINESE = {
    "编号": "person",
    "人员编号": "person",
    "姓名": "name",
    "角色": "role",
    "职责": "role",
    "单位代码": "unit_code",
    "行政区划代码": "unit_code",
    "单位": "unit_name",
    "单位名称": "unit_name",
    "经度": "lon",
    "纬度": "lat",
    "手机": PHONE,
    "手机号": PHONE,
    "手机号码": PHONE,
    "电话": PHONE,
    "联系电话": PHONE,
    "开始": "starts",
    "值班开始": "starts",
    "结束": "ends",
    "值班结束": "ends",
}
_MAX_BYTES = 256 * 2**20
_MAX_UNPACKED = 1024 * 2**20
_MAX_ROWS = 2_000_000
# What the libraries say of damaged workbooks: their XML errors are SyntaxError, and an encrypted
# member is RuntimeError.
_DAMAGED = (
    InvalidFileException,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it stands in the file: where, and the texts of its columns by our names."""

    place: str
    values: Mapping[str, str]


def read_rows(path: Path, columns: Sequence[str] = COLUMNS) -> list[Row]:
    """Read a table that has some columns; its kind is told by the file's name.

    Raises
    ------
    DataError
        Where the file cannot be read, is no such table, or lacks a column.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else None
    except OSError as error:
        raise DataError(path, error.strerror or str(error)) from None
    if data is None:
        raise DataError(path, f"larger than {_MAX_BYTES // 2**20} MiB")
    kind = path.suffix.lower()
    if kind in (".xlsx", ".xlsm"):
        return list(_xlsx(path, data, columns))
    if kind in (".geojson", ".json") and columns == COLUMNS:
        return list(_geojson(path, data))
    if kind in (".csv", ".txt", ""):
        return list(_csv(path, data, columns))
    known = ".csv, .xlsx or .geojson" if columns == COLUMNS else ".csv or .xlsx"
    raise DataError(path, f"a table of people is {known}, not {kind}")


def _names(heads: Iterable[object], path: Path, columns: Sequence[str]) -> list[str]:
    """Our names of the columns; those we do not know keep theirs."""
    given = [str(head or "").strip() for head in heads]
    names = [_CHINESE.get(head, head.lower()) for head in given]
    if missing := [name for name in columns if name not in names]:
        raise DataError(path, f"columns {missing} are missing")
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise DataError(path, f"columns {twice} stand twice")
    return names


def _row(place: str, names: Sequence[str], texts: Sequence[str]) -> Row:
    padded = [*texts, *[""] * (len(names) - len(texts))]
    return Row(place, {n: t.strip() for n, t in zip(names, padded, strict=False) if n})


def _csv(path: Path, data: bytes, columns: Sequence[str]) -> Iterator[Row]:
    """UTF-8, or GB 18030 as Chinese spreadsheets write it."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise DataError(path, "neither UTF-8 nor GB 18030 text")
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        names = _names(next(rows, []), path, columns)
        for texts in rows:
            if any(texts):
                yield _row(f"line {rows.line_num}", names, texts)
    except csv.Error as error:
        raise DataError(path, f"line {rows.line_num}: {error}") from None


def _xlsx(path: Path, data: bytes, columns: Sequence[str]) -> Iterator[Row]:
    """First sheet; values only, no formula is evaluated."""
    try:
        _check_container(path, data)
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what the file says of its size need not be true
        rows = sheet.iter_rows(values_only=True)
        names = _names(next(rows, ()), path, columns)
        for number, cells in enumerate(rows, 2):
            if number > _MAX_ROWS:
                raise DataError(path, f"more than {_MAX_ROWS} rows")
            texts = [_cell(value) for value in cells]
            if any(texts):
                yield _row(f"row {number}", names, texts)
    except _DAMAGED as error:
        raise DataError(path, f"not a whole XLSX workbook: {_short(error)}") from None


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__


def _check_container(path: Path, data: bytes) -> None:
    """Refuse what unpacks to more than a roster, and XML that declares entities."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        if sum(part.file_size for part in packed.infolist()) > _MAX_UNPACKED:
            raise DataError(path, f"unpacks to more than {_MAX_UNPACKED // 2**20} MiB")
        for part in packed.infolist():
            if part.filename.endswith((".xml", ".rels")):
                with packed.open(part) as file:
                    if b"<!" in file.read(4096).replace(b"<!--", b""):
                        raise DataError(path, f"{part.filename} has a document type declaration")


def _cell(value: object) -> str:
    """Text of a cell: codes and numbers that were typed as numbers keep their digits."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)


def _geojson(path: Path, data: bytes) -> Iterator[Row]:
    """Points with our columns as properties; positions are in the frame that was declared."""
    try:
        features: Any = json.loads(data)["features"]
        if not isinstance(features, list):
            raise TypeError("features is no list")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(path, f"not a GeoJSON FeatureCollection: {_short(error)}") from None
    known = set(COLUMNS) - {"lon", "lat"}
    found: set[str] = set()
    for number, feature in enumerate(features, 1):
        row = _feature(f"feature {number}", feature)
        found |= set(row.values)
        yield row
    if features and (missing := sorted(known - found)):
        raise DataError(path, f"no feature has the properties {missing}")


def _feature(place: str, feature: Any) -> Row:
    """One feature; what is no point has no position, which is told where it is read."""
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict):
        return Row(place, {})
    values = {
        _CHINESE.get(str(name).strip(), str(name).strip().lower()): _cell(value).strip()
        for name, value in properties.items()
        if not isinstance(value, dict | list)
    }
    geometry = feature.get("geometry")
    point = isinstance(geometry, dict) and geometry.get("type") == "Point"
    at = geometry.get("coordinates") if point else None
    lon, lat = at[:2] if isinstance(at, list) and len(at) >= 2 else ("", "")
    return Row(place, values | {"lon": _cell(lon), "lat": _cell(lat)})
