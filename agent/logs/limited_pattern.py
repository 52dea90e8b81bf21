"""A regular expression that somebody typed, which takes no host for ever: who asked may be gone by then."""

import re

from agent.errors import AgentError
from agent.host.processor_limit import OverLimitError, processor_limit

LIMIT = 2.0
"""Seconds of processor time that one line may take."""


class LimitedPattern:
    """A regular expression, for a process's main thread.

    Args:
        text: The expression.

    Raises:
        re.error: It is none.

    """

    def __init__(self, text: str) -> None:
        self._pattern = re.compile(text)

    def is_in(self, text: str) -> bool:
        """Return whether it matches somewhere in a line.

        Raises:
            AgentError: That takes too long to find out.

        """
        try:
            with processor_limit(LIMIT):
                return self._pattern.search(text) is not None
        except OverLimitError:
            raise AgentError(
                f"grep= took over {LIMIT:g} s for one line: have nothing in it repeat what is itself repeated, "
                "as in (a+)+"
            ) from None
