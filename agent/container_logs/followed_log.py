"""A container's log, read on from where it was left: over rotations, restarts and kills of its reader, to its end.

The file that is read and the newest one are held open, so that they can be read to their ends when the container is
removed.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

from agent.container_logs.log_files import BEGINNING, ListedFile, LogFiles, LogPlace, OpenFile
from agent.container_logs.log_records import BrokenLogError, LogRecord


class FollowedLog:
    """The log of a container.

    Args:
        directory: The engine's directory of the container.
        place: How far it was read.

    """

    def __init__(self, directory: Path, place: LogPlace = BEGINNING) -> None:
        self._files = LogFiles(directory)
        self._first, self._length, self._offset = place
        self._former = place
        """The place in the file before, for as long as nothing was read of the one that is read."""
        self._held: list[OpenFile] = []
        """The file that is read, and the newest one if that is another."""
        self._has_gap = False
        """Whether there are files between these two."""
        self.has_lost = False
        """Whether records were gone before they were read; for the caller to take back."""
        self.has_broken = False
        """Whether something in it could not be read; for the caller to take back."""
        self.is_over = False
        """Whether the engine has removed it, and all that was left is read."""

    def __del__(self) -> None:
        self.close()

    @property
    def place(self) -> LogPlace:
        """How far it was read."""
        return self._former if self._first is None else self._here

    @property
    def _here(self) -> LogPlace:
        """How far the file was read that is read."""
        return LogPlace(self._first, self._length, self._offset)

    def close(self) -> None:
        """Let go of what is open."""
        while self._held:
            self._held.pop().close()

    def hold(self, since: int = 0) -> None:
        """Open what is read next, and the newest file, as far as they are not; reads nothing.

        Args:
            since: Nanoseconds since 1970 before which nothing is asked for; files that are older are left out.

        Raises:
            OSError: A file can't be opened.

        """
        current = self._files.current
        if not self._held:
            self._begin(since)
        if not self._held or current in (None, self._held[-1].number):
            return
        files = self._files.listed()
        if not files or files[-1].number == self._held[-1].number:
            return
        if (newest := _opened(files[-1])) is not None:
            while len(self._held) > 1:
                self._held.pop().close()
            self._held.append(newest)
            self._has_gap = not 0 <= self._index(files) == len(files) - 2

    def records(self, since: int = 0) -> Iterator[LogRecord]:
        """Yield the records that were not read; each counts as read as soon as it is given.

        Args:
            since: As in `hold`.

        Raises:
            OSError: A file can't be read.

        """
        are_removed = self._files.are_removed
        self.hold(since)
        while self._held:
            # Asked first: what was written before a file was left is read before the next one is.
            is_left = self._files.current != self._held[0].number
            if self._offset or self._held[0].written >= since:
                yield from self._unread(self._held[0])
            if not is_left or not self._next(are_removed=are_removed):
                break
        self.is_over = are_removed

    def _begin(self, since: int) -> None:
        """Open the file that has the place; the oldest one if none has it any more, or none was read."""
        files = self._files.listed()
        if not files:
            return
        if self._first is not None:
            for file in reversed(files):
                opened = _opened(file)
                if opened is None:
                    return
                if opened.has(self._here):
                    self._held = [opened]
                    return
                opened.close()
            self._begin_file()
            self.has_lost = True
        wanted = next((file for file in files if file.written >= since), files[-1])
        if (opened := _opened(wanted)) is not None:
            self._held = [opened]

    def _begin_file(self) -> None:
        """Have read nothing of the file that is read."""
        self._former = self.place
        self._first, self._length, self._offset = None, 0, 0

    def _index(self, files: list[ListedFile]) -> int:
        """Return which one of the files is the one that was read last; -1 if it is not among them."""
        for index, file in enumerate(files):
            if file.number == self._held[0].number:
                return index
        for index, file in enumerate(files):
            # It may be packed by now, and is another file then.
            if self.place.first is not None and (opened := _opened(file)) is not None:
                is_it = opened.has(self.place)
                opened.close()
                if is_it:
                    return index
        return -1

    def _next(self, *, are_removed: bool) -> bool:
        """Go on to the file that was begun after the one that was read, and return whether there is one."""
        files = [] if are_removed else self._files.listed()
        if not files and not are_removed:
            return False
        at = self._index(files)
        newest = self._held[1] if len(self._held) > 1 else None
        if at < 0 and newest is not None and newest.number not in {file.number for file in files[1:]}:
            self._go_on(newest, None, has_lost=self._has_gap)
            return True
        if at + 1 >= len(files) or (following := _opened(files[at + 1])) is None:
            return False
        if newest is not None and newest.number == following.number:
            following.close()
            following, newest = newest, None
        self._go_on(following, newest, has_lost=at < 0)
        self._has_gap = newest is not None and [file.number for file in files[at + 2 : at + 3]] != [
            newest.number
        ]
        return True

    def _go_on(self, file: OpenFile, newest: OpenFile | None, *, has_lost: bool) -> None:
        """Have the beginning of a file for the place."""
        self._held[0].close()
        self._held = [file] if newest is None else [file, newest]
        self.has_lost = self.has_lost or has_lost
        self._begin_file()

    def _unread(self, file: OpenFile) -> Iterator[LogRecord]:
        """Yield the records of a file from the place on."""
        form, rest = self._files.form, b""
        file.seek(self._offset)
        while True:
            chunk = file.read()
            # Asked afterwards: it was whole as long as its beginning is there.
            if file.is_emptied(self._here):
                self.has_lost, rest = True, b""
                self._begin_file()
                file.seek(0)
                continue
            if not chunk:
                return
            used, rest = 0, rest + chunk
            is_broken = True
            while is_broken:
                try:
                    for record in form.records(rest, used):
                        self._pass(rest, used, record.size)
                        used += record.size
                        yield record
                    is_broken = False
                except BrokenLogError:
                    self.has_broken = True
                    behind = form.resumed(rest, used) or len(rest)
                    self._pass(rest, used, behind - used)
                    used = behind
            rest = rest[used:]

    def _pass(self, content: bytes, at: int, size: int) -> None:
        """Have bytes of the file that is read behind the place."""
        if self._first is None:
            self._first, self._length = zlib.crc32(content[at : at + size]), size
        self._offset += size


def _opened(file: ListedFile) -> OpenFile | None:
    """Return a listed file, open; None if it has another name by now."""
    try:
        opened = OpenFile(file.path)
    except FileNotFoundError:
        return None
    if opened.number == file.number:
        return opened
    opened.close()
    return None
