"""The client of a host's engine: how it uses connections."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from remote.engine.client import Engine
from remote.mother.wait import wait_for
from tests.doubles.hasty_engine import OUTPUT, hasty_engine
from tests.doubles.unix_http import UnixHandler, UnixServer, served


class Handler(UnixHandler):
    """Answers everything with an object, and keeps the connection."""

    def do_GET(self) -> None:  # noqa: N802 - http.server calls it so
        """Answer."""
        self.answer(200, {"ApiVersion": "1.41", "MinAPIVersion": "1.24"})


class Server(UnixServer):
    """An engine's socket, which counts connections."""

    request_queue_size = 128

    def __init__(self, path: Path) -> None:
        """Listen."""
        super().__init__(str(path), Handler)
        self.opened = self.open = 0
        self.lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count it."""
        with self.lock:
            self.opened += 1
            self.open += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Count it as closed."""
        with self.lock:
            self.open -= 1
        super().shutdown_request(request)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return an engine that answers."""
    made = Server(tmp_path / "docker.sock")
    with served(made):
        yield made


def test_calls_share_connections(server: Server, tmp_path: Path) -> None:
    """Calls by many ids, one after the other, use one connection: through ssh each new one is a round trip."""
    engine = Engine(tmp_path / "docker.sock")
    before = server.opened
    for number in range(60):
        engine.api.inspect_volume(f"volume{number}")

    assert server.opened - before == 1
    # That of the question for the version is closed, which was asked by the SDK's own.
    wait_for(lambda: server.open == 1, "one connection to stay", 20)
    engine.close()
    wait_for(lambda: server.open == 0, "none to stay", 20)


@pytest.mark.slow
def test_many_calls_at_a_time_close_nobodys_connection(server: Server, tmp_path: Path) -> None:
    """More URLs than the SDK keeps pools for, by many threads: none finds its connection's pool closed."""
    engine = Engine(tmp_path / "docker.sock")
    with ThreadPoolExecutor(64) as pool:
        found = list(pool.map(lambda number: engine.api.inspect_volume(f"volume{number}"), range(2000)))
    engine.close()

    assert len(found) == 2000
    assert server.opened <= 70


@pytest.mark.parametrize("demux", [True, False])
def test_no_output_of_a_command_is_lost(tmp_path: Path, *, demux: bool) -> None:
    """Also where it comes together with the answer's headers, as through ssh under load."""
    with hasty_engine(tmp_path / "docker.sock"):
        engine = Engine(tmp_path / "docker.sock")
        output = engine.api.exec_start("x", demux=demux)
        engine.close()

    assert output == ((OUTPUT, None) if demux else OUTPUT)
