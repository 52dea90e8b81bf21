"""A role's output: its lines, the last of them for a message, and a sign of life where it is silent."""

import codecs
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from model.log import Log

SILENCE = 60.0
"""Seconds without a line after which the log says that the role is still at work."""
TAIL = 15
"""Lines that are kept for a message."""


@contextmanager
def logged_output(log: Log) -> Iterator[tuple[Log, list[str]]]:
    """Log a role's output, and that it is still at work where it is silent.

    Yields:
        What takes each line, and the list of the last lines.

    """
    tail: list[str] = []
    with heartbeat(log) as beat:

        def take(line: str) -> None:
            beat()
            log(line)
            tail.append(line)
            del tail[:-TAIL]

        yield take, tail


@contextmanager
def heartbeat(log: Log) -> Iterator[Callable[[], None]]:
    """Log from time to time that something silent is still at work; yield the function that reports a sign of life."""
    done = threading.Event()
    last = began = time.monotonic()

    def beat() -> None:
        nonlocal last
        last = time.monotonic()

    def watch() -> None:
        while not done.wait(max(last + SILENCE - time.monotonic(), 0.01)):
            if time.monotonic() - last >= SILENCE:
                beat()
                log(f"still at work after {last - began:.0f} s")

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield beat
    finally:
        done.set()
        thread.join()


def as_message(tail: Iterable[str]) -> str:
    """Return the last lines as the indented end of a message."""
    return "".join(f"\n    {line}" for line in tail if line.strip())


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a text that comes in chunks, cut anywhere; the last one may lack its line break."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    for chunk in chunks:
        *whole, rest = (rest + decoder.decode(chunk)).replace("\r", "\n").split("\n")
        yield from whole
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest
