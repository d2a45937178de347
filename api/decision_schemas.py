"""What those who decide upon warnings ask and are answered."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from jinghu.warnings.holds import HoldKind
from jinghu.warnings.levels import Hazard

LevelWord = Literal["blue", "yellow", "orange", "red"]
County = Annotated[str, Field(pattern=r"^\d{6}$", description="GB/T 2260 code of the county")]
Why = Annotated[str, Field(min_length=2, max_length=200, pattern=r"\S")]
PlaceKey = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
Cells = Annotated[
    list[Annotated[int, Field(ge=0, le=10**9)]], Field(min_length=1, max_length=20_000)
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PlaceName(_Model):
    """A gauge or reservoir that is warned of by name."""

    key: PlaceKey
    name_zh: str = Field(min_length=1, max_length=64)
    name_en: str = Field(min_length=1, max_length=64)


class IssueRequest(_Model):
    """A warning that somebody issues; it stands until `until`, whatever the rules find."""

    hazard: Hazard
    county: County
    level: LevelWord
    reason: Why
    cells: Cells | None = Field(None, description="cells of the county; all of it where null")
    place: PlaceName | None = Field(None, description="for rivers and reservoirs, with cells")
    until: AwareDatetime | None = Field(None, description="six hours from now where null")


class LevelRequest(_Model):
    """Another level for what stands: at least it where it is higher, at most where lower."""

    level: LevelWord
    reason: Why
    until: AwareDatetime | None = Field(None, description="six hours from now where null")


class CancelRequest(_Model):
    """The end of a warning; nothing is warned of there until `until`, whatever the rules find."""

    reason: Why
    until: AwareDatetime | None = Field(None, description="six hours from now where null")


class HoldRequest(_Model):
    """A decision against the rules."""

    hazard: Hazard
    county: County
    kind: HoldKind
    level: Literal["none", "blue", "yellow", "orange", "red"] = "none"
    reason: Why
    place: PlaceKey | None = None
    cells: Cells | None = Field(None, description="where `at_least` raises; everywhere if null")
    until: AwareDatetime | None = Field(None, description="six hours from now where null")


class Said(_Model):
    """Why a hold ends, or a step is refused."""

    reason: Why


class Note(_Model):
    """What is said with an approval."""

    reason: str = Field("", max_length=200)


class Decided(_Model):
    """What came of a decision at once."""

    hold: int | None = Field(description="number of the hold that keeps it")
    warnings: list[str] = Field(description="identifiers of the messages that were issued")
    proposals: list[int] = Field(description="steps that wait for a second person")


class HoldEntry(_Model):
    """A hold that counts now."""

    hold: int
    hazard: Hazard
    hazard_zh: str
    county: str
    place: str | None
    kind: HoldKind
    level: str
    cells: list[int] | None
    reason: str
    author: str
    until: datetime


class HoldList(_Model):
    """Holds of a unit."""

    holds: list[HoldEntry]


class ProposalEntry(_Model):
    """A step that waits for a second person, or did."""

    proposal: int
    hazard: Hazard
    hazard_zh: str
    county: str
    place: str | None
    place_zh: str | None
    place_en: str | None
    event: str | None = Field(description="that it is about; null where it would begin one")
    step: Literal["raise", "lower", "cancel"]
    step_zh: str
    level: str = Field(description="that raised to, or that which stands")
    level_zh: str
    to_level: str = Field(description="that of the event afterwards")
    to_level_zh: str
    cells: dict[str, int] = Field(description="cells of the event afterwards, and their levels")
    state: Literal["OPEN", "APPROVED", "REJECTED", "ISSUED", "DROPPED", "LAPSED"]
    state_zh: str
    proposed_by: str = Field(description="the first person; `cycle` is the machine")
    reason: str
    created_at: datetime
    due_at: datetime = Field(description="when it is done, or dropped, without an answer")
    otherwise: Literal["issue", "drop"] = Field(description="what happens then")
    decided_at: datetime | None
    decided_by: str | None
    decision: str | None


class ProposalList(_Model):
    """Proposals of a unit, the newest first."""

    now: datetime = Field(description="clock of the service")
    proposals: list[ProposalEntry]
