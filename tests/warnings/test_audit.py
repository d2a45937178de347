"""Whatever is done to the audit behind its back is found, and the first broken entry named."""

import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update

from jinghu.grid.errors import StoreError
from jinghu.warnings.audit import drop_anchor, read_anchors, verify
from jinghu.warnings.database import reading, record
from jinghu.warnings.tables import audit

N = 8
FIELDS = ("at", "actor", "action", "subject", "detail", "prev_hash", "hash")


def write(world, n=N, minutes=0):
    now = world.start + timedelta(minutes=minutes)
    with world.engine.begin() as connection:
        for k in range(n):
            record(connection, now, "tester", "entry", f"subject {k}", {"雨": k})


def check(world, folder=None):
    anchors = [] if folder is None else read_anchors(folder)
    with reading(world.engine) as connection:
        return verify(connection, anchors)


def replace_all(world, rows):
    """Put these rows in the place of all entries, numbered anew."""
    with world.engine.begin() as connection:
        connection.execute(delete(audit))
        if rows:
            connection.execute(insert(audit), [r | {"seq": k} for k, r in enumerate(rows, 1)])


def entries(world):
    return [dict(r._mapping) for r in world.rows(select(audit).order_by(audit.c.seq))]


def test_a_whole_chain_is_whole(world, tmp_path):
    folder = tmp_path / "anchors"
    assert (check(world).entries, check(world).broken) == (0, None)
    assert drop_anchor(world.engine, folder, world.start) is None
    write(world)
    first = drop_anchor(world.engine, folder, world.start)
    assert first is not None
    assert first.seq == N
    assert drop_anchor(world.engine, folder, world.start) is None
    write(world, 2)
    drop_anchor(world.engine, folder, world.start + timedelta(days=1))
    write(world, 1)
    drop_anchor(world.engine, folder, world.start)  # the clock was set back
    found = check(world, folder)
    assert (found.entries, found.anchors, found.broken) == (N + 3, 3, None)
    assert sorted(p.name for p in folder.iterdir()) == ["2026-07-01.jsonl", "2026-07-02.jsonl"]


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, N - 1), st.sampled_from(FIELDS), st.integers(0, 15), st.data())
def test_an_edit_of_any_field_is_found(world_class, row, field, at, data):
    world = world_class("sqlite://")
    write(world)
    value = entries(world)[row][field]
    at %= len(value)
    other = data.draw(st.sampled_from([c for c in "0123abc {" if c != value[at]]))
    with world.engine.begin() as connection:
        edited = value[:at] + other + value[at + 1 :]
        connection.execute(update(audit).where(audit.c.seq == row + 1).values({field: edited}))
    broken = check(world).broken
    assert broken is not None
    assert broken.seq == row + 1
    world.engine.dispose()


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations(range(N)), st.integers(0, N), st.booleans())
def test_deleting_reordering_and_truncating_are_found(
    world_class, tmp_path_factory, order, kept, in_place
):
    """Any choice of entries in any order that is not the whole in its order."""
    world, folder = world_class("sqlite://"), tmp_path_factory.mktemp("anchors")
    write(world)
    drop_anchor(world.engine, folder, world.start)
    rows = entries(world)
    wanted = list(order)[:kept]
    if in_place:  # numbers stay with their entries, so that some are missing
        with world.engine.begin() as connection:
            connection.execute(delete(audit).where(audit.c.seq.not_in([k + 1 for k in wanted])))
        wanted.sort()
    else:
        replace_all(world, [rows[k] for k in wanted])
    broken = check(world, folder).broken
    if wanted == list(range(N)):
        assert broken is None
    else:
        first = next((k for k, v in enumerate(wanted) if v != k), len(wanted))
        assert broken is not None
        assert broken.seq == first + 1
    world.engine.dispose()


def test_a_chain_made_anew_is_found_by_the_anchors(world, tmp_path):
    """Who knows how the digests are made can make a chain that is whole in itself."""
    write(world)
    drop_anchor(world.engine, tmp_path, world.start)
    write(world, 3)
    with world.engine.begin() as connection:
        connection.execute(delete(audit))
    write(world, N + 3, minutes=1)
    assert check(world).broken is None
    broken = check(world, tmp_path).broken
    assert broken is not None
    assert (broken.seq, "anchor of 2026-07-01T00:00:00Z" in broken.cause) == (N, True)
    with pytest.raises(StoreError, match=f"does not have entry {N} of the anchor"):
        drop_anchor(world.engine, tmp_path, world.start)


@pytest.mark.parametrize(
    ("edit", "cause"),
    [
        (lambda lines: lines[1:], "line 1: what stood before it was changed or removed"),
        (lambda lines: [lines[0], lines[2]], "line 2: what stood before it"),
        (lambda lines: [lines[0].replace("26-07", "26-08"), *lines[1:]], "line 2: what stood"),
        (lambda lines: [*lines[:2], lines[2][:40]], "line 3 is damaged"),
        (lambda lines: ["[]"], "line 1 is damaged"),
    ],
)
def test_edited_anchors_are_refused(world, tmp_path, edit, cause):
    for _ in range(3):
        write(world, 1)
        drop_anchor(world.engine, tmp_path, world.start)
    (path,) = tmp_path.glob("2026*")
    path.write_text("\n".join(edit(path.read_text().splitlines())) + "\n")
    with pytest.raises(StoreError, match=cause):
        read_anchors(tmp_path)


def test_many_may_drop_anchors_at_once(world, tmp_path):
    folder = tmp_path / "anchors"

    def work():
        for _ in range(10):
            write(world, 1)
            drop_anchor(world.engine, folder, world.start)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = check(world, folder)
    assert (found.entries, found.broken) == (40, None)
    assert 1 <= found.anchors <= 40
    assert world.rows(text("SELECT COUNT(*) FROM audit"))[0][0] == 40
