"""Lines of logs that match one of some regular expressions and none of others. No expression takes for ever."""

import re
from collections.abc import Sequence

from agent.errors import AgentError
from agent.host.processor_limit import OverLimitError, processor_limit

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

    def counts(self, line: bytes) -> bool:
        """Return whether a line counts; bytes of it that are no UTF-8 are read as the replacement character.

        Raises:
            TooSlowError: That took too long to find out.

        """
        text = line[:LONGEST].decode(errors="replace")
        try:
            with processor_limit(LIMIT):
                return any(each.search(text) for each in self._counting) and not any(
                    each.search(text) for each in self._ignoring
                )
        except OverLimitError:
            raise TooSlowError(f"the expressions took over {LIMIT} s for a line") from None
