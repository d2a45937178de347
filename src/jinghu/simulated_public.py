"""The people of a demo: a receiver of signed webhooks on loopback, who answer their links."""

import json
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from jinghu.warnings.acknowledge import Answer
from jinghu.warnings.webhook import sign

_TIMEOUT_S = 10.0
_WORKERS = 4
_SAYS = ((Answer.ACKNOWLEDGED, 0.7), (Answer.HANDLED, 0.25), (Answer.CANNOT_HANDLE, 0.05))


@dataclass(slots=True)
class Public:
    """What arrived, and who has not answered yet.

    Parameters
    ----------
    url, secret
        Where it listens, and the shared secret of its messages.
    record
        File that takes one JSON line a message.
    """

    url: str
    secret: str
    record: Path
    received: int = 0
    forged: int = 0
    answered: int = 0
    _links: deque[str] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def receive(self, message_id: str, timestamp: str, signature: str, body: bytes) -> bool:
        """Take one message; False where the signature is not ours."""
        genuine = timestamp.isdigit() and compare_digest(
            sign(self.secret, message_id, int(timestamp), body), signature
        )
        with self._lock:
            if not genuine:
                self.forged += 1
                return False
            self.received += 1
            message = json.loads(body)
            with self.record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(message, ensure_ascii=False) + "\n")
            if link := message.get("answer_url"):
                self._links.append(link)
        return True

    def answer(self, share: float, random: np.random.Generator) -> int:
        """Let a share of those who were told since the last call answer; returns how many did."""
        with self._lock:
            links = list(self._links)
            self._links.clear()
        chosen = [link for link in links if random.uniform() < share]
        said = random.choice(len(_SAYS), len(chosen), p=[p for _, p in _SAYS])
        with ThreadPoolExecutor(_WORKERS) as pool:
            done = sum(pool.map(_post, chosen, [_SAYS[k][0] for k in said]))
        self.answered += done
        return done


def _post(link: str, said: Answer) -> bool:
    """Press a button of the phone page; False where the task is closed or the service is away."""
    request = urllib.request.Request(
        link.replace("/t/", "/api/v1/tasks/"),
        json.dumps({"answer": said.value, "note": "演练 exercise"}).encode(),
        {"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, TimeoutError):
        return False


class _Receiver(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, public: Public) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.public = public


class _Handler(BaseHTTPRequestHandler):
    server: _Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take a message."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        message_id, timestamp, signature = (
            self.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
        )
        known = self.server.public.receive(message_id, timestamp, signature, body)
        self.send_response(204 if known else 401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: what arrives is in the record."""


@contextmanager
def simulated_public(secret: str, record: Path) -> Iterator[Public]:
    """Listen on a free port of loopback for as long as the block lasts."""
    public = Public("", secret, record)
    with _Receiver(public) as receiver:
        public.url = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
        thread = threading.Thread(target=receiver.serve_forever, daemon=True)
        thread.start()
        try:
            yield public
        finally:
            receiver.shutdown()
            thread.join()
