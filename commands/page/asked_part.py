"""A part of a page that a host is asked for, in a thread: it comes in time, or why it does not is said."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from model.errors import SkepError
from remote.mother.questions import begin
from tasks.page.page_data import Unread

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


class AskedPart(Generic[T]):
    """A part that is asked for again and again, but not more often than is worth while.

    Args:
        name: The part, as a page says it.
        ask: Asks for it.
        patience: Seconds that an answer may take.
        every: Seconds for which an answer is good enough.

    """

    def __init__(self, name: str, ask: Callable[[], T], patience: float, every: float = 0.0) -> None:
        self._name, self._ask, self._patience, self._every = name, ask, patience, every
        self._coming: Future[T] | None = None
        self._had: T | None = None
        self._good_until = 0.0

    def begin(self) -> None:
        """Begin to ask, unless the last answer is good enough."""
        if time.monotonic() >= self._good_until:
            self._coming = begin(self._ask)

    def answer(self, unread: list[Unread]) -> T | None:
        """Return the newest answer, None if there never was one; where a new one does not come, add why."""
        coming, self._coming = self._coming, None
        if coming is None:
            return self._had
        try:
            self._had = coming.result(self._patience)
            self._good_until = time.monotonic() + self._every
        except TimeoutError:
            unread.append(Unread(self._name, f"no answer within {self._patience:.0f} s{self._older}"))
        except SkepError as error:
            unread.append(Unread(self._name, f"{error}{self._older}"))
        return self._had

    @property
    def _older(self) -> str:
        """What there is to say of what is shown in the place of a new answer."""
        return "" if self._had is None else " (what is shown is older)"
