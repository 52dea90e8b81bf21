"""The silences of a run: of alarms that its own work causes nobody is told, and of no others.

Each is on the repository host before its work begins, and holds for as long as that may take: a run that is killed
leaves one that ends by itself. When the work is done, it ends as soon as Prometheus has seen that all is well again.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence

from model.errors import SkepError
from model.log import Log
from remote.monitoring.alertmanager import Matchers, add_silence, shorten_silences
from remote.ssh.connection import Connection

TAIL = 60
"""Seconds until Prometheus knows how it is after the work: an agent looks every 15, it is read every 15, for 5 at most,
and an alarm that is over is known 5 later."""


class RunSilences:
    """The silences of one run. Thread-safe. A silence that can't be made, or ended, keeps nothing from being done.

    Args:
        is_there: Whether the stage has an Alertmanager, as far as this checkout knows.
        connect: Returns the connection to the repository host.
        who: Who runs this.

    """

    def __init__(self, is_there: Callable[[], bool], connect: Callable[[], Connection], who: str) -> None:
        self._is_there, self._connect, self._who = is_there, connect, who
        self._guard = threading.Lock()
        self._held: dict[str, list[str]] = {}

    @contextlib.contextmanager
    def during(self, work: str, matchers: Sequence[Matchers], seconds: float, log: Log) -> Iterator[None]:
        """Hold silences within; see `begin`."""
        self.begin(work, matchers, seconds, log)
        try:
            yield
        finally:
            self.end(work, log)

    def begin(self, work: str, matchers: Sequence[Matchers], seconds: float, log: Log) -> None:
        """Have nobody told of the alarms that a work may cause, until it ends.

        Args:
            work: What is done, in words, for those who look at the silences.
            matchers: The labels of the alarms, those of each silence.
            seconds: The longest time that the work may take.
            log: Takes a line if that can't be.

        """
        if not self._is_there():
            return
        made: list[str] = []
        try:
            connection = self._connect()
            # Those before one that fails are kept, to be ended.
            made.extend(add_silence(connection, each, seconds + TAIL, self._who, work) for each in matchers)
        except SkepError as error:
            log(f"alarms are not silenced meanwhile: {error}")
        with self._guard:
            self._held.setdefault(work, []).extend(made)

    def begin_once(self, work: str, matchers: Sequence[Matchers], seconds: float, log: Log) -> None:
        """Do as `begin` does, unless this was done for that work before."""
        with self._guard:
            if work in self._held or not self._is_there():
                return
            self._held[work] = []
        self.begin(work, matchers, seconds, log)

    def end(self, work: str, log: Log) -> None:
        """Have the silences of a work end once Prometheus has seen how it is now; without any, do nothing."""
        with self._guard:
            ids = self._held.pop(work, [])
        if not ids:
            return
        try:
            shorten_silences(self._connect(), ids, TAIL)
        except SkepError as error:
            log(f"its silence ends by itself: {error}")

    def close(self, log: Log) -> None:
        """End all that are held still."""
        with self._guard:
            works = [*self._held]
        for work in works:
            self.end(work, log)
