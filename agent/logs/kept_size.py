"""Keeps the logs that are kept below a size: the oldest files that nobody writes to any more go before their time.

A file goes whole, with all its lines. So one that is written to is begun anew when it has a small share of the size,
however much there is in all: what goes is never more than that share, and is the oldest.

A process of the shipper's looks at their size, and has a unit of its own do what is due, as that may do more.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

_PAUSE = 60.0
"""Seconds between two looks: it takes a call to the kernel for each file."""
_TIMEOUT = 120.0
_BLOCK = 512
_ROTATED = re.compile(r".+\.log-\d{8}-\d+(\.gz)?")
"""The name of a file that logrotate has renamed (remote/hostsetup/logs.py)."""


class KeptFile(NamedTuple):
    """A file of logs.

    Args:
        path: Where it is.
        size: The bytes that it takes on its disk.
        length: The bytes that it has: logrotate goes by them.
        written: When its last line was written, in seconds since 1970.

    """

    path: Path
    size: int
    length: int
    written: float

    @property
    def is_rotated(self) -> bool:
        """Whether nobody writes to it any more."""
        return _ROTATED.fullmatch(self.path.name) is not None


class Rotation(Protocol):
    """Has files that are written to begun anew."""

    def __call__(self, *, is_all: bool) -> None:
        """Begin all of them anew, or those that have more than their share."""


class KeptSize:
    """Watches the size of what is kept.

    Args:
        directories: Where it is.
        most: The bytes that it may take.
        share: The bytes that a file may have that is written to.
        unit: The unit that begins files anew, and removes what is more.

    """

    def __init__(self, directories: Iterable[Path], most: int, share: int, unit: str) -> None:
        self._directories, self._most, self._share, self._unit = tuple(directories), most, share, unit
        self._due = 0.0

    def look(self) -> None:
        """Have the unit begin, if a look is due and finds too much of all or of one file; one that is at work goes on.

        Raises:
            OSError: systemd can't be asked.
            SubprocessError: It does not answer, or refuses.

        """
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _PAUSE
        files = kept_files(self._directories)
        if _total(files) > self._most or _has_large(files, self._share):
            subprocess.run(
                ["systemctl", "start", "--no-block", self._unit],
                check=True,
                timeout=_TIMEOUT,
                stdin=subprocess.DEVNULL,
            )


def trim(
    directories: Iterable[Path], most: int, share: int, rotate: Rotation, say: Callable[[str], None]
) -> None:
    """Have large files begun anew, and remove files, the oldest first, until what is left takes no more than it may.

    Files that are written to stay. Where they take more than half of it, all are begun anew before.

    Args:
        directories: Where they are.
        most: The bytes that they may take.
        share: The bytes that a file may have that is written to.
        rotate: Has files begun anew.
        say: Takes a sentence for each file that is removed.

    Raises:
        OSError: A file can't be removed.

    """
    directories = tuple(directories)
    files = kept_files(directories)
    is_much = _total(files) > most and _total(each for each in files if not each.is_rotated) > most // 2
    if is_much or _has_large(files, share):
        rotate(is_all=is_much)
        files = kept_files(directories)
    total = _total(files)
    for file in sorted((each for each in files if each.is_rotated), key=lambda each: each.written):
        if total <= most:
            break
        file.path.unlink(missing_ok=True)
        total -= file.size
        say(
            f"{file.path}: removed before its time, as logs took more than {most >> 20} MB; its last line is of "
            f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime(file.written))} UTC"
        )


def kept_files(directories: Iterable[Path]) -> list[KeptFile]:
    """Return the files of logs in directories; one that goes just then is none."""
    return list(_files(directories))


def _files(directories: Iterable[Path]) -> Iterator[KeptFile]:
    """Yield files."""
    for directory in directories:
        for entry in os.scandir(directory):
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if entry.is_file(follow_symlinks=False):
                yield KeptFile(Path(entry.path), found.st_blocks * _BLOCK, found.st_size, found.st_mtime)


def _total(files: Iterable[KeptFile]) -> int:
    """Return the bytes that files take."""
    return sum(file.size for file in files)


def _has_large(files: Iterable[KeptFile], share: int) -> bool:
    """Return whether a file that is written to has more than its share."""
    return any(file.length > share and not file.is_rotated for file in files)
