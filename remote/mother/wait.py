"""Waiting that always ends: when the condition holds, or after a time with the last reason."""

import time
from collections.abc import Callable

from model.errors import HostError, SkepError

_FIRST, _LONGEST = 0.05, 2.0


def wait_for(
    condition: Callable[[], bool],
    what: str,
    timeout: float,
    retry: type[Exception] | tuple[type[Exception], ...] = (),
    kind: type[SkepError] = HostError,
    longest: float = _LONGEST,
) -> None:
    """Ask until a condition holds, ever less often.

    Args:
        condition: Asked again and again.
        what: What is waited for, for the message.
        timeout: Seconds.
        retry: Errors that mean "not yet"; the last one's text goes into the message.
        kind: The error to raise.
        longest: The longest pause between two questions, in seconds.

    Raises:
        SkepError: The time is over.

    """
    deadline = time.monotonic() + timeout
    pause, last = _FIRST, ""
    while True:
        try:
            if condition():
                return
        except retry as error:
            last = f": {error}"
        if time.monotonic() >= deadline:
            raise kind(f"waited {timeout:.0f} s for {what}{last}")
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
