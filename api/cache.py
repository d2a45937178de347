"""A bounded cache of things that never change once published."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lru(Generic[K, V]):
    """Keeps the values used last, up to a total weight.

    Parameters
    ----------
    limit
        Largest total weight.
    weigh
        Weight of a value.
    """

    def __init__(self, limit: int, weigh: Callable[[V], int]) -> None:
        self._limit = limit
        self._weigh = weigh
        self._held: OrderedDict[K, V] = OrderedDict()
        self._weight = 0
        self._lock = Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, made where it is not held.

        Two threads that ask at the same time may both make it; one of the two is kept.
        """
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = make()
        with self._lock:
            if key not in self._held:
                self._held[key] = made
                self._weight += self._weigh(made)
            while self._weight > self._limit and len(self._held) > 1:
                _, dropped = self._held.popitem(last=False)
                self._weight -= self._weigh(dropped)
            return made

    @property
    def weight(self) -> int:
        """Total weight of what is held."""
        return self._weight
