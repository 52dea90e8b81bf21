"""Locks that other runs on the mother heed: `flock` on a file, which the kernel gives back when the holder dies."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from model.errors import SkepError, StateError
from model.log import Log
from remote.mother.files import file_errors
from remote.mother.wait import Pace, wait_for

_TRIES = 10
_PACE = Pace(first=0.02, longest=0.5)


def try_lock(path: Path) -> IO[str] | None:
    """Take a lock for as long as the returned file is open; None if another thread or process has it.

    File and directory are made. What is in the file stays: the holder may have written who it is.

    Raises:
        StateError: The file can't be made.

    """
    for _ in range(_TRIES):
        with file_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                handle = path.open("a+", encoding="utf-8")
            except FileNotFoundError:
                # Its directory was removed just now, as by `destroy`.
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(handle, path):
                    return handle
            except BlockingIOError:
                handle.close()
                return None
            except OSError:
                handle.close()
                raise
            # Removed between opening and locking: a lock on a file that is not there keeps nobody away.
            handle.close()
    raise StateError(f"{path}: is removed again and again by others; try once more")


def is_locked(path: Path) -> bool | None:
    """Return whether a process has a lock on a file; None where that can't be seen.

    The lock is tried together with others who look, and for no longer than that: `try_lock` may fail at this moment.
    """
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return True if error.errno in {errno.EWOULDBLOCK, errno.EAGAIN} else None
    return False


@contextmanager
def lock(
    path: Path, busy: str, timeout: float, *, kind: type[SkepError] = StateError, log: Log | None = None
) -> Iterator[IO[str]]:
    """Hold a lock that other threads and processes heed, and give its open file.

    Args:
        path: The lock's file.
        busy: Who has it if it is taken, for the log and the message: `another run is building the host image`.
        timeout: Seconds until it is given up.
        kind: The error to raise then.
        log: Hears once that it is waited for.

    Raises:
        SkepError: Another has it until the end of the time.
        StateError: The file can't be made.

    """
    handle = try_lock(path)
    if handle is None:
        if log is not None:
            log(f"{busy}: waiting for it")
        reason = f"{busy}: end it, then run doit again"
        handle = wait_for(
            lambda: try_lock(path), str(path), timeout, kind=kind, reason=lambda: reason, pace=_PACE
        )
    try:
        yield handle
    finally:
        with contextlib.suppress(OSError):
            handle.close()


def _is_at(handle: IO[str], path: Path) -> bool:
    """Return whether an open file is the one that has this path now."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(handle.fileno())
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
