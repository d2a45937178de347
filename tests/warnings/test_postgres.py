"""What only PostgreSQL does otherwise: locks, languages, refusals, how it is reached."""

import gc
import socket
import threading

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from jinghu.grid.errors import StoreError
from jinghu.warnings.calls import Call, enqueue
from jinghu.warnings.database import (
    connect,
    is_made,
    one_line,
    open_database,
    reading,
    record,
    taking,
    verify_audit,
)
from jinghu.warnings.outbox import Claim, claim
from jinghu.warnings.tables import alert, audit, outbox, recipient


@pytest.fixture
def office(world_class, postgres):
    """Forty people, told of orange; nothing was delivered yet."""
    world = world_class(postgres.database("migrated"))
    world.add_people(list(range(40)))
    world.cycle(dict.fromkeys(range(40), 3))
    yield world
    world.engine.dispose()


def take(world, connection, limit=10):
    return claim(connection, Claim(["sms"], world.time, limit), world.links, world.time)


def test_workers_take_beside_a_writer_and_beside_each_other(office):
    with (
        office.engine.begin() as writer,
        taking(office.engine) as one,
        taking(office.engine) as two,
    ):
        first = select(outbox.c.outbox_id).order_by(outbox.c.outbox_id).limit(5)
        record(writer, office.time, "test", "writes", "for long", {})
        writer.execute(update(outbox).where(outbox.c.outbox_id.in_(first)).values(status="DROPPED"))
        taken = [{m.outbox_id for m in take(office, connection)} for connection in (one, two)]
        dropped = set(writer.execute(first).scalars())
    assert [len(t) for t in taken] == [10, 10]
    assert not taken[0] & taken[1]
    assert not dropped & (taken[0] | taken[1])


def test_what_is_taken_this_moment_is_not_written_anew(office):
    """A call waits; a worker takes it while who else is silent is written down."""
    (key,) = office.rows(select(alert.c.alert_id))[0]
    with office.engine.begin() as connection:
        enqueue(connection, key, [Call(3, 3, "sms")], office.time)

    def write():
        with office.engine.begin() as connection:
            enqueue(connection, key, [Call(3, 4, "sms")], office.time)

    writer = threading.Thread(target=write)
    with taking(office.engine) as connection:
        taken = take(office, connection, 100)
        writer.start()
        writer.join(0.3)
        assert writer.is_alive()  # it waits to see what becomes of the message
    writer.join(30)
    calls = select(outbox.c.level, outbox.c.status).where(outbox.c.kind == "ESCALATION")
    found = office.rows(calls.order_by(outbox.c.outbox_id))
    assert found == [(3, "LEASED"), (4, "PENDING")]
    assert len(taken) == 41


def test_who_waits_too_long_for_the_writer_is_told_in_one_line(office):
    with office.engine.begin(), office.engine.connect() as late:
        late.connection.cursor().execute("SET lock_timeout = '100ms'")
        with pytest.raises(SQLAlchemyError) as error:
            late.execute(select(audit))
        assert one_line(error.value).endswith("due to lock timeout (55P03)")
        late.invalidate()


def test_a_reader_sees_one_moment(office):
    with reading(office.engine) as connection:
        before = connection.execute(select(audit)).all()
        with office.engine.begin() as writer:
            record(writer, office.time, "test", "entry", "1", {})
        assert connection.execute(select(audit)).all() == before
        with pytest.raises(SQLAlchemyError, match="read-only"):
            record(connection, office.time, "test", "entry", "2", {})


def test_what_was_taken_back_leaves_no_gap_in_the_audit(office):
    for wanted in ("kept", "taken back", "kept"):
        with office.engine.connect() as connection:
            record(connection, office.time, "test", wanted, "x", {})
            connection.commit() if wanted == "kept" else connection.rollback()
    numbers = [r.seq for r in office.rows(select(audit.c.seq).order_by(audit.c.seq))]
    assert numbers == list(range(1, len(numbers) + 1))
    assert verify_audit(office.engine) is None


