"""The room on this host's disks."""

import shutil
from pathlib import Path

from agent.errors import AgentError

SPARE = 64 << 20
"""Bytes that a disk must have left for programs to work on it."""


def free_at(path: Path) -> int:
    """Return the bytes that are free on the disk of a path; one that is not there yet will be on its parent's."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def check_room_is_left(path: Path) -> None:
    """Raise if a disk is full, so that whatever failed on it may have failed for that.

    Raises:
        AgentError: It is.

    """
    free = free_at(path)
    if free < SPARE:
        raise AgentError(f"the disk of {path} is full ({free >> 20} MB are free)")
