"""The room on this host's disks."""

import shutil
from pathlib import Path

from agent.errors import AgentError

SPARE = 64 << 20
"""Bytes that a disk must have left for programs to work on it."""
_MORE = 1.05
"""Times the bytes of files that a disk needs for them."""


def free_at(path: Path) -> int:
    """Return the bytes that are free on the disk of a path; one that is not there yet will be on its parent's."""
    return shutil.disk_usage(_existing(path)).free


def is_same_disk(one: Path, other: Path) -> bool:
    """Return whether two paths are on the same file system."""
    return _existing(one).stat().st_dev == _existing(other).stat().st_dev


def check_room(path: Path, wanted: int) -> None:
    """Raise if a disk has no room for so many bytes, and some to spare.

    Raises:
        AgentError: It has none.

    """
    free = free_at(path)
    if free < wanted * _MORE + SPARE:
        raise AgentError(
            f"{wanted >> 20} MB are needed on the disk of {path}, and {free >> 20} MB are free: make room there"
        )


def check_room_is_left(path: Path) -> None:
    """Raise if a disk is full, so that whatever failed on it may have failed for that.

    Raises:
        AgentError: It is.

    """
    free = free_at(path)
    if free < SPARE:
        raise AgentError(f"the disk of {path} is full ({free >> 20} MB are free)")


def _existing(path: Path) -> Path:
    """Return a path, or the nearest directory above it that is there."""
    while not path.exists():
        path = path.parent
    return path
