"""What a container says as lines for the repository host: pieces put together, what is missing said.

The place is one at which no line was open, so that another process makes the same lines of what comes behind it.
"""

import codecs
import time
from collections.abc import Iterator

from agent.container_logs.followed_log import FollowedLog
from agent.container_logs.log_files import LogPlace
from agent.container_logs.log_records import LogRecord
from agent.logs.lines import LARGEST_TEXT, NOTE, CentralLine, moment, pieces, sendable

_MOST = 256 << 10
"""Bytes of the engine's that are read at a time."""
_LONGEST_PAUSE = 10
"""Looks without news after which a line without an end is one."""
_GONE = "lines before this one may be missing: the engine had removed them before they were read"
_BROKEN = "lines before this one may be missing: what is in the log's file there can't be read"


class _OpenLine:
    """A line of which only pieces were read.

    Args:
        at: When its first piece was written, in nanoseconds since 1970.

    """

    def __init__(self, at: int) -> None:
        self.at = at
        self.text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, piece: bytes, *, is_last: bool) -> None:
        """Add a piece; a letter may be cut in its middle."""
        self.text += self._decoder.decode(piece, is_last)


class ContainerLines:
    """The lines of a container.

    Args:
        log: Its log.
        host: The host's short name.
        task: The name of its task.

    """

    def __init__(self, log: FollowedLog, host: str, task: str) -> None:
        self.task = task
        self._log, self._host = log, host
        self._open: dict[str, _OpenLine] = {}
        """Stream to its open line."""
        self._begins = log.place
        """Where the first of the open lines begins, and of lines that were open beside them."""
        self._quiet = 0

    @property
    def place(self) -> LogPlace:
        """How far it was read: before each line of which only pieces were, and before those that it overlaps.

        From behind the beginning of one that has ended meanwhile, its last pieces would be a line of their own.
        """
        return self._begins if self._open else self._log.place

    @property
    def is_over(self) -> bool:
        """Whether the engine has removed it, and all that was left is read."""
        return self._log.is_over and not self._open

    def hold(self) -> None:
        """Open what is not read yet, so that it can be read after it is removed; raises OSError."""
        self._log.hold()

    def close(self) -> None:
        """Close what is open."""
        self._log.close()

    def read(self) -> list[CentralLine]:
        """Return the next lines; none if there is nothing new; raises OSError if it can't be read."""
        lines: list[CentralLine] = []
        size = 0
        for record in self._log.records():
            lines += self._lines(record)
            size += record.size
            if size >= _MOST:
                break
        if self._log.is_over:
            lines += self._missing(time.time_ns())
        self._quiet = 0 if size else self._quiet + 1
        if self._quiet > _LONGEST_PAUSE:
            lines += self._ended()
        return lines

    def _lines(self, record: LogRecord) -> Iterator[CentralLine]:
        """Yield the lines that a record ends, which are several where one is too long."""
        yield from self._missing(record.at)
        begun = self._open.get(record.stream)
        if begun is None and not record.is_cut:
            yield from self._pieces(record.at, record.stream, record.text.decode(errors="replace"))
            return
        if begun is None:
            if not self._open:
                first, length, offset = self._log.place
                self._begins = LogPlace(first, length, offset - record.size)
            begun = self._open[record.stream] = _OpenLine(record.at)
        begun.add(record.text, is_last=not record.is_cut)
        if not record.is_cut:
            del self._open[record.stream]
            yield from self._pieces(begun.at, record.stream, begun.text)
        elif len(begun.text) >= LARGEST_TEXT:
            yield self._line(begun.at, record.stream, begun.text, goes_on=True)
            begun.text = ""
            if len(self._open) == 1:
                self._begins = self._log.place

    def _missing(self, at: int) -> Iterator[CentralLine]:
        """Yield what is to be said of lines that are missing before a time, behind what there is of open ones."""
        notes = [_GONE] * self._log.has_lost + [_BROKEN] * self._log.has_broken
        self._log.has_lost = self._log.has_broken = False
        if notes:
            yield from self._ended()
        for note in notes:
            yield self._line(at, NOTE, note)

    def _ended(self) -> list[CentralLine]:
        """Return what there is of open lines, which get no end."""
        lines = [self._line(line.at, stream, line.text) for stream, line in self._open.items()]
        self._open.clear()
        return lines

    def _pieces(self, at: int, stream: str, text: str) -> Iterator[CentralLine]:
        """Yield a line, which is several where it is too long for one."""
        for piece, goes_on in pieces(text):
            yield self._line(at, stream, piece, goes_on=goes_on)

    def _line(self, at: int, stream: str, text: str, *, goes_on: bool = False) -> CentralLine:
        """Return a line of the container's."""
        return CentralLine(moment(at), self._host, self.task, stream, sendable(text), goes_on)
