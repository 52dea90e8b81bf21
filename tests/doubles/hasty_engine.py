"""An engine's socket where the output of a command comes together with the answer that announces it.

So it is where ssh forwards the socket and much is going on: seen with Docker Engine 20.10, whose answers these are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.doubles.unix_http import UnixHandler, UnixServer, served

OUTPUT = b"0\n0\n"


class _Handler(UnixHandler):
    """Answers what is asked for one command in one container."""

    def do_GET(self) -> None:  # noqa: N802 - http.server calls it so
        """Describe the engine, or the command's end."""
        self.answer(200, {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "ExitCode": 0})

    def do_POST(self) -> None:  # noqa: N802 - http.server calls it so
        """Make the command, or run it: headers and output in one packet, then the end."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.path.endswith("/start"):
            self.answer(201, {"Id": "x"})
            return
        frames = b"".join(
            bytes([1, 0, 0, 0]) + len(part).to_bytes(4, "big") + part for part in (OUTPUT[:2], OUTPUT[2:])
        )
        head = (
            b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n"
            b"Upgrade: tcp\r\n\r\n"
        )
        self.connection.sendall(head + frames)
        self.close_connection = True


@contextmanager
def hasty_engine(path: Path) -> Iterator[None]:
    """Listen on a socket."""
    with served(UnixServer(str(path), _Handler)):
        yield
