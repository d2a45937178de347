"""Numbers are checked, encrypted, found by their blind index, shown masked, and leak nowhere."""

import base64
import logging
import sqlite3
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError
from tests.warnings.leaks import all_of, leaked, leaked_in, numbers
from tests.warnings.test_reconcile import people_of

from jinghu.grid.errors import ConfigError, DataError, StoreError
from jinghu.grid.frames import Frame
from jinghu.warnings.audience import Roster, read_roster
from jinghu.warnings.database import verify_audit
from jinghu.warnings.people import (
    Look,
    find_phone,
    get_person,
    keys_in_use,
    list_people,
    phone_of,
    seal_anew,
    show_phone,
)
from jinghu.warnings.phone_keys import load_phone_keys, with_new_key, write_phone_keys
from jinghu.warnings.phones import PhoneKeys, keys_text, masked, new_key, parse_keys, parse_phone
from jinghu.warnings.reconcile import Absent, Change, apply_import, plan_import
from jinghu.warnings.tables import audit, recipient

KEYS = PhoneKeys((new_key(),))


def bring_in(world, people, keys=KEYS):
    with world.engine.begin() as connection:
        plan = plan_import(connection, Roster(tuple(people)), world.spec, keys=keys)
        apply_import(connection, plan, "tester", "people.csv", world.time)
    return {c.person: set(c.what) for c in plan.changes}


def with_phones(world, phones):
    people = people_of(world.spec, range(len(phones)))
    return [replace(p, phone=phone) for p, phone in zip(people, phones, strict=True)]


@pytest.mark.parametrize(
    ("written", "phone", "shown"),
    [
        ("13812341234", "+8613812341234", "138****1234"),
        ("+86 138-1234-1234", "+8613812341234", "138****1234"),
        ("008613812341234", "+8613812341234", "138****1234"),
        ("8613812341234", "+8613812341234", "138****1234"),
        ("0575-88881234", "+8657588881234", "0575****1234"),
        ("(010) 6888 1234", "+861068881234", "010****1234"),
        ("+85291234567", "+85291234567", "+852****4567"),
    ],
)
def test_numbers_are_read_as_they_are_written(written, phone, shown):
    assert parse_phone(written) == phone
    assert masked(phone) == shown


@pytest.mark.parametrize(
    "written", ["", "12345", "23812341234", "1381234123", "138123412345", "+8612345", "13l12341234",
                "+0123456789", "+86 110", "110"],
)  # fmt: skip
def test_what_cannot_be_called_is_refused_without_being_repeated(written):
    with pytest.raises(ValueError, match="phone is no") as error:
        parse_phone(written)
    assert not written or written not in str(error.value)


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.text(max_size=20))
def test_what_is_sealed_is_opened_by_its_key_for_its_person_alone(number, person):
    phone = parse_phone(number)
    one, other = KEYS.seal(person, phone), KEYS.seal(person, phone)
    assert KEYS.unseal(person, one.key_id, one.cipher) == phone
    assert one.cipher != other.cipher
    assert one.index == other.index
    assert not leaked(one.cipher + one.index, {number.encode()})
    with pytest.raises(StoreError, match="cannot be decrypted"):
        KEYS.unseal(person + "x", one.key_id, one.cipher)
    with pytest.raises(StoreError, match="cannot be decrypted"):
        KEYS.unseal(person, one.key_id, one.cipher[:-1] + bytes([one.cipher[-1] ^ 1]))
    with pytest.raises(ConfigError, match="is not among the keys"):
        PhoneKeys((new_key(),)).unseal(person, one.key_id, one.cipher)


def test_a_table_with_numbers(tmp_path):
    path = tmp_path / "people.csv"
    head = "编号,姓名,角色,单位代码,单位名称,经度,纬度,手机\n"
    row = "{},王一,网格员,330602001001001,某网格,120.5,30.0,{}\n"
    rows = [("a", "13812341234"), ("b", ""), ("c", "1381234"), ("13812341234", "13812341234")]
    shifted = "d,王一,13812341234,网格员,330602001001001,某网格,120.5,30.0\n"
    path.write_text(head + "".join(row.format(*r) for r in rows) + shifted, encoding="utf-8")
    roster = read_roster(path, Frame.WGS84)
    assert [(p.person, p.phone) for p in roster.people] == [("a", "+8613812341234"), ("b", "")]
    causes = ["phone is no number", "person holds a phone number", "role holds a phone number"]
    assert all(c in str(b) for c, b in zip(causes, roster.bad, strict=True))
    assert roster.bad[1].person == "138****1234"
    assert "13812341234" not in repr(roster)
    path.write_text("person" + head[2:].replace(",手机", "") + "x,n,网格员,1,u,120,30\n", "utf-8")
    assert read_roster(path, Frame.WGS84).people[0].phone is None


