"""A program's terminal has its size before the program gets what was typed ahead."""

import os
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from model.errors import ServiceError
from remote.engine import engine_session
from remote.engine.engine_session import EngineSession


class Program(EngineSession):
    """A program at a terminal; what happens to it is kept in order.

    Args:
        refusals: How often the engine refuses a size, as of a program that has no terminal yet.

    """

    def __init__(self, refusals: int) -> None:
        super().__init__("web on hive0", Path("none"), terminal=True, stdin=True)
        self.refusals = refusals
        self.happened: list[str] = []

    def begin(self) -> socket.socket:
        """Start it; it ends when it has read all of its input."""
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._reads, args=(theirs,), daemon=True).start()
        return ours

    def _reads(self, theirs: socket.socket) -> None:
        with theirs:
            while data := theirs.recv(100):
                self.happened.append(data.decode())

    def call(self, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        """Take a size, or refuse it."""
        del method, body
        if self.refusals:
            self.refusals -= 1
            raise ServiceError("cannot resize a stopped container")
        self.happened.append(path)
        return {}

    def size_path(self, columns: int, lines: int) -> str:
        """Return the path for a size."""
        return f"{columns}x{lines}"

    def pid(self) -> int:
        """Return none."""
        return 0

    def exit_status(self) -> int:
        """Return how it ended."""
        return 0


@pytest.mark.parametrize("refusals", [0, 3])
def test_the_size_comes_before_the_input(refusals: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that asks for its size at the first line has the right one, however late it has its terminal."""
    reader, writer = os.pipe()
    os.write(writer, b"stty size\n")
    os.close(writer)
    monkeypatch.setattr(engine_session, "INPUT", reader)
    program = Program(refusals)
    program.resize(90, 20)

    assert program.run(lambda *_: None) == 0
    assert program.happened == ["90x20", "stty size\n"]
    os.close(reader)


def test_input_comes_though_no_size_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program whose engine refuses each size is used without one."""
    reader, writer = os.pipe()
    os.write(writer, b"exit\n")
    os.close(writer)
    monkeypatch.setattr(engine_session, "INPUT", reader)
    monkeypatch.setattr(engine_session, "STARTING", 0.1)
    program = Program(1000)
    program.resize(90, 20)

    assert program.run(lambda *_: None) == 0
    assert program.happened == ["exit\n"]
    os.close(reader)
