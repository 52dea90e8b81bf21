"""An engine's socket where the output of a command comes together with the answer that announces it.

So it is where ssh forwards the socket and much is going on: seen with Docker Engine 20.10, whose answers these are.
"""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

OUTPUT = b"0\n0\n"


class _Handler(BaseHTTPRequestHandler):
    """Answers what is asked for one command in one container."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Describe the engine, or the command's end."""
        self._answer(200, {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "ExitCode": 0})

    def do_POST(self) -> None:
        """Make the command, or run it: headers and output in one packet, then the end."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.path.endswith("/start"):
            self._answer(201, {"Id": "x"})
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

    def _answer(self, status: int, value: object) -> None:
        """Answer with an object."""
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        """Return no address: a socket in the file system has none."""
        return ""


class _Server(socketserver.ThreadingUnixStreamServer):
    """The socket."""

    daemon_threads = True


@contextmanager
def hasty_engine(path: Path) -> Iterator[None]:
    """Listen on a socket."""
    with _Server(str(path), _Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            made.shutdown()
            thread.join()
