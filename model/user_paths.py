"""Paths that people write: `~`, too long names, directories that nobody may look into. They are looked at, no more."""

import errno
import os
import stat
from pathlib import Path


def expanded(directory: Path, text: str) -> Path:
    """Return the path of a file that site.toml names; a `~` of somebody who is not known stays.

    Args:
        directory: The site's.
        text: What site.toml has.

    """
    try:
        return directory / Path(text).expanduser()
    except RuntimeError:
        return directory / text


def is_file(path: Path) -> bool:
    """Return whether there is a file, as far as one may look."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_directory(path: Path) -> bool:
    """Return whether there is a directory, as far as one may look."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_there(path: Path) -> bool:
    """Return whether there is anything of a name, as far as one may look."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def file_size(path: Path) -> int:
    """Return how many bytes a file has.

    Raises:
        OSError: It is not there, or no file: a pipe would be waited for, and a device may never end.

    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "is a pipe or a device, and not a file", str(path))
    return status.st_size


def content_of(path: Path) -> bytes:
    """Return a file's content.

    Raises:
        OSError: It is not there, or no file.

    """
    file_size(path)
    return path.read_bytes()
