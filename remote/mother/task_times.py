"""When a task of a run was at work, and what it waited for meanwhile."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

SHORTEST_WAIT = 0.05
"""Seconds; a shorter wait is not noted."""
A_PLACE = "a place among the tasks at work"


@dataclass
class TaskTimes:
    """The times of one task, by the clock of `time.monotonic`.

    Args:
        task: The task's name; empty for what is done outside of tasks.
        began: Its start, when it got a place among the tasks at work.
        ended: Its end; None while it is at work.
        waits: What it waited for to the seconds that it did: first of all a place, before its start.

    """

    task: str = ""
    began: float = 0.0
    ended: float | None = None
    waits: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def waiting(self, cause: str) -> Iterator[None]:
        """Note what is done within as a wait."""
        before = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - before
            if took >= SHORTEST_WAIT:
                self.waits[cause] = self.waits.get(cause, 0.0) + took
