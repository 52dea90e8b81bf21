"""The host's Docker Engine by its Unix socket, for one who only reads: little memory, and no answer waited for long.

It speaks HTTP/1.0, to which the engine answers without chunks and closes. `http.client` would load all of OpenSSL,
which is 5 MB of memory, for a socket that has none.
"""

import json
import socket
import time
from collections.abc import Mapping
from typing import Any

from agent.errors import AgentError, reason_of

SOCKET = "/var/run/docker.sock"
TIMEOUT = 5.0
"""Seconds within which an answer must be here, whole."""
LARGEST = 32 << 20
"""Bytes that an answer may have."""
_VERSION = "/v1.41"
"""Of Engine 20.10, the oldest that skep sets up."""
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_CHUNK = 1 << 16
_OK, _REFUSED = 200, 400


class EngineRefusedError(AgentError):
    """The engine answers, and says no; the message is its sentence."""


class EngineReader:
    """The engine.

    Args:
        path: Its socket.
        timeout: Seconds within which an answer must be here, whole.

    """

    def __init__(self, path: str = SOCKET, timeout: float = TIMEOUT) -> None:
        self._path, self._timeout = path, timeout
        self._ends = float("inf")

    def be_patient_for(self, seconds: float) -> None:
        """Wait so long for all answers from now on together."""
        self._ends = time.monotonic() + seconds

    def read(self, path: str, **query: Any) -> Any:
        """Return what the engine answers to GET, as Python has it.

        Args:
            path: The path, as in `/containers/json`.
            query: The query; what is no text is sent as JSON.

        Raises:
            EngineRefusedError: It refuses.
            AgentError: It does not answer, or not in time.

        """
        ends = min(time.monotonic() + self._timeout, self._ends)
        parts, size = [], 0
        with self._asked(path, query) as connection:
            while True:
                part = self._received(connection, ends)
                if not part:
                    break
                parts.append(part)
                size += len(part)
                if size > LARGEST:
                    raise AgentError(
                        f"the Docker Engine's answer to {path} is longer than {LARGEST >> 20} MB"
                    )
        head, _, body = b"".join(parts).partition(b"\r\n\r\n")
        status = _status(head)
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise AgentError(f"the Docker Engine's answer to {path} is cut off") from error
        if status >= _REFUSED:
            raise EngineRefusedError(str(answer.get("message", "it says nothing")).strip())
        return answer

    def stream(self, path: str, **query: Any) -> socket.socket:
        """Return the connection on which the engine goes on to answer, a JSON object a line; not blocking.

        Raises:
            AgentError: It refuses, or does not answer in time.

        """
        ends = min(time.monotonic() + self._timeout, self._ends)
        connection = self._asked(path, query)
        try:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                got = self._received(connection, ends, 1)  # not a byte more: the lines begin right behind
                if not got:
                    break
                head += got
        except AgentError:
            connection.close()
            raise
        if _status(head) != _OK:
            connection.close()
            raise AgentError(f"the Docker Engine refuses {path}")
        connection.setblocking(False)  # noqa: FBT003 - its name says it
        return connection

    def _asked(self, path: str, query: Mapping[str, Any]) -> socket.socket:
        """Return a connection on which the question was asked."""
        words = "&".join(
            f"{name}={_quoted(value if isinstance(value, str) else json.dumps(value))}"
            for name, value in query.items()
        )
        target = f"{_VERSION}{path}" + (f"?{words}" if words else "")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(max(0.001, min(self._timeout, self._ends - time.monotonic())))
        try:
            connection.connect(self._path)
            connection.sendall(f"GET {target} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        except OSError as error:
            connection.close()
            raise self._silent(error) from error
        return connection

    def _received(self, connection: socket.socket, ends: float, most: int = _CHUNK) -> bytes:
        """Return what comes next; nothing at the end."""
        try:
            connection.settimeout(max(0.001, ends - time.monotonic()))
            return connection.recv(most)
        except OSError as error:
            raise self._silent(error) from error

    def _silent(self, error: OSError) -> AgentError:
        """Return that the engine does not answer."""
        return AgentError(f"the Docker Engine does not answer at {self._path}: {reason_of(error)}")


def _quoted(text: str) -> str:
    """Return a text as it stands in a query (RFC 3986, 2.1); `urllib` would take half a megabyte for it."""
    return "".join(chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in text.encode())


def _status(head: bytes) -> int:
    """Return an answer's status; 0 if it is no answer."""
    words = head.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
