"""The service on PostgreSQL: what it serves, and what it says of text that is none."""

import pytest
from tests.api.conftest import TIME, Site, key_for, make_settings, publish_cycle, warn_people

from jinghu.warnings.keys import Scope


@pytest.fixture
def served(tmp_path, postgres):
    settings = make_settings(tmp_path, database=postgres.database("migrated"))
    warn_people(settings, publish_cycle(settings, TIME), TIME)
    with Site(settings, TIME).client() as client:
        yield client, settings


def test_warnings_people_and_the_bulletin(served):
    client, settings = served
    (feature,) = client.get("/api/v1/warnings?active=true").json()["features"]
    assert feature["properties"]["deliveries"] == {"PENDING": 1}
    county = feature["properties"]["county"]
    duty = key_for(settings, Scope.DUTY)
    (task,) = client.get("/api/v1/tasks", headers=duty).json()["tasks"]
    assert task["status"] == "TOLD"
    page = client.get("/api/v1/warnings/bulletin.pdf", params={"unit": county}, headers=duty)
    assert page.content.startswith(b"%PDF-")


def test_text_that_it_cannot_hold_is_the_fault_of_who_sent_it(served):
    client, settings = served
    answer = client.get("/api/v1/people/a%00b", headers=key_for(settings, Scope.DUTY))
    assert answer.status_code == 422
    assert "cannot hold" in answer.json()["detail"]
    assert client.get("/health/ready").status_code in (200, 503)