def test_an_import_tells_new_numbers_from_known_ones(world):
    first = with_phones(world, ["+8613812341234", "+8613812341235", None, ""])
    assert bring_in(world, first) == {f"p{k}": {Change.NEW} for k in range(4)}
    assert bring_in(world, first) == {}
    phones = [None, "+8613812340000", "+8613812341234", ""]
    again = [replace(p, phone=phone) for p, phone in zip(first, phones, strict=True)]
    assert bring_in(world, again) == {"p1": {Change.PHONE}, "p2": {Change.PHONE}}
    gone = [replace(first[0], phone=""), *again[2:]]
    with world.engine.connect() as connection:
        assert [phone_of(connection, KEYS, f"p{k}") for k in range(5)] == [
            "+8613812341234",
            "+8613812340000",
            "+8613812341234",
            None,
            None,
        ]
        found = find_phone(connection, KEYS, "138 1234 1234")
        assert [(p.person, p.phone) for p in found] == [
            ("p0", "138****1234"),
            ("p2", "138****1234"),
        ]
        assert find_phone(connection, KEYS, "13899999999") == []
        with pytest.raises(DataError, match="phone is no"):
            find_phone(connection, KEYS, "1389999")
    with world.engine.begin() as connection:
        plan = plan_import(connection, Roster(tuple(gone)), world.spec, Absent.REMOVE, KEYS)
        apply_import(connection, plan, "tester", "people.csv", world.time)
        assert plan.removes == ("p1",)
        assert get_person(connection, KEYS, "p0").phone is None
        forgotten = [phone_of(connection, KEYS, f"p{k}") is None for k in range(4)]
        assert forgotten == [True, True, False, True]


def test_without_a_key_no_number_is_taken_and_none_is_shown(world):
    people = with_phones(world, ["+8613812341234"])
    with pytest.raises(ConfigError, match=r"need a key: set warnings\.phone_keys_file"):
        bring_in(world, people, None)
    assert world.rows(select(recipient)) == []
    bring_in(world, people)
    with world.engine.connect() as connection:
        (shown,) = list_people(connection, None)
        assert shown.phone == "****"
        assert list_people(connection, KEYS)[0].phone == "138****1234"


def test_a_look_needs_a_reason_and_is_in_the_audit(world):
    bring_in(world, with_phones(world, ["+8613812341234", None]))
    look = Look("cli duty", "no answer to 13812341234, calling", world.time)
    with world.engine.begin() as connection:
        assert show_phone(connection, KEYS, "p0", look) == "+8613812341234"
    last = world.rows(select(audit).order_by(audit.c.seq.desc()))[0]
    assert (last.actor, last.action, last.subject) == ("cli duty", "phone shown", "p0")
    assert "calling" in last.detail
    assert "13812341234" not in last.detail
    for person, reason, error in (
        ("p0", "  x ", ConfigError),
        ("p1", "calling", DataError),
        ("nobody", "calling", DataError),
    ):
        with pytest.raises(error), world.engine.begin() as connection:
            show_phone(connection, KEYS, person, replace(look, reason=reason))
    with pytest.raises(DataError), world.engine.begin() as connection:
        show_phone(connection, KEYS, "p0", look, unit="330699")
    assert len(world.rows(select(audit).where(audit.c.action == "phone shown"))) == 1


def test_rotation_encrypts_everything_with_the_new_key(world):
    phones = [f"+861381234{k:04d}" for k in range(30)]
    bring_in(world, with_phones(world, phones))
    with world.engine.begin() as connection:  # as if it had been stopped in between
        connection.execute(text("UPDATE recipient SET name = 'x'"))
    rotated = with_new_key(KEYS)
    assert seal_anew(world.engine, rotated, "tester", world.time) == 30
    assert seal_anew(world.engine, rotated, "tester", world.time) == 0
    only_new = PhoneKeys(rotated.keys[:1])
    with world.engine.connect() as connection:
        assert keys_in_use(connection) == {rotated.current.key_id}
        assert [phone_of(connection, only_new, f"p{k}") for k in range(30)] == phones
        assert len(find_phone(connection, only_new, phones[7])) == 1
        assert find_phone(connection, KEYS, phones[7]) == []
    assert (
        bring_in(world, [replace(p, name="x") for p in with_phones(world, phones)], rotated) == {}
    )
    assert verify_audit(world.engine) is None


