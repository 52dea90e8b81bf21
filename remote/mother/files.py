"""Files on the mother: written whole or not at all, and errors with the way out."""

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.errors import StateError
from model.reasons import reason_of

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def write_whole(path: Path, data: bytes, mode: int = 0o644, *, lasting: bool = True) -> None:
    """Write a file so that it is either the old or the new one, even after a power cut; equal data writes nothing.

    Args:
        path: The file.
        data: What it holds then.
        mode: Its permissions.
        lasting: Whether it is on the disk when this returns. If not, it may be old, empty or not there after a power
            cut, though never after the process was killed.

    Raises:
        StateError: It can't be written. Nothing is left of the attempt, and an older file is as it was.

    """
    with file_errors(path):
        try:
            if path.read_bytes() == data:
                return
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                if lasting:
                    os.fsync(file.fileno())
            temporary.replace(path)
            if lasting:
                _sync_directory(path.parent)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def _sync_directory(directory: Path) -> None:
    """Have the names in a directory on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def file_errors(path: Path, except_: tuple[type[OSError], ...] = ()) -> Iterator[None]:
    """Re-raise OSError as StateError with path and remedy; errors of the types `except_` pass."""
    try:
        yield
    except OSError as error:
        if isinstance(error, except_):
            raise
        raise StateError(f"{path}: {error.strerror or reason_of(error)}; {_way_out(path, error)}") from error


def _way_out(path: Path, error: OSError) -> str:
    """Return the remedy for an error of the file system."""
    if error.errno in _FORBIDDEN:
        return "doit must be able to write the site's state/: correct its owner, its permissions or its file system"
    in_place = next((parent for parent in path.parents if parent.exists() and not parent.is_dir()), None)
    if in_place is not None:
        return f"{in_place} is not a directory: move it away, and run doit again"
    if error.errno in _FULL:
        return "make room on this machine, and run doit again"
    return "fix that and run doit again; everything in state/ except secrets/ is a cache and may be deleted"
