"""Evidence as text in the database: what a proposal rests on is kept until somebody decides."""

import json
from dataclasses import asdict
from datetime import datetime

from pydantic import TypeAdapter

from jinghu.grid.times import isoformat
from jinghu.warnings.evidence import (
    AnyEvidence,
    DecidedEvidence,
    Evidence,
    TorrentEvidence,
    WaterEvidence,
    WeatherEvidence,
)

_KINDS: dict[str, type[AnyEvidence]] = {
    kind.__name__: kind
    for kind in (Evidence, WaterEvidence, TorrentEvidence, WeatherEvidence, DecidedEvidence)
}


def to_text(found: AnyEvidence) -> str:
    """Write evidence as JSON.

    >>> from jinghu.warnings.evidence import Basis
    >>> from_text(to_text(Evidence(Basis.REACHED, 60.0, 3)))
    Evidence(basis=<Basis.REACHED: 'reached'>, peak_mm=60.0, window_h=3, probability=0.0)
    """
    row = {"kind": type(found).__name__} | asdict(found)
    return json.dumps(row, ensure_ascii=False, default=_time)


def from_text(text: str) -> AnyEvidence:
    """Read what `to_text` wrote."""
    row = json.loads(text)
    adapter: TypeAdapter[AnyEvidence] = TypeAdapter(_KINDS[row.pop("kind")])
    return adapter.validate_python(row)


def _time(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"evidence holds a {type(value).__name__}")
    return isoformat(value)
