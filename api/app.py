"""The application: one router a resource, the viewer, problems for errors."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware

from jinghu.api import (
    problems,
    routes_bulletin,
    routes_cells,
    routes_cycles,
    routes_decisions,
    routes_dispatch,
    routes_exports,
    routes_flows,
    routes_frames,
    routes_health,
    routes_keys,
    routes_map,
    routes_people,
    routes_point,
    routes_reservoirs,
    routes_scores,
    routes_shifts,
    routes_tasks,
    routes_warnings,
)
from jinghu.api.deps import Context, utc_now
from jinghu.api.desk import Desk
from jinghu.api.dispatch_schemas import Dispatcher
from jinghu.api.flow_jobs import FlowJobs
from jinghu.api.guard import reader
from jinghu.api.http import HeadersMiddleware
from jinghu.configs.settings import Settings

STATIC = Path(__file__).resolve().parent / "static"
_OPEN = (routes_health.router, routes_tasks.router)  # links of officers are keys of their own
_GUARDED = (
    routes_people.router,
    routes_shifts.router,
    routes_keys.router,
    routes_dispatch.router,
)  # by each route
_PUBLIC = (  # unless api.require_key
    routes_cycles.router,
    routes_frames.router,
    routes_point.router,
    routes_flows.router,
    routes_reservoirs.router,
    routes_exports.router,
    routes_cells.router,
    routes_bulletin.router,  # before those of warnings, which take its name for one
    routes_warnings.router,
    routes_map.router,
    routes_scores.router,
)


def create_app(
    settings: Settings,
    clock: Callable[[], datetime] = utc_now,
    dispatcher: Dispatcher | None = None,
    desk: Desk | None = None,
    flow_jobs: FlowJobs | None = None,
) -> FastAPI:
    """Make the service of one installation.

    Parameters
    ----------
    settings
        Of the installation; the store may still be empty.
    clock
        Where the time comes from, UTC.
    dispatcher
        Runs what-ifs of reservoirs; the service itself runs no science.
    desk
        The office that warns; without it nobody decides upon warnings over HTTP.
    flow_jobs
        Makes exports, and runs the members of a cycle's flows.
    """
    context = Context(settings, clock, dispatcher, desk, flow_jobs)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        context.close()

    app = problems.ProblemApp(
        title="镜湖 Jinghu",
        summary="Rain, nowcast, flows and warnings of a city",
        version=version("jinghu"),
        lifespan=lifespan,
        # The interactive pages load scripts from elsewhere; /openapi.json is there for tools.
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    problems.install(app)
    for router in (*_OPEN, *_GUARDED):
        app.include_router(router)
    for router in _PUBLIC:
        app.include_router(router, dependencies=[Depends(reader)])
    app.include_router(routes_decisions.router)  # by each route; behind those that read
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_api_route("/", viewer, include_in_schema=False)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(HeadersMiddleware, private=settings.api.require_key)
    return app


def viewer() -> FileResponse:
    """Return the viewer's page."""
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})
