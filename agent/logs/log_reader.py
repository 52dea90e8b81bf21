"""The files in which an engine keeps a container's log, driver json-file: read on over rotations, to the last line.

The engine renames X to X.1, X.1 to X.2 and so on, then begins X anew; it writes only to X, and with `max-file` 1 it
empties X instead. An open file can be read to its end under any name, and after its container is removed.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.logs.lines import LARGEST_TEXT, NOTE, CentralLine, nine_digits, pieces, sendable

_BLOCK = 256 << 10
"""Bytes that are read at a time."""
_MARK = 64
"""Bytes before a place in a file by which it is known again: a file that is new may have a former one's number."""
_LONGEST_PAUSE = 10
"""Looks without news after which a line without an end is one."""
_GONE = "lines before this one may be missing: the engine had removed them before they were read"


@dataclass
class ReadPlace:
    """A place in a file.

    Args:
        inode: The file's number.
        offset: Bytes before it.
        mark: The last of them, in hex.

    """

    inode: int
    offset: int
    mark: str


@dataclass
class _Open:
    """A line of which only pieces were read.

    Args:
        time: Its time.
        text: What there is of it.
        begins: Where its first piece is.

    """

    time: str
    text: str
    begins: ReadPlace


class LogReader:
    """Reads the log of a container.

    Args:
        path: The file that the engine writes to.
        host: The host's short name.
        task: The name of its task.
        place: How far it was read; None for the beginning.

    """

    def __init__(self, path: Path, host: str, task: str, place: ReadPlace | None = None) -> None:
        self.task = task
        self._path, self._host = path, host
        self._file: BinaryIO | None = None
        self._rest = b""
        self._offset = 0
        self._mark = b""
        self._open: dict[str, _Open] = {}
        self._quiet = 0
        self._is_late = False
        self._begin(place)

    @property
    def place(self) -> ReadPlace | None:
        """How far it was read: before each line of which only pieces were."""
        if self._file is None:
            return None
        open_lines = [line.begins for line in self._open.values()]
        inode = os.fstat(self._file.fileno()).st_ino
        here = self._place(self._offset - len(self._rest))
        former = [place for place in open_lines if place.inode != inode]
        return min(former or [*open_lines, here], key=lambda place: place.offset)

    @property
    def is_over(self) -> bool:
        """Whether the engine has removed it, and all that was left is read.

        Its directory tells: while the engine begins a new file, only the file itself is gone.
        """
        if self._path.parent.exists():
            return False
        return self._file is None or (
            not self._open and os.fstat(self._file.fileno()).st_size <= self._offset
        )

    def close(self) -> None:
        """Close what is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self) -> list[CentralLine]:
        """Return the next lines; none if there is nothing new."""
        if self._file is None and not self._next():
            return []
        block = self._block()
        lines = list(self._lines(block))
        self._quiet = 0 if block else self._quiet + 1
        if self._open and self._quiet > _LONGEST_PAUSE:
            lines = [self._line(line.time, stream, line.text) for stream, line in self._open.items()]
            self._open.clear()
        return lines

    # -- files ---------------------------------------------------------------------------------------------------------

    def _begin(self, place: ReadPlace | None) -> None:
        """Open the file that has a place; the oldest one if none has it any more."""
        files = self._there()
        for file in files if place is not None else ():
            with suppress(FileNotFoundError):
                opened = file.open("rb")
                if place is not None and _has(opened, place):
                    self._file, self._offset = opened, place.offset
                    self._mark = bytes.fromhex(place.mark)
                    return
                opened.close()
        self._is_late = place is not None
        for file in files:
            with suppress(FileNotFoundError):
                self._file = file.open("rb")
                return

    def _there(self) -> list[Path]:
        """Return the log's files, the oldest first."""
        numbered = []
        for path in self._path.parent.glob(f"{self._path.name}.*"):
            number = path.name.removeprefix(f"{self._path.name}.")
            if number.isdecimal():
                numbered.append((int(number), path))
        return [path for _, path in sorted(numbered, reverse=True)] + (
            [self._path] if self._path.exists() else []
        )

    def _next(self) -> bool:
        """Go on to the file that was begun after the open one, and return whether there is one."""
        former = self._file and os.fstat(self._file.fileno()).st_ino
        before = [(path, number) for path in self._there() if (number := _number(path)) is not None]
        at = next((i for i, (_, number) in enumerate(before) if number == former), -1)
        if at + 1 >= len(before):
            return False
        try:
            opened = before[at + 1][0].open("rb")
        except FileNotFoundError:
            return False
        after = [number for path in self._there() if (number := _number(path)) is not None]
        if os.fstat(opened.fileno()).st_ino != before[at + 1][1] or after != [number for _, number in before]:
            # The engine was just renaming them.
            opened.close()
            return False
        self._is_late = former is not None and at < 0
        self.close()
        self._file, self._offset, self._rest, self._mark = opened, 0, b"", b""
        return True

    def _block(self) -> bytes:
        """Return what is new, whole lines only."""
        while self._file is not None:
            # Asked first: what was written before a file was left is read before the next one is.
            is_left = _number(self._path) != os.fstat(self._file.fileno()).st_ino
            self._notice_truncation(self._file)
            self._file.seek(self._offset)
            if block := self._file.read(_BLOCK):
                self._offset += len(block)
                self._mark = (self._mark + block)[-_MARK:]
                whole, end, rest = (self._rest + block).rpartition(b"\n")
                self._rest = rest
                if end:
                    return whole + end
            elif not is_left or not self._next():
                break
        return b""

    def _notice_truncation(self, file: BinaryIO) -> None:
        """Begin anew where the engine has emptied the file and goes on in it, as it does where `max-file` is 1."""
        if os.pread(file.fileno(), len(self._mark), self._offset - len(self._mark)) != self._mark:
            self._offset, self._rest, self._mark = 0, b"", b""
            self._open.clear()
            self._is_late = True

    def _place(self, offset: int) -> ReadPlace:
        """Return a place in the open file."""
        if self._file is None:
            raise TypeError("no file is open")
        number = self._file.fileno()
        mark = os.pread(number, min(offset, _MARK), max(0, offset - _MARK))
        return ReadPlace(os.fstat(number).st_ino, offset, mark.hex())

    # -- lines ---------------------------------------------------------------------------------------------------------

    def _lines(self, block: bytes) -> Iterator[CentralLine]:
        """Yield the lines in what the engine wrote; pieces of one are put together."""
        offset = self._offset - len(self._rest) - len(block)
        for raw in block.splitlines(keepends=True):
            begins, offset = offset, offset + len(raw)
            try:
                entry = json.loads(raw)
                text, stream, time = str(entry["log"]), str(entry["stream"]), nine_digits(str(entry["time"]))
            except (ValueError, KeyError, TypeError):
                # The engine was killed while it wrote, or its host lost its power.
                continue
            if self._is_late:
                self._is_late = False
                yield self._line(time, NOTE, _GONE)
            earlier = self._open.pop(stream, None)
            if earlier is not None:
                text, time = earlier.text + text, earlier.time
            if text.endswith("\n"):
                yield from self._pieces(time, stream, text)
            elif len(text) >= LARGEST_TEXT:
                yield self._line(time, stream, text, goes_on=True)
                self._open[stream] = _Open(time, "", self._place(offset))
            else:
                self._open[stream] = _Open(time, text, earlier.begins if earlier else self._place(begins))

    def _pieces(self, time: str, stream: str, text: str) -> Iterator[CentralLine]:
        """Yield a line, which is several where it is too long for one."""
        for piece, goes_on in pieces(text):
            yield self._line(time, stream, piece, goes_on=goes_on)

    def _line(self, time: str, stream: str, text: str, *, goes_on: bool = False) -> CentralLine:
        """Return a line of the container's."""
        return CentralLine(time, self._host, self.task, stream, sendable(text), goes_on)


def _number(path: Path) -> int | None:
    """Return a file's number; None if it is not there."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _has(file: BinaryIO, place: ReadPlace) -> bool:
    """Return whether a file is the one that a place is in."""
    number = file.fileno()
    if os.fstat(number).st_ino != place.inode:
        return False
    mark = bytes.fromhex(place.mark)
    return os.pread(number, len(mark), place.offset - len(mark)) == mark
