"""Files that survive a kill: written whole or not at all; and the lock that lets one job work at a time."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from agent.errors import BusyError

_PAUSE = 1.0
"""Seconds between two looks at a lock that another process has."""


def read_json(path: Path, default: Any = None) -> Any:
    """Return a file's content; the default if there is none, or if it is not whole."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return default


def write_json(path: Path, content: Any, mode: int = 0o600) -> None:
    """Write a file whole: what was there stays until the new content is on the disk.

    Raises:
        OSError: It can't be written, as on a full disk. Nothing is left of the attempt.

    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_unfinished(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise
    sync(path.parent)


def _remove_unfinished(path: Path) -> None:
    """Remove what processes that were killed had begun to write in a file's place."""
    begin = f".{path.name}."
    for left in path.parent.iterdir():
        process = left.name.removeprefix(begin)
        if left.name.startswith(begin) and process.isdecimal() and not Path("/proc", process).exists():
            with suppress(FileNotFoundError):
                left.unlink()


def remove(path: Path) -> None:
    """Remove a file for good, if it is there."""
    with suppress(FileNotFoundError):
        path.unlink()
        sync(path.parent)


def sync(directory: Path) -> None:
    """Have what was renamed in a directory on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone(path: Path, doing: str, patience: float = 0.0) -> Iterator[None]:
    """Hold a host's lock while something is done; the kernel lets it go when the process ends, however it does.

    Args:
        path: The lock.
        doing: What is done, in a word.
        patience: Seconds for which another process that has it is waited for.

    Raises:
        BusyError: Another process has it; the message says what that does.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + patience
    with path.open("a+") as lock:
        while not _is_locked(lock):
            if time.monotonic() >= ends:
                lock.seek(0)
                other = lock.read().strip() or "another job"
                raise BusyError(f"{other} is at work on this host; try again when it has ended")
            time.sleep(_PAUSE)
        lock.truncate(0)
        lock.write(f"backup {doing} (process {os.getpid()})\n")
        lock.flush()
        yield


def _is_locked(lock: IO[str]) -> bool:
    """Take a file's lock, and return whether it was free."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
