"""People, numbers, keys and the audit from the command line."""

import json
import re
import sqlite3

import pytest
import yaml
from openpyxl import Workbook
from tests.test_alerting import configure

from jinghu.configs.settings import load
from jinghu.contacts import StoredNumbers, contacts_of
from jinghu.grid.errors import ConfigError
from jinghu.grid.frames import to_gcj02
from jinghu.warnings.contacts import ContactKind

ROWS = [
    ("w-1", "王一", "网格员", "330602001001001", "某网格", 120.58, 30.0, 13812341234),
    ("w-2", "李二", "村（社区）负责人", "330602001001", "某村", 120.6, 30.0, "0575-88881234"),
    ("w-3", "张三", "宇航员", "330602001", "某镇", 120.6, 30.0, ""),
]


@pytest.fixture
def office(tmp_path):
    book = Workbook()
    book.active.append(("编号", "姓名", "角色", "单位代码", "单位名称", "经度", "纬度", "手机"))
    for row in ROWS:
        lon, lat = to_gcj02(row[5], row[6])
        book.active.append((*row[:5], float(lon), float(lat), row[7]))
    book.save(tmp_path / "people.xlsx")
    keys = tmp_path / "keys" / "phone.keys"
    return configure(tmp_path, audience={}, phone_keys_file=str(keys)), tmp_path


def test_from_a_spreadsheet_to_a_look_at_a_number(office, jinghu):
    path, folder = office
    table = ("audience", "import", folder / "people.xlsx", "--frame", "gcj02", "-c", path)
    code, _, err = jinghu(*table)
    assert (code, "the file is missing" in err) == (2, True)
    assert jinghu("audience", "rotate-key", "-c", path)[0] == 0
    code, out, _ = jinghu(*table, "--dry-run")
    assert (code, "dry run" in out, "新增 new: 2" in out) == (0, True, True)
    assert json.loads(jinghu("audience", "list", "-c", path, "--json")[1]) == []
    code, out, _ = jinghu(*table)
    assert "2 imported, 1 refused" in out
    assert "refused row 4: role '宇航员'" in out
    assert json.loads(jinghu(*table, "--json")[1])["counts"]["unchanged"] == 2
    listed = jinghu("audience", "list", "--unit", "330602001001", "-c", path)[1]
    assert "138****1234" in listed
    assert "0575****1234" in listed
    shown = jinghu("audience", "phone", "w-1", "--reason", "无人应答", "-c", path)
    assert shown[1] == "+8613812341234\n"
    assert jinghu("audience", "phone", "w-1", "--reason", "x", "-c", path)[0] == 2
    assert jinghu("audience", "phone", "w-9", "--reason", "calling", "-c", path)[0] == 3
    code, out, _ = jinghu("audience", "rotate-key", "--drop-old", "-c", path)
    assert (code, "2 numbers" in out, "kept" in out) == (0, True, False)
    assert "138****1234" in jinghu("audience", "list", "-c", path)[1]
    key_file = folder / "keys" / "phone.keys"
    for mode, good in ((0o600, True), (0o644, False)):
        key_file.chmod(mode)
        found = json.loads(jinghu("doctor", "-c", path, "--json")[1])
        assert [f["good"] for f in found if f["what"] == "phone keys"] == [good]
    key_file.unlink()
    code, _, err = jinghu("audience", "rotate-key", "-c", path)
    assert (code, "the file is missing: restore it" in err) == (2, True)


def test_messages_go_to_the_encrypted_numbers_then_to_those_of_a_file(office, jinghu):
    path, folder = office
    jinghu("audience", "rotate-key", "-c", path)
    jinghu("audience", "import", folder / "people.xlsx", "--frame", "gcj02", "-c", path)
    (folder / "contacts.csv").write_text(
        "person,phone,email\nw-1,10000,w1@a.cn\nw-9,13900000000,\n"
    )
    settings = load(path)
    warnings = settings.warnings.model_copy(update={"contacts": folder / "contacts.csv"})
    contacts = contacts_of(settings.model_copy(update={"warnings": warnings}))
    assert isinstance(contacts, StoredNumbers)
    assert contacts.find("w-1", ContactKind.PHONE) == "+8613812341234"
    assert contacts.find("w-1", ContactKind.EMAIL) == "w1@a.cn"
    assert contacts.find("w-9", ContactKind.PHONE) == "13900000000"
    assert contacts.find("w-8", ContactKind.PHONE) is None
    assert "8613812341234" not in repr(contacts)
    contacts.engine.dispose()


