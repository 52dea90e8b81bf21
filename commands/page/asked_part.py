"""A part of a page that a host is asked for, in a thread: it comes in time, or why it does not is said."""

import time
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from commands.page.pieces import moment_words
from model.errors import SkepError
from remote.mother.questions import begin
from tasks.page.page_data import PageSource, Unread

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

GIVEN_UP = 300.0
"""Seconds after which a question that is still at work counts as lost, and is asked anew."""


@dataclass(frozen=True)
class PartAnswer(Generic[T]):
    """What there is of a part.

    Args:
        value: The newest answer; None if there never was one.
        source: When it came, and why there is no newer one.

    """

    value: T | None
    source: PageSource


class AskedPart(Generic[T]):
    """A part that is asked for again and again, but not more often than is worth while, nor twice at a time.

    Args:
        name: The part, as a page says it.
        ask: Asks for it.
        patience: Seconds that an answer may take.
        every: Seconds for which an answer is good enough.

    """

    def __init__(self, name: str, ask: Callable[[], T], patience: float, every: float = 0.0) -> None:
        self._name, self._ask, self._patience, self._every = name, ask, patience, every
        self._coming: Future[tuple[T, float, float]] | None = None
        self._begun = 0.0
        self._had: T | None = None
        self._at: float | None = None
        self._good_until = 0.0

    def begin(self) -> None:
        """Begin to ask, unless the last answer is good enough, or the last question still at work."""
        now = time.monotonic()
        if self._coming is not None:
            if not self._coming.done() and now < self._begun + GIVEN_UP:
                return
            # It came after its time; whether it is good enough by now is seen below.
            self._take()
        if now >= self._good_until:
            self._coming, self._begun = begin(self._timed), now

    def answer(self, unread: list[Unread]) -> PartAnswer[T]:
        """Return the newest answer; where a new one does not come, add why."""
        why = ""
        if self._coming is not None:
            wait([self._coming], max(0.0, self._begun + self._patience - time.monotonic()))
            waited = time.monotonic() - self._begun
            why = self._take() if self._coming.done() else f"no answer within {waited:.0f} s"
        if why:
            older = "" if self._at is None else f" (what is shown is of {moment_words(self._at)})"
            unread.append(Unread(self._name, f"{why}{older}"))
        return PartAnswer(self._had, PageSource(self._at, why))

    def _timed(self) -> tuple[T, float, float]:
        """Ask, and return the answer with the time at which it came, by the clock and by the monotonic one."""
        return self._ask(), time.time(), time.monotonic()

    def _take(self) -> str:
        """Take what came, and return why it is no answer; empty if it is one, or if it is still at work."""
        coming, self._coming = self._coming, None
        if coming is None or not coming.done():
            return ""
        try:
            self._had, self._at, came = coming.result()
        except SkepError as error:
            return str(error)
        self._good_until = came + self._every
        return ""
