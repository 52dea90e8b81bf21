"""A container's own program at a terminal, ended before it is attached to: the engine would wait for the next start."""

import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from remote.engine import container_session
from remote.engine.container_session import ContainerSession

PIECE = b"x" * 4096
PIECES = 400


class Ended(ContainerSession):
    """A program that has ended, whose output an engine still sends."""

    def __init__(self) -> None:
        super().__init__("web.run on hive0", Path("none"), "web", terminal=True, stdin=False)
        self.theirs: socket.socket | None = None

    def upgraded(self, path: str, body: object = None) -> socket.socket:
        """Return the connection, on which the output comes; it is not closed behind it."""
        del path, body
        ours, self.theirs = socket.socketpair()
        threading.Thread(target=self.theirs.sendall, args=(PIECE * PIECES,), daemon=True).start()
        return ours

    def call(self, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        """Return how it ended."""
        del method, path, body
        return {"State": {"Running": False, "ExitCode": 3}}


def test_its_output_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slowly it is read, as by a program that compresses it; then there is an end."""
    monkeypatch.setattr(container_session, "LOOK", 0.2)
    monkeypatch.setattr(container_session, "_QUIET", 0.02)
    got = []

    def slowly(_descriptor: int, data: bytes) -> None:
        got.append(len(data))
        time.sleep(0.04)

    session = Ended()
    assert session.run(slowly) == 3
    assert sum(got) == len(PIECE) * PIECES
    assert session.theirs is not None
    session.theirs.close()
