"""How the tasks of one run, each in a thread of its own, keep out of each other's way."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence

from remote.mother.wait import REMIND

AT_A_TIME = 12
"""Tasks that are at work at a time, without those that only wait for a service to run."""


class Coordination:
    """Locks by name, places for tasks at work, and things that are done once a run. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._slots = threading.BoundedSemaphore(AT_A_TIME)
        self._mine = threading.local()
        self._done: set[str] = set()
        self._holders: dict[str, str] = {}
        self._problems: dict[str, tuple[str, Sequence[str]]] = {}

    def lock(self, name: str) -> threading.Lock:
        """Return the lock of that name: two tasks of one run must not do the same thing at the same time."""
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Hold a place among the tasks that are at work, after waiting for one."""
        with self._slots:
            self._mine.held = True
            try:
                yield
            finally:
                self._mine.held = False

    @contextlib.contextmanager
    def idle(self) -> Iterator[None]:
        """Give the place to others within, where this task only waits for something."""
        if not getattr(self._mine, "held", False):
            yield
            return
        self._slots.release()
        try:
            yield
        finally:
            self._slots.acquire()

    @contextlib.contextmanager
    def alone(self, name: str, holder: str, waiting: Callable[[str], None]) -> Iterator[None]:
        """Hold a lock that is held for long. Who waits for it gives its place to others meanwhile.

        Within, wait for nothing that another task of this run has to do: that one may be waiting for this lock.

        Args:
            name: The lock's name.
            holder: The caller, for those who wait for it.
            waiting: Takes the present holder, at first and every half minute, while this one waits.

        """
        lock = self.lock(name)
        if not lock.acquire(blocking=False):
            waiting(self._holders.get(name, ""))
            with self.idle():
                while not lock.acquire(timeout=REMIND):
                    waiting(self._holders.get(name, ""))
        self._holders[name] = holder
        try:
            yield
        finally:
            lock.release()

    def once(self, name: str, do: Callable[[], object]) -> None:
        """Do something the first time in this run; others who ask for it meanwhile wait until it is done."""
        with self.lock(f"once {name}"):
            if name not in self._done:
                do()
                self._done.add(name)

    def found_once(
        self, name: str, task: str, check: Callable[[], Sequence[str]]
    ) -> tuple[str, Sequence[str]]:
        """Check for problems the first time in this run; return the task that did, and the problems.

        The first task reports the problems; the others, which they stop as well, name that task.
        """

        def keep() -> None:
            self._problems[name] = task, check()

        self.once(name, keep)
        return self._problems[name]
