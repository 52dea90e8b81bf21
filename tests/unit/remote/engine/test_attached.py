"""A container with this process's input: what it is sent, and how it is known if this process is killed."""

import os
import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from remote.engine import attached


class Killed(BaseException):
    """This process was killed."""


def test_a_container_that_is_not_started_is_known_by_its_label() -> None:
    """The engine removes by itself only what has run; until then the image's secrets are in it."""
    made: list[dict[str, Any]] = []

    def create(image: str, **options: Any) -> Any:
        made.append({"image": image, **options})
        raise Killed

    client: Any = SimpleNamespace(api=None, containers=SimpleNamespace(create=create))

    with pytest.raises(Killed):
        attached.run_attached(client, "skep/failed:x", ["sh"], b"", terminal=False)

    assert made[0]["labels"] == {"skep.shell": "skep/failed:x"}


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the connection of a command, its other end, and a function that writes to this process's input."""
    end, into = os.pipe()
    monkeypatch.setattr(attached, "INPUT", end)
    ours, theirs = socket.socketpair()
    theirs.settimeout(20)
    with ours, theirs:
        yield SimpleNamespace(_sock=ours), theirs, into
    os.close(end)


def test_a_command_may_read_its_input_late(pair: Any) -> None:
    """All of it arrives, and then its end, however long the command took."""
    connection, theirs, into = pair
    connection._sock.settimeout(0.01)
    whole = b"x" * (1 << 22)
    sender = threading.Thread(target=attached._send, args=(connection,), daemon=True)
    writer = threading.Thread(target=_write, args=(into, whole), daemon=True)
    writer.start()
    sender.start()
    # As long as the connection's own time for an answer, and more.
    sender.join(0.2)

    found = b""
    while piece := theirs.recv(1 << 16):
        found += piece
    assert found == whole


def test_the_end_comes_also_where_the_input_can_not_be_read(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that is gone gives an error: a command that waits for more would wait for ever."""
    connection, theirs, into = pair
    os.close(into)

    def gone(_descriptor: int, _size: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", gone)
    attached._send(connection)

    assert theirs.recv(1) == b""


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it, and its end."""
    while data:
        data = data[os.write(descriptor, data) :]
    os.close(descriptor)
