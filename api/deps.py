"""What routes are given: the context of the application, and the cycle a request is about."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import Annotated

from fastapi import Depends, Path, Request
from sqlalchemy import Connection, Engine

from jinghu.api.cache import Lru
from jinghu.api.desk import Desk
from jinghu.api.dispatch_schemas import Dispatcher
from jinghu.api.flow_jobs import FlowJobs
from jinghu.api.limits import Limiter
from jinghu.api.mapdata import city_map
from jinghu.api.problems import ProblemError
from jinghu.api.published import Published, hydro_part, open_published, rain_part
from jinghu.api.schemas import MapAnswer
from jinghu.configs.settings import Settings
from jinghu.grid.errors import ConfigError, JinghuError
from jinghu.grid.spec import GridSpec
from jinghu.grid.store import Part, Store
from jinghu.grid.times import cycle_name, parse_cycle_name
from jinghu.warnings.acknowledge import answer_key_path, load_answer_key
from jinghu.warnings.database import open_database, reading
from jinghu.warnings.duties import Duties, load_duties
from jinghu.warnings.phone_keys import load_phone_keys
from jinghu.warnings.phones import PhoneKeys
from jinghu.warnings.rules import RuleSet, load_rules
from jinghu.warnings.units import Units, load_units
from jinghu.warnings.waiting import AnswerWithin

_log = logging.getLogger("jinghu.api")
_PARTS_HELD = 12
_FRAME_BYTES = 64 * 2**20
_LOOK_BACK = timedelta(minutes=30)  # observed frames that the time axis shows at least
CYCLE_PATTERN = r"^\d{8}T\d{4}Z$"


class Context:
    """One application's settings, store, database and caches; made once, passed to routes."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], datetime],
        dispatcher: Dispatcher | None = None,
        desk: Desk | None = None,
        flow_jobs: FlowJobs | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.dispatcher = dispatcher
        self.desk = desk
        self.dispatching = Lock()
        self.flow_jobs = flow_jobs
        self.exporting = Lock()
        self.limiter = Limiter(settings.api.requests_per_minute)
        self.store = Store(settings.store)
        self.spec: GridSpec = settings.grid.product()
        self.frames: Lru[tuple[str, ...], bytes] = Lru(_FRAME_BYTES, len)
        self._parts: Lru[tuple[str, ...], Published] = Lru(_PARTS_HELD, lambda _: 1)
        self._engine: Engine | None = None
        self._lock = Lock()

    @property
    def engine(self) -> Engine:
        """The warnings database, opened when it is first needed: rain is served without it."""
        with self._lock:
            if self._engine is None:
                self._engine = open_database(self.settings.warnings.database)
            return self._engine

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    @cached_property
    def answer_key(self) -> bytes:
        """Key of answer links."""
        warnings = self.settings.warnings
        path = answer_key_path(warnings.answer_key_file, warnings.database, self.settings.store)
        return load_answer_key(path)

    def phone_keys(self) -> PhoneKeys | None:
        """Keys of phone numbers, read anew: they change while the service runs."""
        warnings = self.settings.warnings
        return load_phone_keys(warnings.phone_keys_file, warnings.phone_keys.get_secret_value())

    def answer_within(self) -> AnswerWithin:
        """How long others are waited for; an answer is taken whatever is wrong with the rules."""
        try:
            return self.rules.answer_within
        except ConfigError:
            return AnswerWithin()

    @cached_property
    def units(self) -> Units:
        """Counties of the city."""
        city = self.settings.city
        return load_units(city.boundaries, city.code, self.spec)

    @cached_property
    def rules(self) -> RuleSet:
        """Thresholds, for showing them."""
        return load_rules(self.settings.warnings.rules)

    @cached_property
    def duties(self) -> Duties:
        """What responsible persons have to do."""
        return load_duties(self.settings.warnings.duties)

    @cached_property
    def map(self) -> MapAnswer:
        """What lies under the rain."""
        return city_map(self.settings)

    def warm(self) -> None:
        """Make what the first requests would wait for; what is wrong is told when it is asked."""
        try:
            self.newest()
            _ = self.units, self.rules, self.map
        except JinghuError as error:
            _log.warning("%s", error)

    def published(self, cycle: str) -> Published | None:
        """Return a cycle's rain products, None where it has none in the store."""
        part = rain_part(self.store, cycle)
        return None if part is None else self._open(part)

    def newest(self) -> Published | None:
        """Return the newest cycle with rain products; ``LATEST`` is read once."""
        latest = self.store.latest()
        return None if latest is None else self.published(latest.cycle)

    def earlier(self, of: Published) -> list[Published]:
        """Cycles before this one that observed what its time axis shows and it does not hold."""
        step = timedelta(minutes=max(1, of.lead_minutes[1] if len(of.lead_minutes) > 1 else 6))
        times = (of.time - k * step for k in range(int(_LOOK_BACK / step), 0, -1))
        wanted = [cycle_name(t) for t in times if t not in of.observed_times]
        found = (self.published(name) for name in wanted)
        return [p for p in found if p is not None and p.working == of.working]

    def _open(self, part: Part) -> Published:
        flows = hydro_part(self.store, part.cycle)
        key = (part.cycle, part.name, flows.name if flows else "")
        return self._parts.get(key, lambda: open_published(part, flows))


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


async def get_context(request: Request) -> Context:
    """Return the context of the application that serves the request.

    Like the clock it waits for nothing, so it needs no thread of its own.
    """
    context: Context = request.app.state.context
    return context


ContextDep = Annotated[Context, Depends(get_context)]
CyclePath = Annotated[
    str, Path(pattern=CYCLE_PATTERN, description="Analysis time, e.g. 20190809T1630Z")
]


def existing_cycle(cycle: CyclePath) -> str:
    """Refuse names that are no time, before they become a path."""
    try:
        parse_cycle_name(cycle)
    except ConfigError as error:
        raise ProblemError(404, str(error)) from None
    return cycle


CycleDep = Annotated[str, Depends(existing_cycle)]


def cycle_published(cycle: CycleDep, context: ContextDep) -> Published:
    """Return the cycle that the path names."""
    found = context.published(cycle)
    if found is None:
        raise ProblemError(404, f"cycle {cycle} is not published")
    return found


def newest_published(context: ContextDep) -> Published:
    """Return the newest cycle."""
    found = context.newest()
    if found is None:
        raise ProblemError(404, "no cycle is published yet")
    return found


async def moment(context: ContextDep) -> datetime:
    """Read the clock."""
    return context.clock()


def database(context: ContextDep) -> Iterator[Connection]:
    """Open a reading transaction for the length of the request."""
    with reading(context.engine) as connection:
        yield connection


PublishedDep = Annotated[Published, Depends(cycle_published)]
DatabaseDep = Annotated[Connection, Depends(database)]
NowDep = Annotated[datetime, Depends(moment)]
