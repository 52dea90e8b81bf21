"""The host's Docker Engine by its Unix socket, as far as backups need it. No package, no docker command."""

import http
import http.client
import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode

from agent.errors import AgentError, reason_of

SOCKET = "/var/run/docker.sock"
_CHUNK = 1 << 20
_VERSION = "/v1.41"
"""Of Engine 20.10, the oldest that skep sets up."""
_STDERR = 2


class _Connection(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class EngineSocket:
    """The engine.

    Args:
        path: Its socket.
        timeout: Seconds within which it answers a question.

    """

    def __init__(self, path: str = SOCKET, timeout: float = 60) -> None:
        self._path, self._timeout = path, timeout

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        allowed: Sequence[int] = (),
        timeout: float | None = None,
        **query: Any,
    ) -> Any:
        """Ask the engine, and return its answer as Python has it; None where it has no text.

        Args:
            method: HTTP's method.
            path: The path, as in `/containers/json`.
            body: What is sent, as JSON.
            allowed: Further statuses that are no mistake; the answer is None then.
            timeout: Seconds within which it answers; by default as of the engine.
            query: The query; what is no text is sent as JSON.

        Raises:
            AgentError: It refuses, or does not answer.

        """
        headers = {"Content-Type": "application/json"} if body is not None else {}
        content = json.dumps(body).encode() if body is not None else None
        try:
            connection = _Connection(self._path, timeout or self._timeout)
            try:
                connection.request(method, _target(path, query), content, headers)
                answer = connection.getresponse()
                text = answer.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            msg = f"the Docker Engine does not answer at {self._path}: {reason_of(error)}"
            raise AgentError(msg) from error
        if answer.status in allowed:
            return None
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise AgentError(f"the Docker Engine refuses {method} {path}: {_message(text)}")
        return json.loads(text) if text.strip() else None

    def containers(self, labels: Sequence[str], *, ended: bool = False) -> list[dict[str, Any]]:
        """Return the containers with labels (`name` or `name=value`); those that ended only if asked for."""
        found: list[dict[str, Any]] = self.ask(
            "GET", "/containers/json", all=ended, filters={"label": list(labels)}
        )
        return found

    def inspect(self, container: str) -> dict[str, Any]:
        """Return all that the engine knows of a container."""
        found: dict[str, Any] = self.ask("GET", f"/containers/{container}/json")
        return found

    def run(
        self,
        container: str,
        command: Sequence[str],
        output: IO[bytes],
        *,
        given: IO[bytes] | None = None,
        timeout: float = 3600,
        user: str = "",
    ) -> tuple[int, str]:
        """Run a command in a container to its end; return its exit status and the last of its standard error.

        Args:
            container: The container.
            command: The command's words.
            output: Takes its standard output.
            given: Its standard input; none by default.
            timeout: Seconds within which it must say or take something.
            user: The user that it runs as; by default the container's.

        Raises:
            AgentError: It could not be started, or its connection ended before it did.
            OSError: Its output can't be written.

        """
        body = {
            "AttachStdin": given is not None,
            "AttachStdout": True,
            "AttachStderr": True,
            "Cmd": list(command),
            "User": user,
        }
        identity = self.ask("POST", f"/containers/{container}/exec", body=body)["Id"]
        stream = self._upgrade(f"/exec/{identity}/start", {"Detach": False, "Tty": False}, timeout)
        try:
            errors = _converse(stream, output, given)
        except TimeoutError as error:
            raise AgentError(f"it said nothing for {timeout:.0f} s") from error
        finally:
            stream.close()
        state = self.ask("GET", f"/exec/{identity}/json")
        if state["Running"] or state["ExitCode"] is None:
            raise AgentError("its connection ended before it did")
        return int(state["ExitCode"]), errors

    def _upgrade(self, path: str, body: Any, timeout: float) -> socket.socket:
        """Return the two-way stream that a request becomes.

        Raises:
            AgentError: The engine refuses.

        """
        content = json.dumps(body).encode()
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.settimeout(timeout)
        head = b""
        try:
            stream.connect(self._path)
            stream.sendall(
                f"POST {_VERSION}{path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
                + content
            )
            while not head.endswith(b"\r\n\r\n"):
                got = stream.recv(1)  # not a byte more: the stream begins right behind
                if not got:
                    break
                head += got
            if head.split(b" ", 2)[1:2] in ([b"101"], [b"200"]):
                return stream
            refusal = _message(stream.recv(_CHUNK))
        except OSError as error:
            stream.close()
            msg = f"the Docker Engine does not answer at {self._path}: {reason_of(error)}"
            raise AgentError(msg) from error
        stream.close()
        raise AgentError(f"the Docker Engine refuses {path}: {refusal}")

    def archive(self, container: str, path: str, output: IO[bytes]) -> None:
        """Write a path of a container as a tar stream.

        Raises:
            AgentError: There is no such path, or the stream ends early.

        """
        connection = _Connection(self._path, self._timeout)
        try:
            connection.request("GET", _target(f"/containers/{container}/archive", {"path": path}))
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                raise AgentError(f"{path}: {_message(answer.read())}")
            while chunk := answer.read(_CHUNK):
                output.write(chunk)
        except http.client.HTTPException as error:
            raise AgentError(f"{path}: the engine's stream ended early") from error
        finally:
            connection.close()

    def unpack(self, container: str, path: str, archive: Path) -> None:
        """Unpack a tar file in a directory of a container.

        Raises:
            AgentError: The engine refuses.

        """
        connection = _Connection(self._path, None)
        try:
            with archive.open("rb") as file:
                headers = {"Content-Type": "application/x-tar", "Content-Length": str(archive.stat().st_size)}
                target = _target(f"/containers/{container}/archive", {"path": path})
                connection.request("PUT", target, file, headers)
                answer = connection.getresponse()
                text = answer.read()
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise AgentError(f"{path}: {_message(text)}")


