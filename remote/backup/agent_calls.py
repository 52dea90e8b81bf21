"""skep's agent on a host, called over ssh: its JSON lines are heard as they come."""

import io
import json
import shlex
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from model.errors import CommandError, HostError
from remote.hostsetup.host_agent import AGENT
from remote.mother.process import Running
from remote.ssh.connection import Connection

_DAY = 86_400.0
_ENDS = 60.0
"""Seconds in which an agent ends that has written all."""
_PIECE = 1 << 16
Heard = Callable[[Mapping[str, Any]], None]


class AgentFailedError(HostError):
    """What an agent was asked for did not go well.

    Args:
        message: Why.
        result: What it had done all the same, if it says that.
        is_busy: Whether another job was at work there.

    """

    def __init__(
        self, message: str, result: Mapping[str, Any] | None = None, *, is_busy: bool = False
    ) -> None:
        super().__init__(message)
        self.result, self.is_busy = result, is_busy


def ask_agent(connection: Connection, *words: str, heard: Heard | None = None, timeout: float = _DAY) -> Any:
    """Have a host's agent do something, and return its result.

    Args:
        connection: The connection to the host.
        words: The verb and its words; no secrets.
        heard: Takes `progress` and `say` as they come.
        timeout: Seconds after which it is given up.

    Raises:
        AgentFailedError: It says that it can't be done, or that a part failed.
        HostError: The host does not answer, or has no agent.

    """
    last: dict[str, Any] = {}

    def line(text: str) -> None:
        try:
            content = json.loads(text)
        except ValueError:
            return
        if not isinstance(content, dict):
            return
        if "result" in content or "error" in content:
            last.update(content)
        elif heard is not None:
            heard(content)

    label = f"agent: {' '.join(words[:1])}"
    try:
        output = connection.run(_command(words), timeout=timeout, log=line, check=False, label=label)
    except CommandError as error:
        raise HostError(f"{connection.name}: {error}") from error
    if "error" in last:
        is_busy = last.get("kind") == "busy"
        raise AgentFailedError(f"{connection.name}: {last['error']}", is_busy=is_busy)
    if "result" not in last:
        said = output.strip().splitlines()[-1:] or ["it says nothing"]
        raise HostError(
            f"{connection.name}: skep's agent is not there, or broken (doit setup_hosts): {said[0]}"
        )
    result = last["result"]
    if isinstance(result, dict) and result.get("failed"):
        raise AgentFailedError(
            f"{connection.name}: {'; '.join(map(': '.join, result['failed'].items()))}", result
        )
    return result


def fetch_archive(
    connection: Connection,
    words: tuple[str, ...],
    directory: Path,
    come: Callable[[int], None] = lambda _bytes: None,
) -> None:
    """Have the repository host's agent send a generation, and unpack it into a directory here.

    Args:
        connection: The connection to the repository host.
        words: The verb and its words.
        directory: The directory.
        come: Is told the bytes that came so far.

    Raises:
        HostError: It does not come whole, or there is no room for it here.

    """
    with connection.session(_command(words)) as running:
        source = _Stream(running, come)
        first = source.line()
        if "archive" not in first:
            try:
                why = str(json.loads(first)["error"])
            except (ValueError, KeyError):
                why = first or "skep's agent is not there (doit setup_hosts)"
            raise HostError(f"{connection.name}: {why}")
        try:
            with tarfile.open(fileobj=source, mode="r|") as archive:
                archive.extractall(directory, filter="tar")
        except tarfile.TarError as error:
            raise HostError(f"{connection.name}: {_not_whole(directory)}") from error
        except OSError as error:
            raise HostError(f"{error.filename or directory}: {error.strerror}") from error
        # An archive that is cut off between two files looks whole: the agent's exit status says whether it is.
        while source.read(_PIECE):
            pass
        if running.wait(_ENDS) != 0:
            raise HostError(f"{connection.name}: {_not_whole(directory)}")


def _not_whole(directory: Path) -> str:
    """Return the sentence for a generation that was cut off."""
    return f"the generation did not come whole: remove {directory}, then type the same again"


class _Stream(io.RawIOBase):
    """A session's output as a file.

    Args:
        running: The session.
        come: Is told the bytes that were read of it so far.

    """

    def __init__(self, running: Running, come: Callable[[int], None]) -> None:
        super().__init__()
        self._running, self._rest = running, b""
        self._come, self._count = come, 0

    def line(self) -> str:
        """Return the first line."""
        while b"\n" not in self._rest:
            got = self._running.read()
            if not got:
                break
            self._rest += got
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace")

    def read(self, size: int = -1, /) -> bytes:
        """Return so many bytes; fewer at the end."""
        parts, missing = [self._rest], size - len(self._rest)
        while missing > 0:
            got = self._running.read()
            if not got:
                break
            parts.append(got)
            missing -= len(got)
        content = b"".join(parts)
        self._rest = content[size:]
        self._count += len(content[:size])
        self._come(self._count)
        return content[:size]


def _command(words: tuple[str, ...]) -> str:
    """Return the command line of an agent's verb, for a host's shell."""
    return f"sudo -n python3 -I {AGENT} backup {shlex.join(words)}"
