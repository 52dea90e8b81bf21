"""A container's log files, read on from where they were left: over rotations, restarts of the observer, and kills.

A file is known by the checksum of its first record, which has the time to the nanosecond: rotation renames files and
compresses them, and an inode's number is soon another file's.
"""

import gzip
import os
import zlib
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import IO

from agent.observe.log_records import BrokenLogError, LogRecord, Reader, json_records, local_records

_CHUNK = 1 << 16
"""Bytes that are read at a time."""
_HEADS = (1 << 12, 1 << 18)
"""Bytes of a file's beginning: most first records are in the first of them, all in both."""
_MOST_ROTATED = 100
"""Rotated files that are looked for."""


class LogPlace:
    """How far a log was read.

    Args:
        first: The checksum of the first record of the file that is being read; None before any was.
        length: The bytes of that record.
        offset: The bytes of the file that were read.

    """

    def __init__(self, first: int | None = None, length: int = 0, offset: int = 0) -> None:
        self.first, self.length, self.offset = first, length, offset


class FollowedLog:
    """The log of a container.

    Args:
        container: Its id.
        place: How far it was read; moves on.
        root: The engine's directory of containers.

    """

    def __init__(self, container: str, place: LogPlace, root: Path) -> None:
        self.place = place
        directory = root / container
        self._files: Sequence[tuple[Path, Reader]] = (
            (directory / "local-logs" / "container.log", local_records),
            (directory / f"{container}-json.log", json_records),
            (directory / "container-cached.log", local_records),
        )
        self._seen: tuple[int, int, int] | None = None
        self._ended: int | None = None
        """The checksum of the rotated file that was read to its end."""
        self._held: tuple[IO[bytes], Reader] | None = None
        """The file that the engine writes to: it can be read to its end when it is removed with its container."""
        self.has_lost = False
        """Whether records were rotated away before they were read, or can't be read."""

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is open."""
        if self._held is not None:
            self._held[0].close()
            self._held = None

    def records(self, since: int) -> Generator[LogRecord]:
        """Yield the records that were not read; each counts as read as soon as it is given.

        Args:
            since: Nanoseconds since 1970 before which nothing is asked for; files that are older are left out.

        Raises:
            OSError: A file can't be read.

        """
        current, reader = next(
            ((path, reader) for path, reader in self._files if path.exists()), (None, local_records)
        )
        if current is None:
            yield from self._left()
            return
        status = current.stat()
        found = status.st_ino, status.st_size, status.st_mtime_ns
        if self._seen == found:
            return
        for _ in range(_MOST_ROTATED):
            path = self._next(current, reader, since)
            if path is None:
                return
            if path == current:
                self.close()
                self._held = _opened(path), reader
                if self._is_at(*self._held):
                    yield from self._unread(*self._held)
                    self._seen = found
                    return
                continue  # it was rotated a moment ago
            with _opened(path) as file:
                if self._is_at(file, reader):
                    yield from self._unread(file, reader)
                    self._ended = self.place.first

    def _left(self) -> Iterator[LogRecord]:
        """Yield the records that were not read of a file that is removed."""
        if self._held is not None and self._is_at(*self._held):
            yield from self._unread(*self._held)
        self.close()

    def _is_at(self, file: IO[bytes], reader: Reader) -> bool:
        """Return whether a file is the one that is being read."""
        return _first(file, reader) == (self.place.first, self.place.length)

    def _next(self, current: Path, reader: Reader, since: int) -> Path | None:
        """Return the file to read on in: the one that was read, or the one after it if that was read to its end."""
        known = None if self.place.first is None else (self.place.first, self.place.length)
        if known is not None and _first_of(current, reader) == known:
            return current
        files = [path for path in (current, *_rotated(current)) if path.exists()]
        firsts = [_first_of(path, reader) for path in files]
        if known is not None and known in firsts:
            at = firsts.index(known)
            if at == 0 or self.place.first != self._ended:
                return files[at]
            return self._begin(files[at - 1], firsts[at - 1])
        if known is not None:
            self.has_lost = True
        wanted = [
            (path, first)
            for path, first in zip(files, firsts, strict=True)
            if first is not None and path.stat().st_mtime_ns >= since
        ]
        return self._begin(*wanted[-1]) if wanted else None

    def _begin(self, path: Path, first: tuple[int, int] | None) -> Path | None:
        """Return a file after its beginning was made the place to read on from; None if it has no record yet."""
        if first is None:
            return None
        self.place.first, self.place.length, self.place.offset = *first, 0
        return path

    def _unread(self, file: IO[bytes], reader: Reader) -> Iterator[LogRecord]:
        """Yield the records of a file from the place on."""
        file.seek(self.place.offset)
        rest = b""
        while chunk := _read(file):
            rest += chunk
            used = 0
            try:
                for record in reader(rest):
                    used += record.size
                    self.place.offset += record.size
                    yield record
            except BrokenLogError:
                self.has_lost = True
                end = rest.find(b"\n", used) + 1 if reader is json_records else 0
                if not end:
                    self.place.offset = file.seek(0, os.SEEK_END)
                    return
                self.place.offset += end - used
                used = end
            rest = rest[used:]


def _rotated(current: Path) -> Iterator[Path]:
    """Yield the files that a log was rotated to, the newest first. One that is being compressed is there twice."""
    for number in range(1, _MOST_ROTATED):
        plain = current.with_name(f"{current.name}.{number}")
        packed = current.with_name(f"{plain.name}.gz")
        if plain.exists():
            yield plain
        elif packed.exists():
            yield packed
        elif number > 1:
            return  # the first one may be on its way


def _first_of(path: Path, reader: Reader) -> tuple[int, int] | None:
    """Return the checksum and the length of a file's first record; None where none is whole."""
    try:
        with _opened(path) as file:
            return _first(file, reader)
    except FileNotFoundError:
        return None


def _first(file: IO[bytes], reader: Reader) -> tuple[int, int] | None:
    """Return the checksum and the length of a file's first record; None where none is whole."""
    file.seek(0)
    head = b""
    for most in _HEADS:
        head += _read(file, most)
        try:
            record = next(reader(head), None)
        except BrokenLogError:
            return None
        if record is not None:
            return zlib.crc32(head[: record.size]), record.size
    return None


def _read(file: IO[bytes], most: int = _CHUNK) -> bytes:
    """Return the next bytes of a file; none at the end, also of one that is not whole."""
    try:
        return file.read(most)
    except (EOFError, zlib.error):
        return b""


def _opened(path: Path) -> IO[bytes]:
    """Return a file that is open for reading, unpacked."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
