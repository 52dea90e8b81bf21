"""Lines of logs that match one of some regular expressions and none of others. No expression takes for ever."""

import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from agent.errors import AgentError

LIMIT = 0.2
"""Seconds of processor time that the expressions may take for one line."""
LONGEST = 1 << 16
"""Bytes of a line that are looked at; what is behind is left out."""


class TooSlowError(AgentError):
    """A line on which the expressions took too long."""


class ErrorPatterns:
    """A service's expressions.

    Args:
        counting: A line counts that one of these matches, ...
        ignoring: ... if none of these does.

    Raises:
        AgentError: One is no regular expression for this host's Python.

    """

    def __init__(self, counting: Sequence[str], ignoring: Sequence[str] = ()) -> None:
        try:
            self._counting = [re.compile(each) for each in counting]
            self._ignoring = [re.compile(each) for each in ignoring]
        except re.error as error:
            raise AgentError(f"a regular expression can't be read: {error}") from error
        except (OverflowError, RecursionError) as error:
            raise AgentError(
                "a regular expression can't be read: it repeats too much, or has too many levels"
            ) from error
        signal.signal(signal.SIGVTALRM, _too_slow)

    def counts(self, line: bytes) -> bool:
        """Return whether a line counts; bytes of it that are no UTF-8 are read as the replacement character.

        Raises:
            TooSlowError: That took too long to find out.

        """
        text = line[:LONGEST].decode(errors="replace")
        with _limited():
            return any(each.search(text) for each in self._counting) and not any(
                each.search(text) for each in self._ignoring
            )


@contextmanager
def _limited() -> Iterator[None]:
    """Have work that only takes the processor end in time: Python's `re` looks for signals as it works.

    The processor's time counts, so that a busy host spoils nothing.
    """
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _too_slow(number: int, frame: FrameType | None) -> None:
    """End the work."""
    del number, frame
    raise TooSlowError(f"the expressions took over {LIMIT} s for a line")
