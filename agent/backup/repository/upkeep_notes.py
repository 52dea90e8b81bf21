"""What the upkeep of the repositories notes of itself, for its next run, `doit status` and the alarms.

The file is `/var/lib/skep/backup/repository.json`. Times are whole seconds since 1970, by the repository host's clock:

* `begun`: when the last upkeep began. `ended`: when the last one ended that was not killed, whatever failed in it; not
  there before the first. With `begun` later than `ended` one is at work, or was killed.
* `tries`: how many have begun since the last one that ended, with one that is at work.
* `alive`: when one was at work last. restic is ended where it gets nowhere, so that what lives makes progress.
* `at`: the part that one is at, since `at_since`; empty once it has ended. One that was killed leaves it.
* `done`: part to when it went well last.
* `failed`: part to `why` it fails, `since` when, and when it was `tried` last; as of the last upkeep that ended.
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
    _tried: dict[str, int] = field(init=False, default_factory=dict)
    _at: dict[str, Any] = field(init=False, default_factory=dict)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Note that it begins."""
        before = read_status(self.path)
        self.before = {**before, "begun": int(self.now()), "tries": int(before.get("tries", 0)) + 1}
        self.done = {**self.before.get("done", {})}
        self.stock = {key: self.before[key] for key in _STOCK if key in self.before}
        self.begin("")

    def begin(self, part: str) -> None:
        """Note the part that it is at, and what has gone well: killed in one, it does no other again too early.

        A disk that has no room for that keeps it from nothing: what is pruned may make room.
        """
        self._at = {"at": part, "at_since": int(self.now())}
        self._write()

    @contextmanager
    def alive(self, every: float = ALIVE_EVERY) -> Iterator[None]:
        """Note again and again that it is at work.

        Args:
            every: Seconds between two notes.

        """
        over = threading.Event()

        def note() -> None:
            while not over.wait(every):
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
            done = {"done": {**self.done}}
            Journal(self.path).write({**self.before, **self.stock, **self._at, **alive, **done})

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
        last = self.before.get("failed", {}).get(part, {})
        tried = last.get("tried", 0)
        if not 0 <= self.now() - tried < pause:
            return False
        self.failed[part], self._tried[part] = last["why"], tried
        return True

    def end(self, grows: Mapping[str, str]) -> None:
        """Note that it ended, and how.

        Args:
            grows: Place off the site to why nothing can be forgotten there.

        Raises:
            OSError: The file can't be written.

        """
        now, failed = int(self.now()), self.before.get("failed", {})
        Journal(self.path).write(
            {
                "begun": self.before["begun"],
                "ended": now,
                "at": "",
                "done": self.done,
                "grows": grows,
                **self.stock,
                "failed": {
                    part: {
                        "why": why,
                        "since": failed.get(part, {}).get("since", now),
                        "tried": self._tried.get(part, now),
                    }
                    for part, why in self.failed.items()
                },
            }
        )


def read_status(path: Path = STATUS) -> Mapping[str, Any]:
    """Return how it stands with the upkeep; nothing before the first one."""
    return Journal(path).read() or {}
