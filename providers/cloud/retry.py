"""Waiting for a cloud: for what passes by itself, and for what it is still making. Every wait ends."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from model.errors import ProviderError
from model.log import Log

T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """How often a cloud is asked.

    Args:
        first: Seconds before the second question.
        longest: Seconds between two questions at most.
        factor: By how much the pause grows.

    """

    first: float = 0.5
    longest: float = 10.0
    factor: float = 1.7

    def pauses(self) -> "Pauses":
        """Return the pauses of one wait."""
        return Pauses(self)


class Pauses:
    """The pauses of one wait, each a little longer and none the same for two waiters: threads don't march in step."""

    def __init__(self, pace: Pace) -> None:
        self._pace, self._next = pace, pace.first

    def sleep(self, until: float) -> None:
        """Sleep, but not longer than to a time of the monotonic clock."""
        pause = min(self._next * random.uniform(0.5, 1.0), max(0.0, until - time.monotonic()))  # noqa: S311 - no secret
        self._next = min(self._next * self._pace.factor, self._pace.longest)
        time.sleep(pause)


PACE = Pace()


def retry(
    call: Callable[[], T],
    is_transient: Callable[[Exception], bool],
    timeout: float,
    log: Log,
    pace: Pace = PACE,
) -> T:
    """Return what a call returns; while it fails with what passes by itself, call again.

    Throttling passes, and so does "not found" just after something was created, and "in use" just before it is not.

    Args:
        call: Asks the cloud; must be harmless to repeat.
        is_transient: Whether an error is one to wait out. It and all others are raised as they are when time is over.
        timeout: Seconds.
        log: Hears of each kind of error once.
        pace: How often it is called.

    """
    deadline, pauses = time.monotonic() + timeout, pace.pauses()
    told = ""
    while True:
        try:
            return call()
        except Exception as error:
            if not is_transient(error) or time.monotonic() >= deadline:
                raise
            if str(error) != told:
                told = str(error)
                log(f"again soon: {told}")
        pauses.sleep(deadline)


def poll(
    ask: Callable[[], T | None], what: str, timeout: float, now: Callable[[], str], pace: Pace = PACE
) -> T:
    """Ask until there is an answer.

    Args:
        ask: Returns None as long as there is none.
        what: What is waited for, for the message.
        timeout: Seconds.
        now: Says how it stands when time is over: the state that the cloud reports, its request's id, what to do.
        pace: How often it is asked.

    Raises:
        ProviderError: Time is over.

    """
    deadline, pauses = time.monotonic() + timeout, pace.pauses()
    while True:
        if (answer := ask()) is not None:
            return answer
        if time.monotonic() >= deadline:
            raise ProviderError(f"waited {timeout:.0f} s for {what}: {now()}")
        pauses.sleep(deadline)
