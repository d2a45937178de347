"""The bulletin over HTTP and from the command line: whose names are on it, and for whom."""

import re

import pytest
import yaml
from sqlalchemy import select
from tests.api.conftest import key_for
from tests.warnings.test_bulletin import words_of

from jinghu.warnings.database import open_database
from jinghu.warnings.keys import Scope
from jinghu.warnings.tables import recipient, task

PATH = "/api/v1/warnings/bulletin.pdf"


@pytest.fixture
def told(site):
    """Name and unit of somebody who was asked to act."""
    engine = open_database(site.settings.warnings.database)
    with engine.connect() as connection:
        row = connection.execute(select(recipient).join(task).limit(1)).one()
    engine.dispose()
    return row.name, row.unit_code[:6]


def test_names_are_those_that_the_key_may_see(client, site, told):
    name, county = told
    masked = name[0] + "＊" * min(len(name) - 1, 2)
    other = "330604" if county != "330604" else "330602"
    for headers, shown, hidden in (
        ({}, "—", name[0] + "＊"),
        (key_for(site.settings, Scope.VIEWER), masked, name),
        (key_for(site.settings, Scope.DUTY, other), masked, name),
        (key_for(site.settings, Scope.DUTY, county), name, masked),
        (key_for(site.settings, Scope.FORECASTER), name, masked),
    ):
        answer = client.get(PATH, params={"unit": county}, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["cache-control"] == "no-store"
        said = words_of(answer.content).splitlines()
        assert shown in said
        assert hidden not in said
        assert "测试：以下不是真实预警  TEST: this is no real warning" in said


@pytest.mark.parametrize("unit", ["330999", "3306", "abc", "330602999", ""])
def test_other_units_are_refused(client, unit):
    answer = client.get(PATH, params={"unit": unit})
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_that_is_shown_has_to_be_good(client, told):
    bad = {"Authorization": "Bearer jh_live_" + "x" * 43}
    assert client.get(PATH, params={"unit": told[1]}, headers=bad).status_code == 401


def test_a_file_of_all_counties(warned, tmp_path, jinghu):
    config = tmp_path / "office.yaml"
    config.write_text(yaml.safe_dump(warned.model_dump(mode="json")), "utf-8")
    out = tmp_path / "print" / "all.pdf"
    code, said, err = jinghu("bulletin", "-c", config, "--out", out)
    assert (code, said) == (0, f"{out}: 6 pages\n"), err
    assert len(re.findall(rb"/Type /Page\b", out.read_bytes())) == 6
    code, said, _ = jinghu("bulletin", "-c", config, "--out", out, "--unit", "330602")
    assert (code, said) == (0, f"{out}: 1 page\n")
    code, _, err = jinghu("bulletin", "-c", config, "--out", out, "--unit", "330999")
    assert (code, err) == (
        3,
        "jinghu: unit 330999: it is no county, town or village of this city\n",
    )
    assert jinghu("bulletin", "-c", config, "--out", out, "--names", "all")[0] == 2
