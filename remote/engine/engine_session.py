"""A program in a container with this process's input and output, over a bare connection to its engine.

Written without Docker's SDK, whose import takes longer than most commands. The frames of the bare connection are in
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

import contextlib
import json
import os
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any

from model.errors import HostError, ServiceError
from model.reasons import reason_of
from remote.engine.terminal import CHUNK, ERRORS, INPUT, OUTPUT
from remote.engine.unix_http import UnixHttp, UpgradedResponse
from remote.mother.wait import Pace, attempts

STARTING = 3.0
"""Seconds within which a program has its terminal."""
ANSWER = 10.0
"""Seconds that the engine may take for an answer."""
_HEADER = 8
_ERROR_STREAM = 2


class EngineSession(ABC):
    """A program in a container.

    Args:
        where: Host and container, for messages.
        engine: The socket of the host's engine.
        terminal: Whether the program has a terminal.
        stdin: Whether it reads this process's input; else its input is empty.

    """

    def __init__(self, where: str, engine: Path, *, terminal: bool, stdin: bool) -> None:
        self._where, self._engine, self._terminal, self._stdin = where, engine, terminal, stdin
        self._size: tuple[int, int] | None = None
        self._has_begun = False

    def run(self, output: Callable[[int, bytes], None]) -> int:
        """Let the program run to its end, and return its exit status.

        Args:
            output: Takes each piece of its output, with 1 for standard output and 2 for standard error.

        Raises:
            HostError: The engine does not answer any more; the program may still run.
            ServiceError: The program can't be started.

        """
        with self.begin() as stream:
            self._has_begun = True
            threading.Thread(target=self._begin_input, args=(stream,), daemon=True).start()
            for descriptor, data in self._received(stream):
                output(descriptor, data)
        return self.exit_status()

    @abstractmethod
    def begin(self) -> socket.socket:
        """Return the connection with the program's input and output."""

    @abstractmethod
    def exit_status(self) -> int:
        """Return how the program ended."""

    @abstractmethod
    def pid(self) -> int:
        """Return the process id on its host; 0 if it does not run."""

    @abstractmethod
    def size_path(self, columns: int, lines: int) -> str:
        """Return the path of the call that gives the program's terminal a size."""

    def resize(self, columns: int, lines: int) -> None:
        """Give the program's terminal a size, as soon as it has one."""
        self._size = columns, lines
        # Of a program that is not started yet the engine would wait for that.
        if self._has_begun:
            self._tell_size(once=True)

    def _tell_size(self, *, once: bool = False) -> None:
        """Give the program's terminal the last size that was asked for; a program needs a moment to start."""
        for _ in attempts(0 if once else STARTING, Pace(first=0.02, longest=0.2)):
            if self._size is None:
                return
            with contextlib.suppress(HostError, ServiceError):
                self.call("POST", self.size_path(*self._size))
                return

    def upgraded(self, path: str, body: object = None) -> socket.socket:
        """Make a call after which the connection is the program's own input and output."""
        connection = UnixHttp(self._engine, ANSWER)
        connection.response_class = UpgradedResponse
        headers = {"Content-Type": "application/json", "Connection": "Upgrade", "Upgrade": "tcp"}
        try:
            connection.request("POST", path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            if response.status not in (HTTPStatus.SWITCHING_PROTOCOLS, HTTPStatus.OK):
                raise ServiceError(f"{self._where}: {message_of(response.read()) or response.reason}")
        except (OSError, HTTPException) as error:
            raise self._silent(error) from error
        connection.sock.settimeout(None)
        return connection.sock

    def _received(self, stream: socket.socket) -> Iterator[tuple[int, bytes]]:
        """Yield the command's output as it comes."""
        try:
            if self._terminal:
                while data := stream.recv(CHUNK):
                    yield OUTPUT, data
                return
            while header := _exactly(stream, _HEADER):
                descriptor = ERRORS if header[0] == _ERROR_STREAM else OUTPUT
                left = int.from_bytes(header[4:], "big")
                while left and (data := stream.recv(min(left, CHUNK))):
                    left -= len(data)
                    yield descriptor, data
        except OSError as error:
            raise self._silent(error) from error

    def _begin_input(self, stream: socket.socket) -> None:
        """Give the program's terminal its size, then send the input: what was typed ahead may ask for the size."""
        if self._size is not None:
            self._tell_size()
        if self._stdin:
            self._send(stream)
        else:
            self._end_input(stream)

    def _send(self, stream: socket.socket) -> None:
        """Send this process's input, then its end."""
        try:
            with contextlib.suppress(OSError):
                while data := os.read(INPUT, CHUNK):
                    stream.sendall(data)
        finally:
            self._end_input(stream)

    def _end_input(self, stream: socket.socket) -> None:
        """Tell the command that there is no more input."""
        with contextlib.suppress(OSError):
            stream.shutdown(socket.SHUT_WR)

    def call(self, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        """Make a call, and return the engine's answer."""
        connection = UnixHttp(self._engine, ANSWER)
        try:
            connection.request(
                method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            data = response.read()
        except (OSError, HTTPException) as error:
            raise self._silent(error) from error
        finally:
            connection.close()
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise ServiceError(f"{self._where}: {message_of(data) or response.reason}")
        answer: Mapping[str, Any] = json.loads(data) if data else {}
        return answer

    def _silent(self, error: Exception) -> HostError:
        """Return the error of an engine that does not answer."""
        return HostError(f"{self._where}: its Docker Engine does not answer ({reason_of(error)})")


def message_of(data: bytes) -> str:
    """Return an engine's own words for why it refuses; empty if it says none."""
    try:
        answer = json.loads(data)
    except ValueError:
        return ""
    return str(answer.get("message", "")) if isinstance(answer, dict) else ""


def _exactly(stream: socket.socket, count: int) -> bytes:
    """Return so many bytes of a stream; none at its end."""
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            return b""
        data += more
    return data
