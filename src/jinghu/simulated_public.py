"""The people of a drill: what they hear, what they say to it, and when.

`jinghu.public_process` lets them live in a process of their own.
"""

import hashlib
import json
import threading
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from http.client import HTTPConnection, HTTPException
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from jinghu.grid.errors import ConfigError
from jinghu.warnings.acknowledge import Answer
from jinghu.warnings.webhook import sign

_TIMEOUT_S = 10.0
_ENDED = "warning.ended"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_REAL = -(2**63)  # on the clock where nothing is simulated
_SIGMA = 0.7  # of the logarithm of delays: most are near the median, a few are very long


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How people answer; whoever is in none of the shares stays silent.

    Parameters
    ----------
    acknowledging
        Share who say that they got it, and nothing more.
    reporting
        Share who say that they got it, and later what they did.
    unable
        Share who say that they cannot handle it.
    answer_min, report_min
        Medians, in minutes of simulated time, from the message to the answer and from there to
        the report.
    seed
        The same seed lets everybody do the same.

    Raises
    ------
    ConfigError
        Where the shares are more than everybody, or a median is not positive.
    """

    acknowledging: float = 0.45
    reporting: float = 0.2
    unable: float = 0.05
    answer_min: float = 2.5
    report_min: float = 12.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what nobody can do."""
        shares = (self.acknowledging, self.reporting, self.unable)
        if min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise ConfigError(f"behaviour: shares {shares} are not parts of a whole")
        if not (self.answer_min > 0 and self.report_min > 0):
            raise ConfigError("behaviour: a median delay is not positive")

    def replies(self, message_id: str) -> list[tuple[timedelta, Answer, str]]:
        """What whoever gets this message says, and how long after it.

        Depends on the seed and the message alone: not on what came before it, nor on the clock.
        """
        digest = hashlib.sha256(f"{self.seed}/{message_id}".encode()).digest()
        random = np.random.default_rng(int.from_bytes(digest[:16], "big"))
        fate = random.uniform()
        answer_min, report_min = (self.answer_min, self.report_min) * np.exp(
            random.normal(0.0, _SIGMA, 2)
        )
        first = timedelta(minutes=float(answer_min))
        if fate < self.unable:
            return [(first, Answer.CANNOT_HANDLE, "道路中断，无法到达 road cut, cannot get there")]
        if fate >= self.unable + self.reporting + self.acknowledging:
            return []
        said = [(first, Answer.ACKNOWLEDGED, "")]  # a button, and no more
        if fate < self.unable + self.reporting:
            later = first + timedelta(minutes=float(report_min))
            said.append((later, Answer.HANDLED, "人员已转移 people moved to safety"))
        return said


_USUAL = Behaviour()


class SimulatedClock:
    """The clock of a drill, which several processes read; the real one where nothing is simulated.

    It counts whole microseconds, so that all of them read the same.
    """

    def __init__(self) -> None:
        self._since_epoch = RawValue("q", _REAL)

    @property
    def at(self) -> datetime | None:
        """The time of the drill; None while nothing is simulated."""
        microseconds = self._since_epoch.value
        return None if microseconds == _REAL else _EPOCH + microseconds * _MICROSECOND

    @at.setter
    def at(self, time: datetime | None) -> None:
        self._since_epoch.value = _REAL if time is None else (time - _EPOCH) // _MICROSECOND

    def __call__(self) -> datetime:
        """Read it."""
        return self.at or datetime.now(UTC)


@dataclass(slots=True)
class Public:
    """What arrived, and who will answer when.

    Parameters
    ----------
    secret
        Shared secret of their messages.
    record
        File that takes one JSON line a message.
    behaviour
        How people answer.
    clock
        Simulated time: a message is heard at what it shows.
    """

    secret: str
    record: Path
    behaviour: Behaviour
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    received: int = 0
    forged: int = 0
    answered: int = 0
    _heard: set[str] = field(default_factory=set)
    _replies: list[tuple[datetime, str, str, Answer, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def receive(self, message_id: str, timestamp: str, signature: str, body: bytes) -> bool:
        """Take one message; False where the signature is not ours.

        A message that comes again is one that was heard already: nobody answers it twice.
        """
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
            link, now = message.get("answer_url"), self.clock()
            if link and message_id not in self._heard and message.get("type") != _ENDED:
                self._heard.add(message_id)
                for delay, said, note in self.behaviour.replies(message_id):
                    self._replies.append((now + delay, message_id, link, said, note))
        return True

    def answer(self, until: datetime) -> int:
        """Let everybody answer whose time comes until then, in its order; returns how many did.

        The clock goes along, so that an answer counts from when it was given.
        """
        with self._lock:
            ready = sorted(r for r in self._replies if r[0] <= until)
            self._replies = [r for r in self._replies if r[0] > until]
        done = 0
        with closing(_Phone()) as phone:
            for time, _, link, said, note in ready:
                self.clock.at = time
                done += phone.press(link, said, note)
        self.clock.at = until
        self.answered += done
        return done


class _Phone:
    """What people answer with: one after another over a connection that stays open."""

    def __init__(self) -> None:
        self._line: HTTPConnection | None = None
        self._to = ""

    def press(self, link: str, said: Answer, note: str) -> bool:
        """Press a button of the phone page; False where the link is bad or the service is away."""
        parts = urlsplit(link.replace("/t/", "/api/v1/tasks/"))
        body = json.dumps({"answer": said.value, "note": note}).encode()
        try:
            line = self._connected(parts.netloc)
            line.request("POST", parts.path, body, {"content-type": "application/json"})
            reply = line.getresponse()
            reply.read()
        except (OSError, HTTPException):
            self.close()
            return False
        return reply.status == 200

    def _connected(self, to: str) -> HTTPConnection:
        if self._line is None or self._to != to:
            self.close()
            self._line, self._to = HTTPConnection(to, timeout=_TIMEOUT_S), to
        return self._line

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.close()
            self._line = None
