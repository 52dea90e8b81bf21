"""Keeps the logs that are kept below a size: the oldest files that nobody writes to any more go before their time.

A process of the shipper's looks at their size, and has a unit of its own remove what is too much, as that may do more.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

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
        written: When its last line was written, in seconds since 1970.

    """

    path: Path
    size: int
    written: float

    @property
    def is_rotated(self) -> bool:
        """Whether nobody writes to it any more."""
        return _ROTATED.fullmatch(self.path.name) is not None


class KeptSize:
    """Watches the size of what is kept.

    Args:
        directories: Where it is.
        most: The bytes that it may take.
        unit: The unit that removes what is more.

    """

    def __init__(self, directories: Iterable[Path], most: int, unit: str) -> None:
        self._directories, self._most, self._unit = tuple(directories), most, unit
        self._due = 0.0

    def look(self) -> None:
        """Have the unit begin, if that is due and there is too much; one that is at work goes on.

        Raises:
            OSError: systemd can't be asked.
            SubprocessError: It does not answer, or refuses.

        """
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _PAUSE
        if _total(kept_files(self._directories)) > self._most:
            subprocess.run(
                ["systemctl", "start", "--no-block", self._unit],
                check=True,
                timeout=_TIMEOUT,
                stdin=subprocess.DEVNULL,
            )


def trim(
    directories: Iterable[Path], most: int, rotate: Callable[[], None], say: Callable[[str], None]
) -> None:
    """Remove files, the oldest first, until what is left takes no more than it may.

    Files that are written to stay. Where they take more than half of it, they are rotated before.

    Args:
        directories: Where they are.
        most: The bytes that they may take.
        rotate: Has all files that are written to begun anew.
        say: Takes a sentence for each file that is removed.

    Raises:
        OSError: A file can't be removed.

    """
    directories = tuple(directories)
    files = kept_files(directories)
    if _total(files) <= most:
        return
    if _total(each for each in files if not each.is_rotated) > most // 2:
        rotate()
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
                yield KeptFile(Path(entry.path), found.st_blocks * _BLOCK, found.st_mtime)


def _total(files: Iterable[KeptFile]) -> int:
    """Return the bytes that files take."""
    return sum(file.size for file in files)
