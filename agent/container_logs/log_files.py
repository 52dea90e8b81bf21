"""The files of a container's log: their names, their order, and what is open of them.

The engine renames X to X.1, X.1 to X.2 and so on, the oldest first, then begins X anew and packs X.1; it writes only to
X. Where `max-file` is 1 it empties X instead. An open file can be read to its end under any name, and after it is
removed.
"""

import gzip
import os
import zlib
from pathlib import Path
from typing import IO, NamedTuple

from agent.container_logs.log_records import JSON, LOCAL, LogForm

_CHUNK = 1 << 16
"""Bytes that are read at a time."""
_PACKED = ".gz"


class LogPlace(NamedTuple):
    """How far a log was read.

    A file is known by the checksum of its beginning, which has a time to the nanosecond: rotation renames and packs
    files, and an inode's number is soon another file's.

    Args:
        first: The checksum of the first record of the file that is being read; None before any was.
        length: The bytes of that record.
        offset: The bytes of the file that were read.

    """

    first: int | None = None
    length: int = 0
    offset: int = 0


BEGINNING = LogPlace()
"""The place of a log of which nothing was read."""


class ListedFile(NamedTuple):
    """A file of a log.

    Args:
        path: Its path.
        number: Its inode's number.
        written: When it was written last, in nanoseconds since 1970.

    """

    path: Path
    number: int
    written: int


class OpenFile:
    """A file of a log that is open.

    Args:
        path: Its path; it may be another file's by the time it is opened.

    Raises:
        OSError: It can't be opened.

    """

    def __init__(self, path: Path) -> None:
        self._is_packed = path.suffix == _PACKED
        # Not buffered: what the engine has emptied and written anew must not come out of memory.
        self._file: IO[bytes] = _unpacked(path) if self._is_packed else path.open("rb", buffering=0)
        self.number = os.fstat(self._file.fileno()).st_ino

    @property
    def written(self) -> int:
        """When it was written last, in nanoseconds since 1970."""
        return os.fstat(self._file.fileno()).st_mtime_ns

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def has(self, place: LogPlace) -> bool:
        """Return whether it is the file that a place is in."""
        self.seek(0)
        return zlib.crc32(self._read(place.length)) == place.first

    def seek(self, offset: int) -> None:
        """Read on at an offset."""
        self._file.seek(offset)

    def read(self) -> bytes:
        """Return the next bytes; none at the end, also of a file that is not whole."""
        return self._read(_CHUNK)

    def is_emptied(self, place: LogPlace) -> bool:
        """Return whether a place is in it no more, though it was: the engine has emptied it."""
        if self._is_packed or place.first is None:
            return False
        number = self._file.fileno()
        if os.fstat(number).st_size < place.offset:
            return True
        return zlib.crc32(os.pread(number, place.length, 0)) != place.first

    def _read(self, most: int) -> bytes:
        """Return the next bytes."""
        try:
            return self._file.read(most)
        except (EOFError, zlib.error):
            return b""


def _unpacked(path: Path) -> IO[bytes]:
    """Return a packed file that is open."""
    return gzip.open(path)  # type: ignore[return-value]


class LogFiles:
    """The files of a container's log.

    Args:
        directory: The engine's directory of the container.

    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kinds = (
            (directory / "local-logs" / "container.log", LOCAL),
            (directory / f"{directory.name}-json.log", JSON),
            (directory / "container-cached.log", LOCAL),
        )
        self.form: LogForm = JSON
        """How they are written, as soon as there is one."""
        self._current: Path | None = None

    @property
    def are_removed(self) -> bool:
        """Whether the engine has removed the container; while it begins a new file, only the file is gone."""
        return not self._directory.exists()

    @property
    def current(self) -> int | None:
        """The inode's number of the file that the engine writes to; None while there is none."""
        for path, form in self._kinds if self._current is None else ():
            if path.exists():
                self._current, self.form = path, form
                break
        try:
            return None if self._current is None else self._current.stat().st_ino
        except FileNotFoundError:
            return None

    def listed(self) -> list[ListedFile]:
        """Return the files, the oldest first; none while the engine renames them."""
        if self._current is None:
            return []
        try:
            files, again = self._seen(self._current), self._seen(self._current)
        except FileNotFoundError:
            return []
        return files if [file[:2] for file in files] == [file[:2] for file in again] else []

    def _seen(self, current: Path) -> list[ListedFile]:
        """Return the files that are seen, the oldest first. One that is being packed is there twice."""
        found: dict[int, ListedFile] = {}
        for path in current.parent.iterdir():
            age = "0" if path == current else path.name.removeprefix(f"{current.name}.").removesuffix(_PACKED)
            if age.isdecimal() and (int(age) not in found or path.suffix != _PACKED):
                status = path.stat()
                found[int(age)] = ListedFile(path, status.st_ino, status.st_mtime_ns)
        return [found[age] for age in sorted(found, reverse=True)]
