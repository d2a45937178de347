import sqlite3
import subprocess
import sys
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from jinghu.grid.errors import StoreError
from jinghu.warnings.database import THROWAWAY, open_database, reading, record, verify_audit
from jinghu.warnings.tables import audit, metadata


def test_the_migrations_make_the_tables(world):
    lengths = world.engine.dialect.name == "sqlite"  # PostgreSQL's text columns have none
    with world.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": lengths})
        assert compare_metadata(context, metadata) == []


def test_every_commit_is_flushed_and_writers_take_the_lock_at_once(tmp_path):
    path = tmp_path / "deep" / "er" / "warnings.db"
    engine = open_database(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        other = sqlite3.connect(path, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT COUNT(*) FROM event").fetchone() == (0,)
        other.close()
    engine.dispose()


def test_what_is_thrown_away_is_the_same_file_and_not_flushed(tmp_path):
    url = f"sqlite:///{tmp_path / 'warnings.db'}"
    for address, flush in ((url + THROWAWAY, 0), (url, 2)):
        engine = open_database(address)
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar() == flush
        engine.dispose()
    assert [p.name for p in tmp_path.iterdir()] == ["warnings.db"]


def test_readers_do_not_wait_for_a_writer(world):
    with world.engine.begin(), reading(world.engine) as connection:
        assert connection.execute(select(audit)).all() == []


def test_two_writers_wait_for_each_other(world):
    """Four threads, twenty entries each: none is lost, and the chain is one."""

    def write():
        for k in range(20):
            with world.engine.begin() as connection:
                record(connection, world.start, "test", "entry", str(k), {})

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.rows(select(audit))) == 80
    assert verify_audit(world.engine) is None


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE audit SET detail = '{}' WHERE seq = 3",
        "UPDATE audit SET actor = 'somebody' WHERE seq = 3",
        "UPDATE audit SET at = '2026-07-01T00:00:01Z' WHERE seq = 3",
        "UPDATE audit SET hash = prev_hash WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 2",
    ],
)
def test_an_edited_audit_row_breaks_the_chain(world, edit):
    with world.engine.begin() as connection:
        for k in range(5):
            record(connection, world.start, "test", "entry", str(k), {"雨": k})
    assert verify_audit(world.engine) is None
    with world.engine.begin() as connection:
        connection.execute(text(edit))
    assert verify_audit(world.engine) == 3


def test_a_crash_in_mid_transaction_leaves_nothing_of_it(tmp_path):
    """A process that is gone without a word in the middle of writing."""
    url = f"sqlite:///{tmp_path / 'warnings.db'}"
    code = f"""
import os, signal
from datetime import UTC, datetime
from jinghu.warnings.database import open_database, record
engine = open_database({url!r})
with engine.begin() as connection:
    record(connection, datetime.now(UTC), "test", "whole", "1", {{}})
with engine.begin() as connection:
    record(connection, datetime.now(UTC), "test", "half", "2", {{}})
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    engine = open_database(url)
    with reading(engine) as connection:
        assert [r.action for r in connection.execute(select(audit))] == ["whole"]
    assert verify_audit(engine) is None
    engine.dispose()


def test_what_cannot_be_opened_is_one_line_that_names_it(tmp_path):
    not_one = tmp_path / "letter.db"
    not_one.write_text("dear database, " * 100)
    newer = tmp_path / "newer.db"
    engine = open_database(f"sqlite:///{newer}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for url in (
        f"sqlite:///{not_one}",
        f"sqlite:///{newer}",
        f"sqlite:///{not_one}/below/it.db",
        "nonsense",
        "klingon://x",
    ):
        with pytest.raises(StoreError, match="warnings database") as error:
            open_database(url)
        assert "\n" not in str(error.value)


def test_passwords_are_not_shown():
    with pytest.raises(StoreError) as error:
        open_database("klingon://me:sesame@host/db")
    assert "sesame" not in str(error.value)


def test_rows_that_refer_to_nothing_are_refused(world):
    from jinghu.warnings.tables import task

    row = {"event_id": "x", "recipient_id": 1, "alert_id": 1, "level": 1, "status": "TOLD"}
    row |= {"tier": 0, "unit_code": "330602000001", "escalated": 0}
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), world.engine.begin() as c:
        c.execute(insert(task).values(**row))


def test_a_database_that_is_current_loads_no_migration(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'warnings.db'}"
    open_database(url).dispose()
    monkeypatch.setattr("jinghu.warnings.database.command.upgrade", None)
    open_database(url).dispose()
    with sqlite3.connect(tmp_path / "warnings.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(TypeError):
        open_database(url)
