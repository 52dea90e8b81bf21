"""Work that only takes the processor, ended in time: an expression of somebody's may else take for ever."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class OverLimitError(Exception):
    """Work that took more of the processor's time than it may. Callers say what that was."""


@contextmanager
def processor_limit(seconds: float) -> Iterator[None]:
    """Have work end in time; in the main thread, one at a time. Python's `re` looks for signals as it works.

    The processor's time counts, so that a busy host spoils nothing.

    Raises:
        OverLimitError: It took longer.

    """
    signal.signal(signal.SIGVTALRM, _over_limit)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _over_limit(number: int, frame: FrameType | None) -> None:
    """End the work."""
    del number, frame
    raise OverLimitError
