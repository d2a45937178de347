"""The demo: the people who answer, and (slow) the whole chain."""

import io
import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from rich.console import Console

from jinghu.demo import run_demo
from jinghu.grid.errors import ConfigError
from jinghu.grid.store import Store
from jinghu.public_process import simulated_public
from jinghu.simulated_public import Behaviour
from jinghu.warnings.webhook import sign

SECRET = "whsec_c2VjcmV0IG9mIHR3ZW50eSBmb3VyIGI="


def post(url, body, signature=None, message_id="m-1"):
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": "1781935200",
        "webhook-signature": signature or sign(SECRET, message_id, 1781935200, body),
    }
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as reply:
        return reply.status


class Service(HTTPServer):
    """Stands for the API: takes answers."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Taker)
        self.taken = []


class Taker(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append((self.path, json.loads(body)["answer"]))
        self.send_response(200 if "closed" not in self.path else 404)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def service():
    with Service() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_public_takes_genuine_messages_and_answers(service, tmp_path):
    address = f"http://127.0.0.1:{service.server_address[1]}"
    everybody = Behaviour(acknowledging=0.6, reporting=0.3, unable=0.1, report_min=1e6)
    with simulated_public(SECRET, tmp_path / "record.jsonl", everybody) as public:
        public.clock.at = heard = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
        for k in range(20):
            name = "closed" if k == 7 else f"token{k}"
            body = json.dumps({"answer_url": f"{address}/t/{name}", "text": "转移"}).encode()
            assert post(public.url, body, message_id=f"m-{k}") == 204
        assert post(public.url, b'{"answer_url": null}') == 204
        with pytest.raises(urllib.error.HTTPError, match="401"):
            post(public.url, b"{}", signature="v1,bm90IG91cnM=")
        assert post(public.url, body, message_id="m-19") == 204  # once more: heard already
        heard_so_far = public.heard()
        assert (heard_so_far.received, heard_so_far.forged) == (22, 1)
        assert public.answer(heard) == 0  # nobody answers before the first delay
        assert public.answer(heard + timedelta(hours=2)) == 19
        assert public.answer(heard + timedelta(hours=3)) == 0
        assert public.clock() == heard + timedelta(hours=3)
    assert {path for path, _ in service.taken} >= {f"/api/v1/tasks/token{k}" for k in range(5)}
    assert {said for _, said in service.taken} <= {"ACKNOWLEDGED", "HANDLED", "CANNOT_HANDLE"}
    lines = (tmp_path / "record.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0])["text"] == "转移"


@pytest.mark.parametrize("hours", [0.0, -1.0, 25.0, float("nan")])
def test_impossible_lengths_are_refused(hours, tmp_path):
    with pytest.raises(ConfigError, match="can be simulated"):
        run_demo(tmp_path / "store", hours, Console(quiet=True), None)
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_the_whole_chain_warns_and_is_answered(tmp_path):
    said = io.StringIO()
    run_demo(tmp_path / "store", 0.2, Console(file=said, width=200), None)
    lines = said.getvalue().splitlines()
    assert len([line for line in lines if "to the truth" in line]) == 2
    deliveries = (tmp_path / "store" / "deliveries.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(deliveries) > 50
    assert all(json.loads(line)["status"] == "Exercise" for line in deliveries)
    latest = Store(tmp_path / "store").latest()
    assert latest is not None
    answered = int(lines[-1].split(" received, ")[1].split()[0])
    assert answered > 10
