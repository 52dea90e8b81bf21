"""Places for tasks at work: those that most others wait for get the next one."""

import heapq
import threading
from collections.abc import Collection, Mapping
from itertools import count


class Places:
    """A number of places. Thread-safe.

    Args:
        number: How many there are.

    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int]] = []
        self._numbers = count()

    def try_acquire(self) -> bool:
        """Take a place if one is free and nobody waits for it; return whether that was so."""
        with self._changed:
            if not self._free or self._waiting:
                return False
            self._free -= 1
            return True

    def acquire(self, rank: int) -> None:
        """Take a place, after waiting for one: the highest rank first, among equals who came first."""
        with self._changed:
            me = (-rank, next(self._numbers))
            heapq.heappush(self._waiting, me)
            self._changed.wait_for(lambda: self._free > 0 and self._waiting[0] == me)
            heapq.heappop(self._waiting)
            self._free -= 1
            self._changed.notify_all()

    def release(self) -> None:
        """Give a place back."""
        with self._changed:
            self._free += 1
            self._changed.notify_all()


def ranks(before: Mapping[str, Collection[str]], weights: Mapping[str, int]) -> dict[str, int]:
    """Return for each task the weight of the heaviest chain of tasks that begins with it. Pure.

    Args:
        before: Each task to those that come right before it; without circles.
        weights: Each task to how long it takes, roughly.

    """
    after: dict[str, list[str]] = {}
    for task, needed in before.items():
        for name in needed:
            after.setdefault(name, []).append(task)
    known: dict[str, int] = {}

    def rank(task: str) -> int:
        if task not in known:
            known[task] = 0  # ends a circle; doit itself refuses one
            known[task] = weights.get(task, 0) + max((rank(name) for name in after.get(task, ())), default=0)
        return known[task]

    return {task: rank(task) for task in before}
