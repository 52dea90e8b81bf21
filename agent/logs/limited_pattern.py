"""A regular expression that somebody typed, which takes no host for ever: who asked may be gone by then."""

import re
import signal
from types import FrameType

from agent.errors import AgentError

LIMIT = 2.0
"""Seconds of processor time that one line may take."""


class LimitedPattern:
    """A regular expression. One process has one at a time, in its main thread.

    Args:
        text: The expression.

    Raises:
        re.error: It is none.

    """

    def __init__(self, text: str) -> None:
        self._pattern = re.compile(text)
        signal.signal(signal.SIGVTALRM, _too_slow)

    def is_in(self, text: str) -> bool:
        """Return whether it matches somewhere in a line.

        Raises:
            AgentError: That takes too long to find out: Python's `re` looks for signals as it works.

        """
        signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
        try:
            return self._pattern.search(text) is not None
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _too_slow(number: int, frame: FrameType | None) -> None:
    """End the work."""
    del number, frame
    raise AgentError(
        f"grep= took over {LIMIT:g} s for one line: have nothing in it repeat what is itself repeated, as in (a+)+"
    )
