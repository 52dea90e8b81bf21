"""Waiting that always ends: when a condition holds, or when time is over, with the last reason."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from model.errors import HostError, SkepError
from model.log import Log
from model.reasons import reason_of

T = TypeVar("T")
REMIND = 30.0
"""Seconds after which a log is told once more what is waited for."""


@dataclass(frozen=True)
class Pace:
    """How often something is asked while it is waited for.

    Args:
        first: Seconds before the second question.
        longest: Seconds between two questions at most.
        factor: By how much the pause grows.
        spread: The part of each pause that is left to chance, so that many who wait don't ask all at once.

    """

    first: float = 0.05
    longest: float = 2.0
    factor: float = 1.5
    spread: float = 0.0


PACE = Pace()


def pause(seconds: float) -> None:
    """Let time pass between two attempts, beside what `attempts` lets pass."""
    time.sleep(max(0.0, seconds))


def attempts(timeout: float, pace: Pace = PACE) -> Iterator[None]:
    """Yield once for each attempt until time is over, with pauses between; for loops that have a message of their own.

    There is one attempt at least, and one when time is over.

    Args:
        timeout: Seconds.
        pace: The pauses.

    """
    deadline, pause = time.monotonic() + timeout, pace.first
    while True:
        yield
        rest = deadline - time.monotonic()
        if rest <= 0:
            return
        # Chance here guards no secret.
        time.sleep(min(pause * random.uniform(1 - pace.spread, 1), rest))  # noqa: S311
        pause = min(pause * pace.factor, pace.longest)


def wait_for(
    condition: Callable[[], T | None],
    what: str,
    timeout: float,
    *,
    retry: type[Exception] | tuple[type[Exception], ...] = (),
    kind: type[SkepError] = HostError,
    reason: Callable[[], str] = str,
    pace: Pace = PACE,
) -> T:
    """Ask until a condition holds, ever less often, and return its answer.

    Args:
        condition: Asked again and again; None and False mean "not yet".
        what: What is waited for, for the message.
        timeout: Seconds.
        retry: Errors that mean "not yet"; the text of the last one goes into the message.
        kind: The error to raise.
        reason: Asked when time is over, where no error tells why: how it stands, what to do.
        pace: How often it is asked.

    Raises:
        SkepError: Time is over. The message has what was waited for, for how long, and the last reason.

    """
    last = ""
    for _ in attempts(timeout, pace):
        try:
            answer = condition()
        except retry as error:
            last = reason_of(error)
        else:
            if answer is not None and answer is not False:
                return answer
    why = last or reason()
    raise kind(f"waited {timeout:.0f} s for {what}{f': {why}' if why else ''}")


def telling(
    condition: Callable[[], T | None], what: str, log: Log, reason: Callable[[], str] = str
) -> Callable[[], T | None]:
    """Return a condition that tells a log what is waited for, and why it does not hold yet.

    It tells it at first, when the reason changes, and every half minute.

    Args:
        condition: For `wait_for`.
        what: What is waited for.
        log: Takes the lines.
        reason: Why it does not hold, where no error tells.

    """
    told: list[tuple[str, float]] = []

    def tell(why: str) -> None:
        line, now = f"waiting for {what}{f': {why}' if why else ''}", time.monotonic()
        if not told or told[-1][0] != line or now - told[-1][1] >= REMIND:
            log(line)
            told[:] = [(line, now)]

    def ask() -> T | None:
        try:
            answer = condition()
        except SkepError as error:
            tell(str(error))
            raise
        if answer is None or answer is False:
            tell(reason())
        return answer

    return ask


def wait_until_none(lacking: Callable[[], list[str]], what: str, timeout: float, log: Log) -> None:
    """Wait until nothing is lacking any more, and tell a log meanwhile.

    Args:
        lacking: Returns a line for each thing that is lacking. An error of it is one more.
        what: What is waited for.
        timeout: Seconds.
        log: Takes the lines.

    Raises:
        HostError: Something still is; the message says what.

    """
    lines: list[str] = []

    def none() -> bool:
        try:
            lines[:] = lacking()
        except SkepError as error:
            lines[:] = [str(error)]
        return not lines

    def reason() -> str:
        return "; ".join(lines)

    wait_for(telling(none, what, log, reason), what, timeout, reason=reason)
