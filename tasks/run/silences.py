"""The silences of a run: of alarms that its own work causes nobody is told, and of no others.

Each is on the repository host before its work begins, and holds for as long as that may take: a run that is killed
leaves one that ends by itself. When the work is done, it ends as soon as Prometheus has seen that all is well again;
but for alarms of what happened in the last minutes, which was the work's own doing.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from model.alarms.touched import Touched, WantedSilence, silences_afterwards, wanted_silences
from model.errors import SkepError
from model.log import Log
from remote.monitoring.alertmanager import (
    NotAllSilencedError,
    add_silences,
    end_silences_in,
    given_alarms,
    silences,
)
from remote.ssh.connection import Connection

TAIL = 60
"""Seconds until Prometheus knows how it is after the work: an agent looks every 15, it is read every 15, for 5 at most,
and an alarm that is over is known 5 later."""
AFTERWARDS = 300 + TAIL
"""Seconds for which nobody is told of errors and failures of before the work's end: alarms look back for 300."""
LEASE, RENEWAL = 900.0, 300.0
"""Seconds for which the silence of a work holds of which nobody knows how long it takes, and after which it is
prolonged as long as that goes on."""

PROLONGING = "prolonging silences"
"""The name of the threads that do that."""


class RunSilences:
    """The silences of one run. Thread-safe. A silence that can't be made, or ended, keeps nothing from being done.

    Args:
        is_there: Whether the stage has an Alertmanager, as far as this checkout knows.
        connect: Returns the connection to the repository host.
        who: Who runs this.
        renewal: The seconds after which the silences of `begin_lasting` are prolonged.

    """

    def __init__(
        self,
        is_there: Callable[[], bool],
        connect: Callable[[], Connection],
        who: str,
        renewal: float = RENEWAL,
    ) -> None:
        self._is_there, self._connect, self._who, self._renewal = is_there, connect, who, renewal
        self._guard = threading.Lock()
        self._held: dict[str, list[str]] = {}
        self._wanted: dict[str, list[WantedSilence]] = {}
        """Work to the silences that were made of it."""
        self._lasting: dict[str, threading.Event] = {}
        self._at_ends = threading.Lock()
        """Held while ends are set: one that is prolonged as its work ends must not be longer for it."""

    @property
    def is_there(self) -> bool:
        """Whether there is an Alertmanager, so that silences are made."""
        return self._is_there()

    @contextlib.contextmanager
    def during(self, work: str, touched: Touched, seconds: float, log: Log) -> Iterator[None]:
        """Hold silences within; see `begin`."""
        try:
            self.begin(work, touched, seconds, log)
            yield
        finally:
            self.end([work], log)

    @contextlib.contextmanager
    def lasting(self, work: str, touched: Touched, log: Log) -> Iterator[None]:
        """Hold silences within; see `begin_lasting`."""
        try:
            self.begin_lasting(work, touched, log)
            yield
        finally:
            self.end([work], log)

    def begin(self, work: str, touched: Touched, seconds: float, log: Log) -> None:
        """Have nobody told of the alarms that a work may cause, until it ends.

        Args:
            work: What is done, in words, for those who look at the silences.
            touched: What the work touches.
            seconds: The longest time that the work may take.
            log: Takes a line if that can't be.

        """
        self._begin({work: touched}, seconds, log)

    def begin_once(self, works: Mapping[str, Touched], seconds: float, log: Log) -> None:
        """Do as `begin` does for each work for which it was not done before, and did not end."""
        with self._guard:
            fresh = {work: touched for work, touched in works.items() if work not in self._held}
            if not fresh or not self._is_there():
                return
            self._held |= {work: [] for work in fresh}
        self._begin(fresh, seconds, log)

    def begin_lasting(self, work: str, touched: Touched, log: Log) -> None:
        """Do as `begin` does, once, for a work of which nobody knows how long it takes.

        Its silences are prolonged as long as it goes on, or made again if that was too late. They end a quarter of an
        hour after this process was killed.
        """
        with self._guard:
            if work in self._lasting or not self._is_there():
                return
            ended = self._lasting[work] = threading.Event()
        self._begin({work: touched}, LEASE, log)
        threading.Thread(
            target=self._prolong, args=(work, touched, ended), daemon=True, name=PROLONGING
        ).start()

    def _prolong(self, work: str, touched: Touched, ended: threading.Event) -> None:
        """Prolong the silences of a work until it ends."""
        while not ended.wait(self._renewal):
            # One that can't be prolonged now is by the next time.
            with self._at_ends, contextlib.suppress(SkepError):
                with self._guard:
                    ids = [*self._held.get(work, ())]
                if ids and (gone := end_silences_in(self._connect(), ids, int(LEASE) + TAIL)):
                    made = self._make({work: touched}, LEASE).get(work, ())
                    with self._guard:
                        if work in self._held:
                            self._held[work] = [*({*ids} - gone), *made]
                            continue
                    # Its end waits for this, and knows nothing of them.
                    end_silences_in(self._connect(), made, TAIL)

    def _begin(self, works: Mapping[str, Touched], seconds: float, log: Log) -> None:
        """Make the silences of works, all at once."""
        if not self._is_there():
            return
        made: Mapping[str, Sequence[str]] = {}
        try:
            made = self._make(works, seconds)
        except NotAllSilencedError as error:
            made = error.made
            log(f"alarms are not silenced meanwhile: {error}")
        except SkepError as error:
            log(f"alarms are not silenced meanwhile: {error}")
        with self._guard:
            for work in works:
                self._held.setdefault(work, []).extend(made.get(work, ()))

    def _make(self, works: Mapping[str, Touched], seconds: float) -> Mapping[str, Sequence[str]]:
        """Make the silences of works, and return each work with their ids; one that is interrupted leaves none.

        Raises:
            SkepError: Not all of them could be made.

        """
        connection = self._connect()
        told = [alarm for alarm in given_alarms(connection) if alarm.is_told]
        wanted = [each for work, what in works.items() for each in wanted_silences(work, what, told)]
        with self._guard:
            self._wanted |= {work: [each for each in wanted if each.work == work] for work in works}
        try:
            return add_silences(connection, wanted, seconds + TAIL, self._who)
        except KeyboardInterrupt:
            # Some may be there, and hold for hours, though nothing is done.
            with contextlib.suppress(SkepError):
                there = [
                    each.id for each in silences(connection) if each.who == self._who and each.reason in works
                ]
                end_silences_in(connection, there, TAIL)
            raise

    def end(self, works: Iterable[str], log: Log) -> None:
        """Have the silences of works end once Prometheus has seen how it is now; without any, do nothing."""
        with self._guard:
            works = [*works]
            ids = [each for work in works for each in self._forget(work)]
            made = [each for work in works for each in self._wanted.pop(work, ())]
        if not ids:
            return
        try:
            with self._at_ends:
                end_silences_in(self._connect(), ids, TAIL)
            if afterwards := [*silences_afterwards(made)]:
                add_silences(self._connect(), afterwards, AFTERWARDS, self._who)
        except SkepError as error:
            log(f"its silence ends by itself: {error}")

    def _forget(self, work: str) -> Sequence[str]:
        """Forget a work, and return the ids of its silences."""
        if (ended := self._lasting.pop(work, None)) is not None:
            ended.set()
        return self._held.pop(work, ())

    def close(self, log: Log) -> None:
        """End all that are held still."""
        with self._guard:
            works = [*self._held]
        self.end(works, log)