def test_keys_lie_in_a_file_of_their_owner_or_in_a_variable(tmp_path):
    path = tmp_path / "keys" / "phone.keys"
    assert load_phone_keys(None, " ") is None
    with pytest.raises(ConfigError, match="the file is missing: restore it"):
        load_phone_keys(path, "")
    write_phone_keys(path, KEYS)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_phone_keys(path, "") == KEYS
    assert load_phone_keys(None, keys_text(KEYS).replace("\n", ",")) == KEYS
    assert [p.name for p in path.parent.iterdir()] == ["phone.keys"]
    assert KEYS.current.secret.hex() not in repr(KEYS)
    assert repr(KEYS.current.secret) not in repr(KEYS)


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        ("", "no key"),
        ("k1", "not an id and a key"),
        ("k1 ???", "not base64"),
        ("k1 c2hvcnQ=", "5 bytes, wanted 32"),
        ("k/1 " + base64.b64encode(bytes(32)).decode(), "not an id and a key"),
        (("k1 " + base64.b64encode(bytes(32)).decode() + "\n") * 2, "stands twice"),
    ],
)
def test_keys_that_are_none_are_refused_without_being_shown(written, cause):
    with pytest.raises(ConfigError, match=cause) as error:
        parse_keys(written, "keys")
    assert "AAAA" not in str(error.value)


def test_the_search_for_leaks_finds_what_leaks():
    known = {b"13812341234", b"13912341234"}
    assert leaked(b"x13812341234y", known)
    assert leaked("13812341234".encode("utf-16-le"), known)
    assert leaked(b"138 1234-1234", known)
    assert leaked(b"+8613812341234", known)
    assert leaked(b"abc" + (13912341234).to_bytes(6, "big") + b"def", known)
    assert leaked(b"abc" + (13912341234).to_bytes(8, "big") + b"def", known)
    assert not leaked(b"138123412x34567 1381234123", known)


@pytest.mark.parametrize("n", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_known_numbers_are_nowhere(world, tmp_path, caplog, n):
    """In the database, its journal in mid-transaction, backups and logs."""
    caplog.set_level(logging.DEBUG)
    known, in_files = numbers(n), world.engine.dialect.name == "sqlite"
    spec = world.spec
    base = people_of(spec, range(100))
    people = [
        replace(base[k % 100], person=f"q{k}", phone=parse_phone(n)) for k, n in enumerate(known)
    ]
    bring_in(world, people)
    world.cycle({k: 4 for k in range(20)})
    look = Look("duty", "calls", world.time)
    with world.engine.begin() as connection:
        assert show_phone(connection, KEYS, "q5", look) == parse_phone(known[5])
        assert connection.execute(text("SELECT COUNT(*) FROM outbox")).scalar() == n // 5
    rotated = with_new_key(KEYS)
    with world.engine.begin() as connection:
        plan = plan_import(connection, Roster(tuple(people)), spec, keys=rotated)
        apply_import(connection, plan, "t", "t", world.time)
        seen = {number.encode() for number in known}
        if in_files:
            files = {p.name for p in tmp_path.iterdir()}
            assert {"warnings.db", "warnings.db-journal"} <= files
        assert leaked_in(tmp_path, seen) == {}
        connection.rollback()
    seal_anew(world.engine, rotated, "tester", world.time)
    dump = all_of(world.engine).encode()
    if in_files:
        backup = sqlite3.connect(tmp_path / "backup.db")
        source = sqlite3.connect(tmp_path / "warnings.db")
        source.backup(backup)
        dump += "\n".join(source.iterdump()).encode()
        source.close()
        backup.close()
    with pytest.raises(IntegrityError) as error, world.engine.begin() as connection:
        connection.execute(insert(recipient), [{"person": known[0]}])
    assert leaked_in(tmp_path, seen) == {}
    assert leaked(dump, seen) == set()
    assert leaked((caplog.text + str(error.value)).encode(), seen) == set()
