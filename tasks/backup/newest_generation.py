"""Which of a service's generations is the newest. Pure."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from tasks.backup.repository_note import is_ahead

G = TypeVar("G", bound=Mapping[str, Any])


def newest_of(generations: Sequence[G], now: float | None = None) -> G | None:
    """Return the newest of some generations; what is dated into the future only if there is nothing else.

    Args:
        generations: As the repository host's agent tells them, the oldest first.
        now: The time by this machine's clock, in seconds since 1970.

    """
    past = [each for each in generations if not is_of_future(each, now)]
    return next(reversed(past or generations), None)


def is_of_future(generation: Mapping[str, Any], now: float | None = None) -> bool:
    """Return whether the clock of the repository host was wrong when a generation came: the time is still to come.

    Both clocks must say so, that of the repository host and this machine's: if one of them is behind now, then what is
    as it should be seems to be of the future, and `latest` would lose what is new.

    Args:
        generation: As the repository host's agent tells it.
        now: The time by this machine's clock, in seconds since 1970.

    """
    at = datetime.fromisoformat(generation["time"]).timestamp()
    return bool(generation.get("is_ahead")) and is_ahead(at, time.time() if now is None else now)
