"""Waiting that always ends: when a condition holds, or when time is over, with the last reason."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from model.errors import HostError, SkepError
from model.reasons import reason_of

T = TypeVar("T")


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
