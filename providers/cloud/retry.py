"""Waiting for a cloud: for what passes by itself, and for what it is still making. Every wait ends."""

from collections.abc import Callable
from typing import TypeVar

from model.errors import ProviderError
from model.log import Log
from remote.mother.wait import Pace, attempts, wait_for

T = TypeVar("T")

PACE = Pace(first=0.5, longest=10.0, factor=1.7, spread=0.5)
"""How often a cloud is asked."""


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
    last, told = Exception(), ""
    for _ in attempts(timeout, pace):
        try:
            return call()
        except Exception as error:
            if not is_transient(error):
                raise
            last = error
        if str(last) != told:
            told = str(last)
            log(f"again soon: {told}")
    raise last


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
    return wait_for(ask, what, timeout, kind=ProviderError, reason=now, pace=pace)
