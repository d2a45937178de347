"""Keys open what their scope and unit say, until they end; nobody can tell them again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from tests.warnings.leaks import all_of

from jinghu.grid.errors import ConfigError, DataError
from jinghu.warnings.keys import (
    ApiKey,
    KeyRefusedError,
    NewKey,
    Right,
    Scope,
    authenticate,
    create_key,
    list_keys,
    revoke_key,
    subtree,
)
from jinghu.warnings.purposes import Purpose
from jinghu.warnings.tables import audit


def make(world, wanted=None):
    with world.engine.begin() as connection:
        return create_key(connection, wanted or NewKey("某镇", Scope.DUTY), "tester", world.start)


def enter(world, token, hours=0):
    with world.engine.connect() as connection:
        return authenticate(connection, token, world.start + timedelta(hours=hours))


def test_a_key_is_told_once_and_stored_as_its_digest(world):
    made, token = make(world)
    drill = make(world, NewKey("演练", Scope.VIEWER, purpose=Purpose.DRILL))
    assert token.startswith("jh_live_")
    assert drill[1].startswith("jh_drill_")
    assert len(token) - len("jh_live_") == 43  # 256 bits in base64
    assert token.startswith(made.prefix)
    assert len(token) - len(made.prefix) > 35
    assert enter(world, token) == made
    everything = all_of(world.engine)
    assert made.prefix in everything
    assert token.removeprefix("jh_live_") not in everything
    assert token not in str(world.rows(select(audit)))
    for other in (token[:-1], token + "x", token.replace("live", "drill"), "", "jh_live_"):
        with pytest.raises(KeyRefusedError, match="not known here") as error:
            enter(world, other)
        assert not other or other not in str(error.value)


def test_keys_end(world):
    ends = NewKey("x", Scope.VIEWER, expires=world.start + timedelta(hours=2))
    made, token = make(world, ends)
    assert enter(world, token, 1) == made
    with pytest.raises(KeyRefusedError, match="expired at 2026-07-01T02:00:00Z"):
        enter(world, token, 2)
    made, token = make(world)
    with world.engine.begin() as connection:
        revoke_key(connection, made.prefix, "tester", world.start)
        revoke_key(connection, made.prefix, "tester", world.start)
    with pytest.raises(KeyRefusedError, match="was revoked at"):
        enter(world, token)
    actions = [r.action for r in world.rows(select(audit).order_by(audit.c.seq))]
    assert actions == ["key created", "key created", "key revoked"]


def test_who_administers_a_town_sees_and_ends_its_keys_alone(world):
    makes = [NewKey(u or "city", Scope.DUTY, u) for u in ("", "330602", "330602001", "330604")]
    made = [make(world, wanted)[0] for wanted in makes]
    with world.engine.begin() as connection:
        assert [k.unit for k in list_keys(connection, "330602")] == ["330602", "330602001"]
        with pytest.raises(DataError, match="no such key"):
            revoke_key(connection, made[3].prefix, "t", world.start, "330602")
        revoke_key(connection, made[2].prefix, "t", world.start, "330602")
    rows = world.rows(text("SELECT unit FROM api_key WHERE revoked_at IS NOT NULL"))
    assert [r.unit for r in rows] == ["330602001"]


@pytest.mark.parametrize(
    ("wanted", "cause"),
    [
        (NewKey(" ", Scope.DUTY), "name"),
        (NewKey("x" * 41, Scope.DUTY), "name"),
        (NewKey("a\0b", Scope.DUTY), "name"),
        (NewKey("x", Scope.DUTY, "33060"), "no unit code"),
        (NewKey("x", Scope.DUTY, "3306%"), "no unit code"),
    ],
)
def test_what_makes_no_key_is_refused(world, wanted, cause):
    with pytest.raises(ConfigError, match=cause):
        make(world, wanted)
    with pytest.raises(ConfigError, match="would have expired"):
        make(world, NewKey("x", Scope.DUTY, expires=world.start))


@given(
    st.sampled_from(["33", "3306", "330602", "330602001", "330602001001"]),
    st.text("0369", max_size=15),
)
def test_a_unit_covers_itself_and_what_is_below(unit, other):
    key = ApiKey("p", "n", Scope.DUTY, subtree(unit), Purpose.PRODUCTION, "", None, None)
    assert key.covers(other) == (other[: len(unit)] == unit)


def test_the_code_of_a_city_covers_its_counties():
    assert (subtree("330600"), subtree("330000"), subtree("")) == ("3306", "33", "")


def test_who_may_do_what():
    """The table of rights, told the other way round."""
    able = {right: {s for s in Scope if right in s.rights} for right in Right}
    assert able[Right.READ] == set(Scope)
    assert able[Right.PEOPLE] == {Scope.DUTY, Scope.ADMIN}
    assert able[Right.PHONE] == {Scope.DUTY}
    assert able[Right.ANSWER] == {Scope.DUTY, Scope.WATER}
    assert able[Right.ISSUE] == {Scope.FORECASTER, Scope.APPROVER}
    assert able[Right.APPROVE] == {Scope.APPROVER}
    assert able[Right.KEYS] == {Scope.ADMIN}
    assert able[Right.AUDIT] == {Scope.AUDITOR}
    assert not Scope.ADMIN.rights & {Right.ISSUE, Right.APPROVE, Right.ANSWER, Right.WHAT_IF}
