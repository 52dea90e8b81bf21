"""What the services' addresses answer at the end of a run."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from tasks.services.answers import ask

_CONNECT = socket.socket.connect
"""The real one, as unit tests may not connect to anything else than a server of their own."""


@pytest.fixture(autouse=True)
def _own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this module's tests connect to the loopback interface."""

    def connect(self: socket.socket, address: Any) -> None:
        assert address[0] == "127.0.0.1"
        _CONNECT(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


class Handler(BaseHTTPRequestHandler):
    """Answers with the status that the path names; `/late` waits, `/soon` is an error the first time."""

    until = threading.Event()
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Answer."""
        if self.path == "/late":
            self.until.wait(20)
        self.asked.append(self.path)
        status = {"/late": 200, "/soon": 502 if self.asked.count("/soon") == 1 else 204}.get(self.path)
        self.send_response(status or int(self.path.strip("/") or 200))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """Return the address of a server."""
    Handler.until.clear()
    Handler.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{made.server_port}"
        Handler.until.set()
        made.shutdown()
        thread.join()


def test_each_address_says_what_it_answers(address: str) -> None:
    """A status, whatever it is; a port that takes connections; one where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    host, port = address.split(":")
    commands = [
        f"curl http://{address}/",
        f"curl -sS 'http://{address}/502'",
        f"nc -z {host} {port}",
        f"nc -z {host} {nobody}",
    ]

    assert list(ask(commands, patience=0.5).values()) == [
        "200",
        "502",
        "answers",
        "does not answer from here: Connection refused",
    ]


def test_commands_that_do_more_than_ask_are_left_to_people(address: str) -> None:
    """What changes something, speaks udp, or is no address is not asked."""
    assert ask([f"curl -X POST http://{address}/", "dig @127.0.0.1", "nc -zu 127.0.0.1 53", "./try"]) == {}


def test_nobody_waits_for_long(address: str) -> None:
    """All are asked at the same time, and one that hangs holds up the end of the run for its time only."""
    began = time.monotonic()

    found = ask([f"curl http://{address}/late", f"curl -s http://{address}/late"], patience=0.2)

    assert time.monotonic() - began < 5
    assert all(answer.startswith("does not answer from here") for answer in found.values())
    assert len(found) == 2


def test_a_service_that_is_not_ready_yet(address: str) -> None:
    """It is asked again while there is time, and only it is: one that answers is asked once."""
    assert list(ask([f"curl http://{address}/soon", f"curl http://{address}/404"]).values()) == ["204", "404"]
    assert sorted(Handler.asked) == ["/404", "/soon", "/soon"]
