"""Why restic failed, in its own words; and what to do about a repository that another process works on."""

import json
import time
from collections.abc import Callable
from typing import TypeVar

from agent.errors import AgentError

LOCK_PATIENCE = 1800.0
"""Seconds that a repository which another process works on is waited for."""
LOCK_PAUSE = 2.0
Result = TypeVar("Result")


class LockedError(AgentError):
    """A repository that another process works on alone, as when it is pruned."""


def patiently(do: Callable[[], Result]) -> Result:
    """Do something with a repository; where another process works on it alone, again when that has ended.

    Raises:
        LockedError: It does not end in half an hour.

    """
    ends = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            return do()
        except LockedError:
            if time.monotonic() > ends:
                raise
        time.sleep(LOCK_PAUSE)


def is_locked(errors: str) -> bool:
    """Return whether a repository could not be had because of another process."""
    return "already locked" in errors


def last_words(errors: str) -> str:
    """Return restic's last words, without its own prefix."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    # Newer ones say it as JSON. Behind the reason may stand a question, and the repository's name.
    told = [line for text in lines for line in _told(text).splitlines()]
    fatal = [line for line in told if line.startswith("Fatal: ")]
    text = (fatal or told or ["it failed, and does not say why"])[-1]
    return f"restic: {text.removeprefix('Fatal: ')}"


def _told(line: str) -> str:
    """Return a line's text, which may be the message of a JSON object."""
    try:
        found = json.loads(line)
    except ValueError:
        return line
    return str(found.get("message", line)) if isinstance(found, dict) else line
