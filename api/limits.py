"""How often a key may ask: a bucket of requests that fills up again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Limiter:
    """Lets each key ask so many times a minute, a minute's worth at once.

    Parameters
    ----------
    per_minute
        Requests of one key.
    clock
        Seconds that only go forward.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._lock = Lock()

    def wait_s(self, key: str) -> float:
        """Count one request; seconds to wait where it is one too many, 0 where it is not."""
        with self._lock:
            now = self._clock()
            bucket = self._buckets.setdefault(key, _Bucket(float(self._per_minute), now))
            rate = self._per_minute / 60.0
            bucket.left = min(float(self._per_minute), bucket.left + (now - bucket.at) * rate)
            bucket.at = now
            if bucket.left < 1.0:
                return (1.0 - bucket.left) / rate
            bucket.left -= 1.0
            return 0.0