def _target(path: str, query: Mapping[str, Any]) -> str:
    """Return a request's target."""
    words = {name: value if isinstance(value, str) else json.dumps(value) for name, value in query.items()}
    return f"{_VERSION}{quote(path)}" + (f"?{urlencode(words)}" if words else "")


def _message(text: bytes) -> str:
    """Return the sentence in an engine's refusal."""
    try:
        return str(json.loads(text)["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return text.decode(errors="replace").strip() or "it says nothing"


def _converse(stream: socket.socket, output: IO[bytes], given: IO[bytes] | None) -> str:
    """Give a command its input and take its output until it ends; return the last of its standard error."""
    failures: list[BaseException] = []

    def give(source: IO[bytes]) -> None:
        try:
            while chunk := source.read(_CHUNK):
                stream.sendall(chunk)
            stream.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            return  # it ended without reading all of it, and its status tells
        except OSError as error:
            failures.append(error)

    giver = threading.Thread(target=give, args=(given,), daemon=True) if given is not None else None
    if giver is not None:
        giver.start()
    errors = b""
    for kind, content in _frames(stream):
        if kind == _STDERR:
            errors = (errors + content)[-4000:]
        else:
            output.write(content)
    if giver is not None:
        giver.join(timeout=60)
    if failures:
        raise failures[0]
    return errors.decode(errors="replace").strip()


def _frames(stream: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield the parts of a command's output, each with the number of its stream.

    https://docs.docker.com/reference/api/engine/ ("Stream format"): a kind, three zeros, the length, the bytes.
    """
    while head := _exactly(stream, 8):
        kind, length = struct.unpack(">BxxxL", head)
        while length:
            part = _received(stream, min(length, _CHUNK))
            if not part:
                raise AgentError("its connection ended before it did")
            length -= len(part)
            yield kind, part


def _exactly(stream: socket.socket, length: int) -> bytes:
    """Return so many bytes; none at the end of the stream."""
    got = b""
    while len(got) < length:
        part = _received(stream, length - len(got))
        if not part:
            if got:
                raise AgentError("its connection ended before it did")
            return b""
        got += part
    return got


def _received(stream: socket.socket, most: int) -> bytes:
    """Return what comes next; a connection that breaks is no fault of whoever writes it down.

    Raises:
        AgentError: It broke.
        TimeoutError: Nothing came in time.

    """
    try:
        return stream.recv(most)
    except TimeoutError:
        raise
    except OSError as error:
        raise AgentError(f"its connection broke: {reason_of(error)}") from error
