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
        before: Each task to those that come right before it; doit itself refuses circles.
        weights: Each task to how long it takes, roughly.

    """
    after: dict[str, list[str]] = {task: [] for task in before}
    for task, needed in before.items():
        for name in needed:
            after.setdefault(name, []).append(task)
    # From the ends backwards, each task after all that come after it: a chain may have thousands of tasks.
    unknown = {task: len(later) for task, later in after.items()}
    ends = [task for task, count in unknown.items() if not count]
    found = dict.fromkeys(before, 0)
    while ends:
        task = ends.pop()
        found[task] = weights.get(task, 0) + max((found[name] for name in after[task]), default=0)
        for name in before.get(task, ()):
            unknown[name] -= 1
            if not unknown[name]:
                ends.append(name)
    return found
