"""Health and metrics."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from fastapi import APIRouter, Response
from sqlalchemy.exc import SQLAlchemyError

from jinghu.api.deps import Context, ContextDep, NowDep
from jinghu.api.schemas import Live, Ready
from jinghu.grid.errors import JinghuError
from jinghu.grid.times import isoformat, parse_cycle_name
from jinghu.warnings.database import reading
from jinghu.warnings.dead_letters import count_dead
from jinghu.warnings.delivery import outbox_counts
from jinghu.warnings.outbox import disabled_channels
from jinghu.warnings.queries import active_counts

router = APIRouter(tags=["health"])


@router.get("/health/live", summary="The process answers")
def live() -> Live:
    """Answer."""
    return Live()


@router.get(
    "/health/ready",
    summary="Whether the service can do its work",
    responses={503: {"model": Ready, "description": "Not ready; the causes are named"}},
)
def ready(context: ContextDep, now: NowDep, response: Response) -> Ready:
    """Look at the store, the newest cycle and the database."""
    response.headers["Cache-Control"] = "no-store"
    causes: list[str] = []
    name, age = _newest(context, now, causes)
    if name is None and not causes:
        causes.append("no cycle is published yet")
    dead: int | None = None
    disabled: dict[str, str] = {}
    try:
        with reading(context.engine) as connection:
            dead, disabled = count_dead(connection), disabled_channels(connection)
    except (JinghuError, SQLAlchemyError) as error:
        causes.append(f"warnings database: {_first_line(error)}")
    if causes:
        response.status_code = 503
    return Ready(
        status="not ready" if causes else "ready",
        cycle=name,
        cycle_age_s=age,
        causes=causes,
        dead_letters=dead,
        disabled_channels=sorted(disabled),
    )


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(context: ContextDep, now: NowDep) -> Response:
    """Age of the newest cycle, cycles, active warnings, outbox by status."""
    lines = [*_store_metrics(context, now), *_database_metrics(context, now)]
    return Response(
        "\n".join(lines) + "\n",
        headers={"Cache-Control": "no-store"},
        media_type="text/plain; version=0.0.4",
    )


def _newest(context: Context, now: datetime, causes: list[str]) -> tuple[str | None, float | None]:
    try:
        latest = context.store.latest()
        if latest is None:
            return None, None
        context.published(latest.cycle)
        age = (now - parse_cycle_name(latest.cycle)).total_seconds()
        return latest.cycle, age
    except (JinghuError, OSError) as error:
        causes.append(f"store: {_first_line(error)}")
        return None, None


def _store_metrics(context: Context, now: datetime) -> Iterator[str]:
    causes: list[str] = []
    _, age = _newest(context, now, causes)
    yield from _metric("store_up", "Whether the store can be read.", {"": 0 if causes else 1})
    if age is not None:
        yield from _metric(
            "cycle_age_seconds", "Time since the newest analysis time.", {"": round(age)}
        )
    yield from _metric("cycles", "Published cycles.", {"": len(context.store.cycles())})


def _database_metrics(context: Context, now: datetime) -> Iterator[str]:
    try:
        with reading(context.engine) as connection:
            active = active_counts(connection, isoformat(now))
        outbox = outbox_counts(context.engine)
    except (JinghuError, SQLAlchemyError):
        yield from _metric("database_up", "Whether the warnings database answers.", {"": 0})
        return
    yield from _metric("database_up", "Whether the warnings database answers.", {"": 1})
    yield from _metric("warnings_active", "Warnings in force.", _labelled("level", active))
    yield from _metric("outbox", "Messages by status.", _labelled("status", outbox))


def _labelled(label: str, values: Mapping[str, int]) -> dict[str, float]:
    return {f'{{{label}="{name}"}}': n for name, n in values.items()}


def _metric(name: str, what: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# HELP jinghu_{name} {what}"
    yield f"# TYPE jinghu_{name} gauge"
    yield from (f"jinghu_{name}{labels} {value}" for labels, value in values.items())


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
