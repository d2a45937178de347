"""What phones send: forms with and without a photograph, and JSON."""

import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qs

from jinghu.api.problems import ProblemError
from jinghu.warnings.photos import LARGEST

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
JSON = "application/json"
_MAX_TEXT = 16_384
_MOST_PARTS = 16


def largest(kind: str) -> int:
    """Bytes that a body of a type may have."""
    return LARGEST + _MAX_TEXT if kind == MULTIPART else _MAX_TEXT


def fields_of(content_type: str, kind: str, body: bytes) -> tuple[dict[str, Any], bytes | None]:
    """Fields of a body, and the photograph where there is one.

    Raises
    ------
    ProblemError
        Where it cannot be read (422), or is of another type (415).
    """
    try:
        if kind == FORM:
            found = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=20)
            return {name: values[-1] for name, values in found.items()}, None
        if kind == MULTIPART:
            return _multipart(content_type, body)
        if kind == JSON:
            value = json.loads(body)
            if not isinstance(value, dict):
                raise ProblemError(422, "the body is not a JSON object")
            return value, None
    except (ValueError, LookupError, RecursionError) as error:
        raise ProblemError(422, f"the body cannot be read: {error}") from None
    raise ProblemError(415, f"answers are {JSON}, {FORM} or {MULTIPART}, not {kind!r}")


def _multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes | None]:
    head = f"content-type: {content_type}\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    parts = list(message.iter_parts()) if message.is_multipart() else []
    if not parts or len(parts) > _MOST_PARTS:
        raise ValueError("it is no form")
    fields: dict[str, Any] = {}
    photo = None
    for part in parts:
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise ValueError("a part has no name")
        if name == "photo":
            photo = content or photo  # a form without a picture sends an empty one
        else:
            fields[name] = content.decode("utf-8")
    return fields, photo
