"""The log of a container, as an engine sends it."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from remote.engine.log_stream import LogRequest, log_lines
from tests.doubles.unix_http import UnixHandler, UnixServer, served

TIME = "2026-11-29T01:00:00.000000001Z"


def frame(kind: int, text: str) -> bytes:
    """Return a piece of a log, as the engine multiplexes them."""
    data = text.encode()
    return bytes([kind, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


class Engine(UnixServer):
    """An engine with one container's log."""

    log = b""
    has_terminal = False


class _Handler(UnixHandler):
    server: Engine

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        """Answer."""
        if not self.path.startswith("/containers/web/logs"):
            self.answer(200, {"Config": {"Tty": self.server.has_terminal}})
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(self.server.log)))
        self.end_headers()
        self.wfile.write(self.server.log)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give the engine, at the socket `docker` of the test's directory."""
    made = Engine(str(tmp_path / "docker"), _Handler)
    with served(made):
        yield made


def texts(tmp_path: Path) -> list[str]:
    """Return the texts of its lines."""
    return [line.text for line in log_lines("hive0", tmp_path / "docker", "web", LogRequest(follow=True))]


def test_words_of_the_engine_are_no_line(engine: Engine, tmp_path: Path) -> None:
    """It sends them on a stream of their own and without a time, as where a container is just removed."""
    engine.log = (
        frame(1, f"{TIME} one\n") + frame(3, "Error grabbing logs: EOF\n") + frame(2, f"{TIME} two\n")
    )
    assert texts(tmp_path) == ["one", "two"]

    engine.has_terminal = True
    engine.log = f"{TIME} one\r\nError grabbing logs: EOF\n{TIME} two\r\n".encode()
    assert texts(tmp_path) == ["one", "two"]
