"""The key that a drill hands out: it opens what-ifs, and nothing in earnest."""

from datetime import UTC, datetime, timedelta

from tests.api.conftest import TIME, Site, make_settings, publish_cycle

from jinghu.keyring import drill_key, keys_of
from jinghu.warnings.keys import Scope
from jinghu.warnings.purposes import Purpose


def test_the_key_of_a_drill_is_a_forecasters_for_a_day(tmp_path):
    settings = make_settings(tmp_path)
    now = datetime(2026, 6, 20, 9, tzinfo=UTC)
    token = drill_key(settings, now)
    (key,) = keys_of(settings)
    assert (key.scope, key.purpose) == (Scope.FORECASTER, Purpose.DRILL)
    assert key.expires_at is not None
    assert key.expires_at.startswith("2026-06-21T09")
    assert "drill" in token


def test_it_is_asked_for_a_what_if_and_let_through(tmp_path):
    settings = make_settings(tmp_path)
    publish_cycle(settings, TIME)
    with Site(settings, TIME + timedelta(minutes=1)).client() as client:
        assert client.get("/api/v1/dispatch/scenarios").status_code == 401
        headers = {"Authorization": f"Bearer {drill_key(settings, TIME)}"}
        answer = client.get("/api/v1/dispatch/scenarios", headers=headers)
        assert (answer.status_code, answer.json()["scenarios"]) == (200, [])
