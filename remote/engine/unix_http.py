"""HTTP over a Unix socket, also where an answer turns the connection into a bare one."""

import http.client
import socket
from http.client import HTTPResponse
from pathlib import Path
from typing import Any


class UpgradedResponse(HTTPResponse):
    """An answer whose headers are read and not a byte more: what follows them is the bare connection's."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        # Of one byte, and not none: the SDK takes the socket from behind it.
        self.fp = sock.makefile("rb", buffering=1)


class UnixHttp(http.client.HTTPConnection):
    """HTTP over a Unix socket.

    Args:
        path: The socket.
        timeout: Seconds that connecting, sending and each piece of an answer may take.

    """

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket, and not to a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(str(self._path))
        except OSError:
            self.close()
            raise
