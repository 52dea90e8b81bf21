"""Wait for a cloud: repeat calls after transient errors, and poll long operations. Every wait ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from model.errors import ProviderError
from model.log import Log
from remote.mother.wait import Pace, attempts, wait_for

T = TypeVar("T")

PACE = Pace(first=0.5, longest=10.0, factor=1.7, spread=0.5)
"""How often a cloud is asked; tests ask more often."""


@dataclass(frozen=True)
class RetryPolicy:
    """Which of a cloud's errors are waited out, and for how long.

    Args:
        is_transient: Whether the call may succeed a moment later.
        timeout: Seconds.

    """

    is_transient: Callable[[Exception], bool]
    timeout: float


def _silent(_line: str) -> None:
    """Log nothing: that a cloud is busy with questions is nobody's concern."""


def retry(call: Callable[[], T], policy: RetryPolicy, log: Log = _silent) -> T:
    """Return the result of a call; repeat the call while it fails with a transient error.

    Throttling is transient, and so is "not found" just after something was created, and "in use" just before it is not.

    Args:
        call: Asks the cloud; must be harmless to repeat.
        policy: Which errors to wait out. They are raised as they are when its time is over, and all others at once.
        log: Hears of each kind of error once.

    """
    last, told = Exception(), ""
    for _ in attempts(policy.timeout, PACE):
        try:
            return call()
        except Exception as error:
            if not policy.is_transient(error):
                raise
            last = error
        if str(last) != told:
            told = str(last)
            log(f"again soon: {told}")
    raise last


def poll(ask: Callable[[], T | None], what: str, timeout: float, state: Callable[[], str]) -> T:
    """Ask until there is an answer, and return it.

    Args:
        ask: Returns None as long as there is no answer.
        what: The event that is waited for, for the message.
        timeout: Seconds.
        state: Returns how it stands when time is over: the state that the cloud reports, its request's id, what to do.

    Raises:
        ProviderError: Time is over.

    """
    return wait_for(ask, what, timeout, kind=ProviderError, reason=state, pace=PACE)
