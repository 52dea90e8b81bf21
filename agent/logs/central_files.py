"""Reading the central files: by time, without doubles, with the pieces of long lines put together.

Lines of a host that was out of reach come later than others, and some of a killed host's come twice. `sort` of
coreutils puts them in order on the disk, so that a month's file needs no more memory than a day's.
"""

import os
import re
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from agent.errors import AgentError
from agent.logs.held_files import held_files
from agent.logs.limited_pattern import LimitedPattern
from agent.logs.lines import NOTE, CentralLine, moment, parsed

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SORT = ("sort", "--stable", "--key=1,1", "--buffer-size=32M", "--temporary-directory=/var/tmp")


class WantedLines(NamedTuple):
    """Which lines are wanted.

    Args:
        since: From when, in the form of their times; empty for the beginning.
        lines: The last so many; 0 for all.
        pattern: What their text must match; None for any text.
        source: The number or name of their task, or the host that they come from; in a host's file the unit. Empty
            for all.
        until: Until when, as `since`; empty for the end.

    """

    since: str = ""
    lines: int = 0
    pattern: LimitedPattern | None = None
    source: str = ""
    until: str = ""

    def takes(self, line: CentralLine) -> bool:
        """Return whether a line is wanted."""
        if line.time < self.since or (self.until and line.time >= self.until):
            return False
        if self.source and self.source not in _names(line):
            return False
        return self.pattern is None or self.pattern.is_in(line.text)


def central_lines(directory: Path, name: str, wanted: WantedLines) -> Iterator[CentralLine]:
    """Yield lines of a service or host, by time; each once. At the end lines of skep's own say what can't be read.

    Args:
        directory: Where its file is.
        name: Its name.
        wanted: Which lines.

    Raises:
        AgentError: It is no name, or there is no room to sort them.

    """
    if not _NAME.fullmatch(name):
        raise AgentError(f"{name!r} is no name of a service or host")
    unread: dict[str, None] = {}
    read = _read(directory, name, wanted.since, unread.setdefault)
    lines = _once(_sorted(line for line in _whole(read) if wanted.takes(line)))
    yield from deque(lines, wanted.lines) if wanted.lines else lines
    host = os.uname().nodename.partition(".")[0]
    for sentence in unread:
        yield CentralLine(moment(time.time_ns()), host, name, NOTE, sentence)


def _names(line: CentralLine) -> tuple[str, ...]:
    """Return what a person may call a line's source: `web.2.<id>` is also 2, `web.2` and its host."""
    task = line.source.rpartition(".")[0]
    return line.source, task, task.rpartition(".")[2], line.host, line.source.removesuffix(".service")


def _read(directory: Path, name: str, since: str, say: Callable[[str], object]) -> Iterator[CentralLine]:
    """Yield the lines of all files; those that were ended before are left out. Say what can't be read."""
    with ExitStack() as held:
        files = held_files(directory, name, since, say)
        for each in files:
            held.enter_context(each.file)
        for each in files:
            for raw in each.lines(say):
                if raw.endswith(b"\n") and (line := parsed(raw[:-1].decode(errors="replace"))):
                    yield line


def _whole(lines: Iterable[CentralLine]) -> Iterator[CentralLine]:
    """Yield lines, pieces put together; pieces whose end is missing come at the end."""
    begun: dict[tuple[str, str, str], CentralLine] = {}
    for read in lines:
        line, key = read, (read.host, read.source, read.stream)
        earlier = begun.pop(key, None)
        if earlier is not None and earlier.time == line.time:
            line = line._replace(text=earlier.text + line.text)
        elif earlier is not None:
            yield earlier._replace(goes_on=False)
        if line.goes_on:
            begun[key] = line
        else:
            yield line
    yield from (line._replace(goes_on=False) for line in begun.values())


def _sorted(lines: Iterable[CentralLine]) -> Iterator[CentralLine]:
    """Yield lines by time; of one time in the order in which they came."""
    with subprocess.Popen(
        _SORT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
    ) as process:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise TypeError("no pipes")
        try:
            for line in lines:
                process.stdin.write(f"{line}\n".encode(errors="replace"))
            process.stdin.close()
        except BrokenPipeError:
            pass
        for raw in process.stdout:
            if (line_read := parsed(raw[:-1].decode(errors="replace"))) is not None:
                yield line_read
        if process.wait() != 0:
            said = process.stderr.read().decode(errors="replace").strip().splitlines()[-1:] or ["sort failed"]
            raise AgentError(said[0])


def _once(lines: Iterable[CentralLine]) -> Iterator[CentralLine]:
    """Yield lines without doubles: a line that was sent twice has the same nanosecond, source and text."""
    time, seen = "", set[CentralLine]()
    for line in lines:
        if line.time != time:
            time, seen = line.time, set()
        if line not in seen:
            seen.add(line)
            yield line
