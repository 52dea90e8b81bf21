"""Why restic failed, in its own words; and what to do about a repository that another process works on."""

import json
import time
from collections.abc import Callable
from typing import TypeVar

from agent.errors import AgentError

LOCK_PATIENCE = 1800.0
"""Seconds that a repository which another process works on is waited for.

It may be the lock of one that was killed: the repository host looks for those every quarter of an hour.
"""
LOCK_PAUSE = 2.0
FAILED = 1
"""The exit status of a restic that says what is wrong.

Others are of its runtime, as 2 without memory, of signals, or of a repository that it could not open.
"""
Result = TypeVar("Result")


class LockedError(AgentError):
    """A repository that another process works on alone, as when it is pruned."""


class NotFinishedError(AgentError):
    """What restic did not do to its end, for a reason outside of the repository: it was killed, or has no memory."""


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


def failure(status: int, errors: str) -> AgentError:
    """Return the error of restic's that ended badly.

    Args:
        status: Its exit status; negative for the number of a signal.
        errors: What it said on standard error.

    """
    if is_locked(errors):
        return LockedError(last_words(errors))
    if status < 0:
        return NotFinishedError(f"restic was ended by signal {-status}, as where memory is short")
    if status != FAILED:
        return NotFinishedError(last_words(errors))
    return AgentError(last_words(errors))


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
