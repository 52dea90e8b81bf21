"""What the upkeep of the repositories notes of itself, for its next run, `doit status` and the alarms.

The file is `/var/lib/skep/backup/repository.json`. Times are whole seconds since 1970, by the repository host's clock:

* `begun`: when the last upkeep began. `ended`: when the last one ended that was not killed, whatever failed in it; not
  there before the first. With `begun` later than `ended` one is at work, or was killed.
* `tries`: how many have begun since the last one that ended, with one that is at work.
* `alive`: when one was at work last: when a part began, or restic moved. It stands still where restic waits for a file
  server that went away, which nothing can end.
* `at`: the part that one is at, since `at_since`; empty once it has ended. One that was killed leaves it.
* `done`: part to when it went well last.
* `failed`: part to `why` it fails, `since` when, and when it was `tried` last (0 if that did not end). Of a part
  that an upkeep has not come to yet, as of the one before; of a check of a place that was not reached, as of the last.
* `grows`: place off the site to why nothing can be forgotten there, which is no failure.
* `listed`, `newest`, `since`, `tested`: what there is, as of the last look at it (`stock.py`); noted behind that look,
  and not at the end, which may be days later.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.backup.hive.journal import STATE, Journal
from agent.backup.restic_process import moved_at

STATUS = STATE / "repository.json"
ALIVE_EVERY = 300.0
"""Seconds between two notes that an upkeep is at work."""
_STOCK = ("listed", "newest", "since", "tested")


@dataclass
class UpkeepNotes:
    """The notes of an upkeep that is at work.

    Args:
        path: The file.
        now: The time, in seconds since 1970.
        before: What the last upkeep noted.
        done: Part to when it went well last.
        failed: Part to why it fails.
        stock: What is known of the generations that there are.

    """

    path: Path
    now: Callable[[], float]
    before: Mapping[str, Any] = field(init=False)
    done: dict[str, int] = field(init=False)
    failed: dict[str, str] = field(init=False, default_factory=dict)
    stock: Mapping[str, Any] = field(init=False)
    _left: dict[str, Any] = field(init=False)
    _tried: dict[str, int] = field(init=False, default_factory=dict)
    _at: dict[str, Any] = field(init=False, default_factory=dict)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Note that it begins."""
        before = read_status(self.path)
        self.before = {**before, "begun": int(self.now()), "tries": int(before.get("tries", 0)) + 1}
        self.done = {**self.before.get("done", {})}
        self._left = {**self.before.get("failed", {})}
        self.stock = {key: self.before[key] for key in _STOCK if key in self.before}
        self.begin("")

    def begin(self, part: str) -> None:
        """Note the part that it is at, and what has gone well: killed in one, it does no other again too early.

        A disk that has no room for that keeps it from nothing: what is pruned may make room.
        """
        self._at = {"at": part, "at_since": int(self.now())}
        self._write()

    @contextmanager
    def alive(self, every: float = ALIVE_EVERY, moved_at: Callable[[], float] = moved_at) -> Iterator[None]:
        """Note again and again that it is at work, as long as it gets somewhere.

        Args:
            every: Seconds between two notes.
            moved_at: Tells when it got somewhere last.

        """
        over = threading.Event()

        def note() -> None:
            before = moved_at()
            while not over.wait(every):
                if (last := moved_at()) != before:
                    before = last
                    self._write()

        thread = threading.Thread(target=note, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _write(self) -> None:
        alive = {"alive": int(self.now())}
        with self._lock, suppress(OSError):
            known = {"done": self.done, "failed": {**self._left, **self._failures()}}
            Journal(self.path).write({**self.before, **self.stock, **self._at, **alive, **known})

    def _failures(self) -> dict[str, Any]:
        """Return the failures that are known, as they are noted."""
        now, before = int(self.now()), self.before.get("failed", {})
        return {
            part: {"why": why, "since": before.get(part, {}).get("since", now), "tried": self._tried[part]}
            for part, why in self.failed.items()
        }

    def succeed(self, part: str) -> None:
        """Note that a part went well, with the next note."""
        with self._lock:
            self._left.pop(part, None)
            self.done[part] = int(self.now())

    def fail(self, part: str, why: str, *, is_found: bool = True) -> None:
        """Note why a part failed.

        Args:
            part: The part.
            why: Why.
            is_found: Whether it came to its end, and this is what it found. Where it did not, what was found before
                stays, and it is tried again without a pause.

        """
        if not is_found and self._left.get(part, {}).get("tried"):
            self.carry(part)
        else:
            with self._lock:
                self._left.pop(part, None)
                self.failed[part], self._tried[part] = why, int(self.now()) if is_found else 0
        self._write()

    def carry(self, part: str) -> bool:
        """Have a failure stay noted, if there is one, of a part that is not tried to its end; return whether there is.

        Args:
            part: The part.

        """
        with self._lock:
            last = self._left.pop(part, None)
            if last is not None:
                self.failed[part], self._tried[part] = last["why"], last.get("tried", 0)
        return last is not None

    def is_due(self, part: str, every: float) -> bool:
        """Return whether a part is due: also where it was done in the future, by a clock that was wrong.

        Args:
            part: The part.
            every: Seconds.

        """
        return not 0 <= self.now() - self.done.get(part, 0) <= every

    def still_fails(self, part: str, pause: float) -> bool:
        """Return whether a part failed so lately that it is not tried again yet: then its failure stays noted.

        Args:
            part: The part.
            pause: Seconds.

        """
        tried = self._left.get(part, {}).get("tried", 0)
        return 0 <= self.now() - tried < pause and self.carry(part)

    def end(self, grows: Mapping[str, str]) -> None:
        """Note that it ended, and how.

        Args:
            grows: Place off the site to why nothing can be forgotten there.

        Raises:
            OSError: The file can't be written.

        """
        Journal(self.path).write(
            {
                "begun": self.before["begun"],
                "ended": int(self.now()),
                "at": "",
                "done": self.done,
                "grows": grows,
                **self.stock,
                "failed": self._failures(),
            }
        )


def read_status(path: Path = STATUS) -> Mapping[str, Any]:
    """Return how it stands with the upkeep; nothing before the first one."""
    return Journal(path).read() or {}
