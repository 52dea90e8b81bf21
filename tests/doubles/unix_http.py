"""HTTP on a socket in the file system, as engines have it, for doubles of them."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler


class UnixServer(socketserver.ThreadingUnixStreamServer):
    """A socket; a thread for each connection."""

    daemon_threads = True


class UnixHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: int, value: object) -> None:
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


@contextmanager
def served(server: UnixServer) -> Iterator[None]:
    """Serve until the end of the block, and close the socket."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
