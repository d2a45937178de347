"""Which steps of a warning wait for a second person, for how long, and what happens then."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from jinghu.warnings.levels import Action, Level
from jinghu.warnings.lifecycle import Plan, Standing


class StepKind(StrEnum):
    """What may need a second person."""

    RAISE = "raise"  # a first warning, or one raised to a level
    LOWER = "lower"  # from a level to a lower one
    CANCEL = "cancel"  # the end of a warning that stands at a level

    @property
    def zh(self) -> str:
        """Chinese name."""
        return {"raise": "发布或升级", "lower": "降级", "cancel": "解除"}[self.value]


class Otherwise(StrEnum):
    """What happens when nobody has answered in time."""

    ISSUE = "issue"  # it is done all the same, and says so
    DROP = "drop"  # it is left undone


@dataclass(frozen=True, slots=True)
class Step:
    """What a plan does to an event: ``level`` is that raised to, or that which stands."""

    kind: StepKind
    level: Level
    to_level: Level


@dataclass(frozen=True, slots=True)
class Approval:
    """One row: a step at some levels waits so long for a second person."""

    kind: StepKind
    levels: frozenset[Level]
    wait: timedelta
    otherwise: Otherwise


@dataclass(frozen=True, slots=True)
class Approvals:
    """The rows of one hazard; without rows nobody is waited for.

    ``refused_stands`` tells how long a step that was refused is not proposed again.
    """

    rows: tuple[Approval, ...] = ()
    refused_stands: timedelta = timedelta(hours=1)

    def of(self, step: Step | None) -> Approval | None:
        """The row of a step; None where it needs no second person."""
        if step is None:
            return None
        wanted = (r for r in self.rows if r.kind is step.kind and step.level in r.levels)
        return next(wanted, None)

    def free(self, wanted: Level, standing: Level) -> Level:
        """Highest level below the wanted one that may be warned of without waiting."""
        waits = {level for r in self.rows if r.kind is StepKind.RAISE for level in r.levels}
        lower = (level for level in Level if level < wanted)
        return max(level for level in lower if level <= standing or level not in waits)


def step_of(standing: Standing | None, plan: Plan | None) -> Step | None:
    """The step of a plan, None where it neither raises nor lowers nor ends its event."""
    if plan is None:
        return None
    before = Level(standing.level) if standing else Level.NONE
    kind = {
        Action.NEW: StepKind.RAISE,
        Action.UPGRADE: StepKind.RAISE,
        Action.DOWNGRADE: StepKind.LOWER,
        Action.CANCEL: StepKind.CANCEL,
    }.get(plan.action or Action.CONTINUE)
    if kind is None:
        return None
    after = Level(plan.level)
    return Step(kind, after if kind is StepKind.RAISE else before, after)


class ApprovalRow(BaseModel):
    """A row as a rule table has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    step: StepKind
    levels: Annotated[tuple[str, ...], Field(min_length=1)]
    wait_min: float = Field(gt=0, le=1440, allow_inf_nan=False)
    otherwise: Otherwise

    @field_validator("levels")
    @classmethod
    def _known(cls, found: tuple[str, ...]) -> tuple[str, ...]:
        for name in found:
            if Level.__members__.get(name.upper(), Level.NONE) is Level.NONE:
                raise ValueError(f"level {name!r} is none of blue..red")
        return found


class ApprovalTable(BaseModel):
    """The part of a rule table that is about second persons."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    steps: tuple[ApprovalRow, ...]
    refused_stands_min: float = Field(60.0, ge=0, le=1440, allow_inf_nan=False)

    @field_validator("steps")
    @classmethod
    def _once(cls, found: tuple[ApprovalRow, ...]) -> tuple[ApprovalRow, ...]:
        named = [(row.step, level) for row in found for level in row.levels]
        if len(set(named)) < len(named):
            raise ValueError("two rows are of the same step and level")
        return found

    def approvals(self) -> Approvals:
        """The rows as the life of warnings uses them."""
        return Approvals(
            tuple(
                Approval(
                    row.step,
                    frozenset(Level[name.upper()] for name in row.levels),
                    timedelta(minutes=row.wait_min),
                    row.otherwise,
                )
                for row in self.steps
            ),
            timedelta(minutes=self.refused_stands_min),
        )


def approvals_of(table: ApprovalTable | None) -> Approvals:
    """Approvals of a rule table; none where it has no such part."""
    return Approvals() if table is None else table.approvals()