def test_text_is_held_and_sorted_as_sqlite_does(office):
    """The server sorts Chinese by its sound, 啊 before 中; units and times go by code points."""
    with office.engine.begin() as connection:
        names = {1: "中" * 300, 2: "啊"}
        for key, name in names.items():
            which = recipient.c.recipient_id == key
            connection.execute(update(recipient).where(which).values(unit_name=name))
        ordered = select(recipient.c.unit_name).where(recipient.c.recipient_id < 3)
        found = connection.execute(ordered.order_by(recipient.c.unit_name)).scalars().all()
        by_sound = "SELECT '啊'::text COLLATE \"zh-x-icu\" < '中'"
        assert connection.execute(text(by_sound)).scalar() is True
    assert found == ["中" * 300, "啊"]


def test_what_it_cannot_hold_is_told_from_what_is_wrong_and_quotes_nothing(office):
    def refused(kind, values):
        which = recipient.c.recipient_id == 1
        with pytest.raises(kind) as error, office.engine.begin() as connection:
            connection.execute(update(recipient).where(which).values(values))
        return one_line(error.value)

    assert refused(DataError, {"name": "张\0三"}).endswith('encoding "UTF8": 0x00 (22021)')
    assert refused(DataError, {"cell_id": 2**40}).endswith("out of range for type integer (22003)")
    assert "uq_recipient_person" in refused(IntegrityError, {"person": "P2"})
    assert "P2" not in refused(IntegrityError, {"person": "P2"})


def test_several_processes_may_make_it_at_once(postgres):
    url, made = postgres.database(), []
    assert not is_made(url)

    def make():
        engine = open_database(url)
        made.append(engine)

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3
    assert is_made(url)
    for engine in made:
        engine.dispose()


def test_an_address_without_a_driver_is_one_of_ours(postgres):
    url = postgres.database("migrated").replace("+pg8000", "")
    for options, flushed in (("?sslmode=disable", "on"), ("?synchronous=off", "off")):
        engine = open_database(url + options)
        with reading(engine) as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == flushed
        engine.dispose()


def addresses(postgres):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    at = f"127.0.0.1:{postgres.port}"
    return {
        f"postgresql://office:geheim@{at}/postgres": "password authentication failed",
        f"postgresql://office:sesame-7@{at}/absent": 'database "absent" does not exist',
        f"postgresql://o:geheim@127.0.0.1:{nobody}/x": "cannot be reached at 127.0.0.1:",
        f"postgresql://office:sesame-7@{at}/postgres?sslmode=require": "Server refuses SSL",
        f"postgresql://o:geheim@{at}/x?sslmode=sometimes": "there is no sslmode 'sometimes'",
        f"postgresql+psycopg2cffi://o:geheim@{at}/x": "pip install 'jinghu[postgres]'",
        f"mysql://o:geheim@{at}/x": "it is neither SQLite nor PostgreSQL",
    }


def test_what_cannot_be_opened_is_one_line_without_the_password(postgres):
    postgres.run(
        "DROP DATABASE IF EXISTS latin",
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
        " LOCALE_PROVIDER libc",
    )
    latin = {postgres.url("latin"): "its encoding is LATIN1"}
    for url, cause in (addresses(postgres) | latin).items():
        with pytest.raises(StoreError, match="warnings database") as error:
            open_database(url)
        said = str(error.value)
        assert cause in said
        assert "\n" not in said
        assert "geheim" not in said
        assert "sesame" not in said
    gc.collect()  # a connection that was left open is a warning, and warnings are errors


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_database_that_went_away_comes_back(office, postgres):
    """The server ends all connections, as when it is started anew."""
    name = office.url.rpartition("/")[2]
    with reading(office.engine) as connection:
        assert connection.execute(select(audit)).first() is not None
    postgres.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    )
    assert office.cycle(dict.fromkeys(range(40), 4)).recipients == 40
    assert verify_audit(office.engine) is None
    gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_connection_that_is_lost_in_mid_transaction_is_an_error_of_the_database(office, postgres):
    def lose(connection):
        record(connection, office.time, "test", "half", "x", {})
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        postgres.run(f"SELECT pg_terminate_backend({number})")
        for _ in range(3):
            record(connection, office.time, "test", "half", "x", {})

    with pytest.raises(SQLAlchemyError) as error, office.engine.begin() as connection:
        lose(connection)
    assert "\n" not in one_line(error.value)
    assert "half" not in {r.action for r in office.rows(select(audit))}
    gc.collect()


def test_nothing_is_touched_before_it_is_used():
    connect("postgresql://nobody:x@127.0.0.1:1/x").dispose()