def test_the_audit_is_verified_and_what_was_done_to_it_named(office, jinghu):
    path, folder = office
    jinghu("audience", "rotate-key", "-c", path)
    jinghu("audience", "import", folder / "people.xlsx", "--frame", "gcj02", "-c", path)
    assert "entry 2" in jinghu("audit", "anchor", "-c", path)[1]
    assert "nothing new" in jinghu("audit", "anchor", "-c", path)[1]
    code, out, _ = jinghu("audit", "verify", "-c", path)
    assert (code, "2 entries, 1 anchors" in out) == (0, True)
    database = sqlite3.connect(load(path).warnings.database.removeprefix("sqlite:///"))
    database.execute("DELETE FROM audit WHERE seq = 2")
    database.commit()
    code, out, _ = jinghu("audit", "verify", "-c", path)
    assert (code, "entry 2 entries up to 2 were cut off" in out) == (1, True)
    database.execute("UPDATE audit SET actor = 'somebody else'")
    database.commit()
    database.close()
    code, out, _ = jinghu("audit", "verify", "--json", "-c", path)
    assert json.loads(out)["broken"] == {"seq": 1, "cause": "was changed"}
    found = json.loads(jinghu("doctor", "-c", path, "--json")[1])
    (line,) = [f for f in found if f["what"] == "database"]
    assert (line["good"], "entry 1 was changed" in line["text"]) == (False, True)


def test_keys_are_made_listed_and_ended(office, jinghu):
    path, _ = office
    code, token, err = jinghu(
        "keys",
        "create",
        "越城值班",
        "--scope",
        "duty",
        "--unit",
        "330602",
        "--days",
        "30",
        "-c",
        path,
    )
    assert (code, bool(re.fullmatch(r"jh_live_[\w-]{43}\n", token))) == (0, True)
    assert "值班 duty, unit 330602" in err
    assert jinghu("keys", "create", "x", "--scope", "king", "-c", path)[0] == 2
    drill = jinghu("keys", "create", "演练", "--scope", "viewer", "--drill", "-c", path)[1]
    assert drill.startswith("jh_drill_")
    (first, _) = json.loads(jinghu("keys", "list", "--json", "-c", path)[1])
    assert token.startswith(first["prefix"])
    listed = jinghu("keys", "list", "-c", path)[1]
    assert "越城值班" in listed
    assert token.strip() not in listed
    assert jinghu("keys", "revoke", first["prefix"], "-c", path)[0] == 0
    assert "revoked 2" in jinghu("keys", "list", "-c", path)[1]
    assert jinghu("keys", "revoke", "jh_live_", "-c", path)[0] == 3


def test_keys_of_numbers_from_the_environment(office, jinghu, monkeypatch):
    """The same ring in a variable; the settings show it nowhere."""
    path, folder = office
    jinghu("audience", "rotate-key", "-c", path)
    ring = (folder / "keys" / "phone.keys").read_text().replace("\n", ",")
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    value["warnings"]["phone_keys"] = "${TEST_PHONE_KEYS:-}"
    path.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    monkeypatch.setenv("TEST_PHONE_KEYS", ring)
    with pytest.raises(ConfigError, match="set one of them"):
        load(path)
    del value["warnings"]["phone_keys_file"]
    path.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    assert ring.split()[-1] not in repr(load(path))
    table = ("audience", "import", folder / "people.xlsx", "--frame", "gcj02", "-c", path)
    assert jinghu(*table)[0] == 0
    assert "138****1234" in jinghu("audience", "list", "-c", path)[1]
    monkeypatch.delenv("TEST_PHONE_KEYS")
    assert "****" in jinghu("audience", "list", "-c", path)[1]
    code, _, err = jinghu("audience", "phone", "w-1", "--reason", "calling", "-c", path)
    assert (code, "phone numbers need a key" in err) == (2, True)
