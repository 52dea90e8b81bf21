"""Locks of a repository on this host whose processes are gone, as this host's clock has it.

restic dates a lock by the clock of the host that works, and takes one for stale that is over half an hour old. Of a
hive whose clock is behind that is each one: its backup would lose its data to a `prune` that began meanwhile. A process
at work writes its lock anew every five minutes, so that the time at which the file came here says the same.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.errors import AgentError

STALE = 1800.0
"""Seconds after which nobody works any more who has not written a lock anew, as restic has it."""
_ID = 64
"""Characters of a lock's name; others are of files that are still written."""


def remove_stale(locks: Path, read: Callable[[str], Mapping[str, Any]], now: float) -> int:
    """Remove the locks of processes that are gone; return how many there were.

    Args:
        locks: The repository's directory of locks.
        read: Returns a lock's content by its name.
        now: The time, in seconds since 1970.

    """
    count = 0
    for lock in locks.glob("?" * _ID):
        # One that is gone was let go, or written anew.
        with suppress(FileNotFoundError):
            if abs(now - lock.stat().st_mtime) > STALE or _ended_here(lock, read):
                lock.unlink()
                count += 1
    return count


def _ended_here(lock: Path, read: Callable[[str], Mapping[str, Any]]) -> bool:
    """Return whether a lock is of a process of this host that is gone; not of one that can't be read."""
    try:
        owner = read(lock.name)
        process = int(owner["pid"])
    except (AgentError, KeyError, TypeError, ValueError):
        return False
    if owner.get("hostname") != os.uname().nodename:
        return False
    try:
        return Path(f"/proc/{process}/comm").read_text().strip() != "restic"
    except (FileNotFoundError, ProcessLookupError):
        return True
