"""This process's terminal, given to a program elsewhere."""

import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import Iterator

import pytest

from remote.engine import terminal
from remote.engine.terminal import is_terminal, own_terminal


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give a terminal of 91 columns and 17 lines as this process's input."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 17, 91, 0, 0))
    monkeypatch.setattr(terminal, "INPUT", theirs)
    yield theirs
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("other", ["terminal", "file", "closed"])
def test_whether_a_program_may_have_it(screen: int, monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    """Only where both input and output are one; one that is closed is none, and no fault."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    if other == "closed":
        os.close(descriptor)
    monkeypatch.setattr(terminal, "OUTPUT", screen if other == "terminal" else descriptor)
    assert is_terminal() == (other == "terminal")
    monkeypatch.setattr(terminal, "OUTPUT", screen)
    monkeypatch.setattr(terminal, "INPUT", screen if other == "terminal" else descriptor)
    assert is_terminal() == (other == "terminal")
    if other != "closed":
        os.close(descriptor)


def test_its_size(screen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the terminal's own, at first and after each change, whatever a shell has exported."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    told: list[tuple[int, int]] = []
    with own_terminal(lambda columns, lines: told.append((columns, lines))):
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        os.kill(os.getpid(), signal.SIGWINCH)

    assert told == [(91, 17), (100, 30)]


def test_it_is_as_before_afterwards(screen: int) -> None:
    """Keys are passed on one by one within; echo and line editing are back at the end, also after an error."""
    before = termios.tcgetattr(screen)

    def program() -> None:
        with own_terminal(lambda _columns, _lines: None):
            assert not termios.tcgetattr(screen)[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        program()
    assert termios.tcgetattr(screen) == before
