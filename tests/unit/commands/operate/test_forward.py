"""The ports of `doit forward`, and for how long they are open."""

from dataclasses import replace
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands.operate import forward
from commands.operate.forward import _failure_words, _Port, _port
from model.stage import Host
from tasks.operate.containers import ServiceContainer, ServiceContainers


@pytest.mark.parametrize(
    ("word", "port"),
    [
        ("8080:80", _Port("127.0.0.1", 8080, 80)),
        ("80", _Port("127.0.0.1", 80, 80)),
        ("192.0.2.1:8080:80", _Port("192.0.2.1", 8080, 80)),
        ("[::1]:8080:80", _Port("[::1]", 8080, 80)),
    ],
)
def test_a_port(word: str, port: _Port) -> None:
    """Open to this machine alone, unless an address says otherwise; one number is the same at both ends."""
    assert _port(word) == port


@pytest.mark.parametrize("word", ["web", "80:web", "0:80", "80:70000", ":80", "80:"])
def test_no_port(word: str) -> None:
    """It is said how one is written."""
    with pytest.raises(InvalidCommand, match="write the port here and the port there, as 8080:80"):
        _port(word)


@pytest.mark.parametrize(
    ("line", "ports", "words"),
    [
        (
            "channel 3: open failed: connect failed: Connection refused",
            [81],
            "a connection was refused: nothing listens at port 81 of web.1 on hive0 (abc)",
        ),
        (
            "channel 12: open failed: connect failed: No route to host",
            [81, 82],
            "a connection to port 81 or 82 of web.1 on hive0 (abc) could not be made: connect failed: No route to host",
        ),
        (
            "Timeout, server not responding.",
            [81],
            "hive0: ssh: Timeout, server not responding.",
        ),
    ],
)
def test_a_connection_that_could_not_be_made(line: str, ports: list[int], words: str) -> None:
    """It is said in plain words, with the port there: here it is only closed."""
    host = Host("hive0", "p-hive0.example", "10.0.0.1", is_hive=True, is_repository=False)
    numbers = [_Port("127.0.0.1", 8080 + n, port) for n, port in enumerate(ports)]

    assert _failure_words(line, host, numbers, "web.1 on hive0 (abc)") == words


@pytest.mark.parametrize(
    ("answered", "state", "expected"),
    [
        ({"hive0", "hive2"}, "running", True),
        ({"hive0"}, "paused", True),
        ({"hive0"}, "exited", False),
        ({"hive0"}, "", False),
        ({"hive2"}, "", True),
    ],
)
def test_a_container_that_is_gone(
    monkeypatch: pytest.MonkeyPatch, answered: set[str], state: str, *, expected: bool
) -> None:
    """Its own host says so; that another one is silent keeps no port open to nobody. One that is paused is there."""
    host = Host("hive0", "p-hive0.example", "10.0.0.1", is_hive=True, is_repository=False)
    container = ServiceContainer("web", host, "0" * 64, "web.1", "running", "Up", 1.0, "page")
    found = ServiceContainers(
        (replace(container, state=state),) if state else (),
        ("hive1: no answer within 8 s",),
        frozenset(answered),
    )
    monkeypatch.setattr(forward, "find_containers", lambda *_, **__: found)
    run: Any = None

    assert forward._still_runs(run, container) is expected
