"""This process's terminal, given to a program elsewhere: each key, and its size, as long as that runs."""

import contextlib
import os
import signal
import stat
import termios
import tty
from collections.abc import Callable, Iterator

INPUT, OUTPUT, ERRORS = 0, 1, 2
CHUNK = 1 << 16


def is_terminal() -> bool:
    """Return whether input and output of this process are a terminal, so that a program elsewhere may have it."""
    return os.isatty(INPUT) and os.isatty(OUTPUT)


def has_input() -> bool:
    """Return whether something is piped into this process: by a pipe, a file or a socket."""
    try:
        mode = os.fstat(INPUT).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


@contextlib.contextmanager
def own_terminal(resize: Callable[[int, int], None]) -> Iterator[None]:
    """Leave each key to a program elsewhere; what was typed ahead stays.

    Args:
        resize: Tells it columns and lines, at first and whenever they change.

    """

    def tell(*_: object) -> None:
        # The terminal's own, and not COLUMNS and LINES, which a shell may have exported long ago.
        with contextlib.suppress(OSError):
            resize(*os.get_terminal_size(INPUT))

    tell()
    before, handler = termios.tcgetattr(INPUT), signal.signal(signal.SIGWINCH, tell)
    tty.setraw(INPUT, termios.TCSADRAIN)
    try:
        yield
    finally:
        # It may be gone, as where its window was closed.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(INPUT, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, handler)


def write(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[os.write(descriptor, data) :]
