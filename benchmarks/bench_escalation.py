"""A storm over a whole city in which nobody answers: how fast tasks go one level up.

Run ``python benchmarks/bench_escalation.py [villages]``. Every village has eight grids and a head,
every dozen villages a town, every county one officer. Prints CPU seconds of every round of
silence, what the longest transaction takes, and what answers cost meanwhile.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy import event as listeners

from jinghu.warnings.acknowledge import LINK_LIFE, Answer, Link, answer
from jinghu.warnings.database import open_database, verify_audit
from jinghu.warnings.escalation import escalate
from jinghu.warnings.fanout import fan_out
from jinghu.warnings.purposes import Purpose, register_channels
from jinghu.warnings.tables import alert, alert_cell, event, recipient, task
from jinghu.warnings.waiting import AnswerWithin

COUNTIES = ("330602", "330603", "330604", "330624", "330681", "330683")
NOW = datetime(2026, 7, 1, tzinfo=UTC)
WITHIN = AnswerWithin()
GRIDS, VILLAGES = 8, 12  # of a village, of a town


def make_people(villages: int) -> list[dict[str, object]]:
    """Everybody of every county; the cell is the county's number."""
    people: list[tuple[str, str, int]] = []
    for k, county in enumerate(COUNTIES):
        people.append(("county_duty", county, k))
        for v in range(villages // len(COUNTIES)):
            town, village = divmod(v, VILLAGES)
            code = f"{county}{town:03d}{village:03d}"
            if village == 0:
                people.append(("town_duty", code[:9], k))
            people.append(("village_head", code, k))
            people += [("grid_officer", f"{code}{grid:03d}", k) for grid in range(GRIDS)]
    return [
        {
            "person": f"p{n}", "name": f"n{n}", "role": role, "unit_code": unit,
            "unit_name": f"u{unit}", "lon": 120.0, "lat": 30.0, "cell_id": cell,
        }
        for n, (role, unit, cell) in enumerate(people)
    ]  # fmt: skip


def begin(url: str, villages: int) -> Engine:
    """A database in which everybody was told red just now."""
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(insert(recipient), make_people(villages))
        register_channels(connection, {"sms": Purpose.PRODUCTION})
    for k, county in enumerate(COUNTIES):
        with engine.begin() as connection:
            warn(connection, k, county)
    return engine


def warn(connection: Connection, k: int, county: str) -> None:
    """One red alert over the cell of a county."""
    connection.execute(
        insert(event).values(
            event_id=f"e{k}", hazard="rainstorm", county=county, status="Actual", level=4,
            opened_at="2026-07-01T00:00:00Z",
        )
    )  # fmt: skip
    connection.execute(
        insert(alert).values(
            alert_id=k + 1, identifier=f"e{k}-001", sender="s", event_id=f"e{k}", cycle="c",
            action="NEW", level=4, status="Actual", sent="2026-07-01T00:00:00Z",
            expires="2026-07-01T03:00:00Z", headline_zh="", headline_en="", cap_xml="",
        )
    )  # fmt: skip
    connection.execute(insert(alert_cell), [{"alert_id": k + 1, "cell_id": k, "level": 4}])
    fan_out(connection, f"e{k}", k + 1, ("sms",), NOW, WITHIN)


def longest_transaction(engine: Engine) -> Callable[[], float]:
    """Watch how long the lock is held; returns what reads the longest time and forgets it."""
    begun, longest = 0.0, 0.0

    def start(_connection: Connection) -> None:
        nonlocal begun
        begun = time.perf_counter()

    def end(_connection: Connection) -> None:
        nonlocal longest
        longest = max(longest, time.perf_counter() - begun)

    def read() -> float:
        nonlocal longest
        found, longest = longest, 0.0
        return found

    listeners.listen(engine, "begin", start)
    listeners.listen(engine, "commit", end)
    return read


def main() -> None:
    villages = int(sys.argv[1]) if len(sys.argv) > 1 else 3450
    with tempfile.TemporaryDirectory() as folder:
        engine = begin(f"sqlite:///{Path(folder) / 'warnings.db'}", villages)
        read = longest_transaction(engine)
        for minutes in (5, 10, 15, 20):
            now = NOW + timedelta(minutes=minutes)
            start = time.process_time()
            done = escalate(engine, WITHIN, now)
            took = time.process_time() - start
            print(
                f"{minutes:2d} min: {done.escalated} passed on, {done.called} called,"
                f" {done.stuck} stuck: {took:.2f} s CPU, {done.escalated / took:.0f} a second;"
                f" longest transaction {read():.2f} s"
            )
        silent = select(task).where(task.c.tier == 0).limit(100)
        with engine.connect() as connection:
            found = connection.execute(silent).all()
        start = time.process_time()
        for row in found:
            link = Link(row.event_id, row.recipient_id, NOW + LINK_LIFE)
            answer(engine, link, Answer.ACKNOWLEDGED, "", now, WITHIN)
        print(f"a late answer: {1000 * (time.process_time() - start) / len(found):.2f} ms CPU")
        assert verify_audit(engine) is None
        engine.dispose()


if __name__ == "__main__":
    main()
