"""How the tasks of one run, each in a thread of its own, keep out of each other's way."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from remote.mother.task_times import A_PLACE, TaskTimes
from remote.mother.turns import Places
from remote.mother.wait import REMIND

AT_A_TIME = 12
"""Tasks that are at work at a time, without those that only wait for a service to run."""


class NamedLock:
    """A lock that knows for which task it is held. Who waits for it notes that in its own times.

    Args:
        mine: Returns the times of the caller's task.

    """

    def __init__(self, mine: Callable[[], TaskTimes]) -> None:
        self._mine, self._lock = mine, threading.Lock()
        self._holder = ""

    def acquire(self, *, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it, and return whether that was possible."""
        mine = self._mine()
        if not self._lock.acquire(blocking=False):
            if not blocking:
                return False
            with mine.waiting(self._holder or "another part of the run"):
                if not self._lock.acquire(timeout=timeout):
                    return False
        self._holder = mine.task
        return True

    def release(self) -> None:
        """Let it go."""
        self._holder = ""
        self._lock.release()

    def __enter__(self) -> bool:
        """Take it."""
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        """Let it go."""
        self.release()


class Coordination:
    """Locks by name, places for tasks at work, and things that are done once a run. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, NamedLock] = {}
        self._places = Places(AT_A_TIME)
        self._turns: dict[str, Places] = {}
        self.ranks: Mapping[str, int] = {}
        """Task to how much waits for it: who has more gets the next place."""
        self._mine = threading.local()
        self._done: set[str] = set()
        self._holders: dict[str, str] = {}
        self._problems: dict[str, tuple[str, Sequence[str]]] = {}

    def lock(self, name: str) -> NamedLock:
        """Return the lock of that name: two tasks of one run must not do the same thing at the same time."""
        with self._guard:
            return self._locks.setdefault(name, NamedLock(self._times))

    def _times(self) -> TaskTimes:
        """Return the times of this thread's task; of no task, times that nobody reads."""
        times: TaskTimes | None = getattr(self._mine, "times", None)
        return TaskTimes() if times is None else times

    @contextlib.contextmanager
    def at_work(self, times: TaskTimes | None = None) -> Iterator[None]:
        """Hold a place among the tasks that are at work, after waiting for one.

        Args:
            times: Where the task's start and end are noted, and what it waits for.

        """
        times = times or TaskTimes()
        with times.waiting(A_PLACE):
            self._places.acquire(self.ranks.get(times.task, 0))
        times.began = time.monotonic()
        self._mine.times = times
        try:
            yield
        finally:
            self._mine.times = None
            times.ended = time.monotonic()
            self._places.release()

    @contextlib.contextmanager
    def idle(self, cause: str = "") -> Iterator[None]:
        """Give the place to others within, where this task only waits for something.

        Args:
            cause: What that is; empty where the caller notes it.

        """
        times: TaskTimes | None = getattr(self._mine, "times", None)
        if times is None:
            yield
            return
        self._places.release()
        try:
            with times.waiting(cause) if cause else contextlib.nullcontext():
                yield
        finally:
            with times.waiting(f"{A_PLACE}, again"):
                self._places.acquire(self.ranks.get(times.task, 0))

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

    @contextlib.contextmanager
    def one_by_one(self, name: str) -> Iterator[None]:
        """Hold the turn of a name, which goes to the task next that most others wait for.

        Who waits for it gives its place to others meanwhile. Within, wait for nothing that another task has to do.
        """
        with self._guard:
            turn = self._turns.setdefault(name, Places(1))
        if not turn.try_acquire():
            with self.idle(name):
                turn.acquire(self.ranks.get(self._times().task, 0))
        try:
            yield
        finally:
            turn.release()

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
