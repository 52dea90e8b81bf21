"""A container's own program, from its first byte on: `docker attach`, by the engine's API."""

import contextlib
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path

from model.errors import HostError, ServiceError
from remote.engine.engine_session import ANSWER, EngineSession, message_of
from remote.engine.exec_session import DETACH_KEYS
from remote.engine.log_stream import frames
from remote.engine.terminal import ERRORS, OUTPUT
from remote.engine.unix_http import UnixHttp
from remote.mother.wait import Pace, attempts, pause

LOOK = 1.0
"""Seconds between two looks whether it still runs, and for which its last output may come late."""
_QUIET = 0.1
"""Seconds between two looks whether there is output that nobody has read yet."""


class ContainerSession(EngineSession):
    """The program of a container that runs, or has run.

    Args:
        where: Host and container, for messages.
        engine: The socket of the host's engine.
        container: The container's id; it keeps a log that can be read.
        terminal: Whether it was made with a terminal.
        stdin: Whether it gets this process's input.

    """

    def __init__(self, where: str, engine: Path, container: str, *, terminal: bool, stdin: bool) -> None:
        super().__init__(where, engine, terminal=terminal, stdin=stdin)
        self._container = container

    def run(self, output: Callable[[int, bytes], None]) -> int:
        """Let the program run to its end, and return its exit status.

        Without a terminal its output is that of its log: where one attaches to it, the engine sends the log, then what
        comes from then on, and what is written between the two is lost.
        """
        if self._terminal:
            return super().run(output)
        connection = UnixHttp(self._engine, ANSWER)
        try:
            connection.request("GET", f"/containers/{self._container}/logs?stdout=1&stderr=1&follow=1")
            response = connection.getresponse()
            connection.sock.settimeout(None)
            if response.status != HTTPStatus.OK:
                raise ServiceError(f"{self._where}: {message_of(response.read()) or response.reason}")
            for is_error, data in frames(response):
                output(ERRORS if is_error else OUTPUT, data)
        except BrokenPipeError:
            raise  # nobody reads the output any more
        except (OSError, HTTPException) as error:
            raise self._silent(error) from error
        finally:
            connection.close()
        return self.exit_status()

    def begin(self) -> socket.socket:
        """Attach to it; what it has written so far comes first."""
        words = f"logs=1&stream=1&stdin={int(self._stdin)}&stdout=1&stderr=1&detachKeys={DETACH_KEYS}"
        stream = self.upgraded(f"/containers/{self._container}/attach?{words}")
        # Of one that has ended before that the engine would wait for the next start.
        threading.Thread(target=self._end_with_it, args=(stream,), daemon=True).start()
        return stream

    def _end_with_it(self, stream: socket.socket) -> None:
        """End the stream when the program has ended and all of its output is read, unless it has ended by itself."""
        with contextlib.suppress(HostError, ServiceError, OSError):
            while self.pid():
                pause(LOOK)
            silent = 0.0
            while silent < LOOK:
                pause(_QUIET)
                silent = 0.0 if _has_more(stream) else silent + _QUIET
            stream.shutdown(socket.SHUT_RDWR)

    def size_path(self, columns: int, lines: int) -> str:
        """Return the path of the call that gives its terminal a size."""
        return f"/containers/{self._container}/resize?w={columns}&h={lines}"

    def pid(self) -> int:
        """Return the process id on its host; 0 if it does not run."""
        state = self.call("GET", f"/containers/{self._container}/json")["State"]
        return int(state.get("Pid") or 0) if state.get("Running") else 0

    def exit_status(self) -> int:
        """Return how it ended.

        Raises:
            HostError: It still runs: the connection broke.

        """
        for _ in attempts(ANSWER, Pace(first=0.01, longest=0.5)):
            state = self.call("GET", f"/containers/{self._container}/json")["State"]
            if not state.get("Running"):
                return int(state.get("ExitCode") or 0)
        raise HostError(f"{self._where}: the connection broke, and the program still runs there")


def _has_more(stream: socket.socket) -> bool:
    """Return whether there is something to be read, as where a slow program reads our output."""
    try:
        return bool(stream.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False
