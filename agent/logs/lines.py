"""The form of a line in the central files: time, host, source, stream, text. Times are in UTC, and sort as text.

The stream of a piece of a line that goes on in the next one has a `+` at its end.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from time import gmtime, strftime
from typing import NamedTuple

CENTRAL = Path("/var/log")
KINDS = ("services", "hosts")
"""Directories of it with the central files."""
LARGEST_TEXT = 128 << 10
"""Characters of a line; a longer one is sent in pieces."""
NOTE = "skep"
"""The stream of skep's own words."""
_WORD = re.compile(r"[^!-~]")


class CentralLine(NamedTuple):
    """A line of a central file.

    Args:
        time: As in `2026-11-30T12:00:00.123456789Z`, always with nine digits.
        host: The short name of the host that it comes from.
        source: The task that wrote it; in a host's file the unit.
        stream: `stdout`, `stderr` or `NOTE`; in a host's file the priority.
        text: What it says.
        goes_on: Whether the next line goes on with it.

    """

    time: str
    host: str
    source: str
    stream: str
    text: str
    goes_on: bool = False

    def __str__(self) -> str:
        stream = f"{self.stream}+" if self.goes_on else self.stream
        return f"{self.time} {self.host} {word(self.source)} {stream} {self.text}"


def parsed(text: str) -> CentralLine | None:
    """Return a line of a central file; None if it is none, as where a disk was full in its middle."""
    parts = text.split(" ", 4)
    if len(parts) != len(CentralLine._fields) - 1 or not parts[0].endswith("Z"):
        return None
    time, host, source, stream, said = parts
    return CentralLine(time, host, source, stream.removesuffix("+"), said, stream.endswith("+"))


def moment(at: int) -> str:
    """Return a time in nanoseconds since 1970 in the form that sorts: always with nine digits."""
    seconds, rest = divmod(at, 10**9)
    return f"{_second(seconds)}.{rest:09d}Z"


@lru_cache(8)
def _second(seconds: int) -> str:
    """Return a time without its fraction; many lines have the same."""
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds))


def word(text: str) -> str:
    """Return a text as one printable word."""
    return _WORD.sub("_", text) or "-"


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of a text, one unless it is too long, and whether the next goes on with it."""
    while len(text) > LARGEST_TEXT:
        yield text[:LARGEST_TEXT], True
        text = text[LARGEST_TEXT:]
    yield text, False


def sendable(text: str) -> str:
    """Return a text as one that a line can hold: without a line's end, and without NUL, at which rsyslog would stop."""
    return text.rstrip("\r\n").replace("\0", "\ufffd").replace("\n", " ")
