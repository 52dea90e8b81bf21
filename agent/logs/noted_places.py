"""Places in logs as the shipper notes them, and as skep noted them until 2026-11: those are looked for once."""

import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.container_logs.log_files import BEGINNING, LogPlace

_LONGEST = 1 << 20
"""Bytes of a first line."""
_NOWHERE = LogPlace(-1)
"""A place in no file, so that lines are said to be missing."""


def noted_place(directory: Path, noted: Any) -> LogPlace:
    """Return the place that was noted.

    Args:
        directory: The engine's directory of the container.
        noted: Its checksum, length and offset; or the number of its file's inode, the offset, and the bytes before
            that in hex (`inode`, `offset`, `mark`), as of a log of driver json-file.

    """
    if not isinstance(noted, Mapping):
        return LogPlace(*noted)
    mark = bytes.fromhex(noted["mark"])
    offset = int(noted["offset"])
    current = directory / f"{directory.name}-json.log"
    for path in directory.glob(f"{current.name}*"):
        with path.open("rb") as file:
            number = file.fileno()
            if os.fstat(number).st_ino != noted["inode"]:
                continue
            if os.pread(number, len(mark), offset - len(mark)) != mark:
                continue
            first = file.readline(_LONGEST)
            if offset or first.endswith(b"\n"):
                return LogPlace(zlib.crc32(first), len(first), offset)
            # Nothing is in it yet: it is the newest one, and the one before was read to its end.
            return _end_of(current.with_name(f"{current.name}.1"))
    return _NOWHERE


def _end_of(path: Path) -> LogPlace:
    """Return the place at the end of a file; the beginning of the log if there is none, or nothing in it."""
    try:
        with path.open("rb") as file:
            first = file.readline(_LONGEST)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return BEGINNING
    return LogPlace(zlib.crc32(first), len(first), size) if first else BEGINNING
