"""A command in a running container: `docker exec`, by the engine's API."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model.errors import HostError
from remote.engine.engine_session import ANSWER, EngineSession
from remote.mother.wait import Pace, attempts

DETACH_KEYS = "ctrl-_,ctrl-^,ctrl-_"
"""Keys that nobody types: those of the engine, Ctrl-P Ctrl-Q, would hold back each Ctrl-P until the next key."""


@dataclass(frozen=True)
class ExecRequest:
    """A command to run in a container.

    Args:
        command: The program and its arguments.
        terminal: Whether it gets a terminal.
        stdin: Whether it reads this process's input; else its input is empty.
        user: The user it runs as; the container's own if that is empty.
        workdir: The directory it runs in; the container's own if that is empty.
        environment: Lines `NAME=value` beside the container's.

    """

    command: Sequence[str]
    terminal: bool = False
    stdin: bool = True
    user: str = ""
    workdir: str = ""
    environment: Sequence[str] = field(default=())


class ExecSession(EngineSession):
    """A command that runs in a container.

    Args:
        where: Host and container, for messages.
        engine: The socket of the host's engine.
        container: The container's id.
        request: The command.

    Raises:
        HostError: The engine does not answer.
        ServiceError: It refuses.

    """

    def __init__(self, where: str, engine: Path, container: str, request: ExecRequest) -> None:
        super().__init__(where, engine, terminal=request.terminal, stdin=request.stdin)
        answer = self.call(
            "POST",
            f"/containers/{container}/exec",
            {
                "AttachStdin": request.stdin,
                "AttachStdout": True,
                "AttachStderr": True,
                "Tty": request.terminal,
                "Cmd": [*request.command],
                "User": request.user,
                "WorkingDir": request.workdir,
                "Env": [*request.environment],
                "DetachKeys": DETACH_KEYS,
            },
        )
        self._id = str(answer["Id"])

    def begin(self) -> socket.socket:
        """Start the command."""
        return self.upgraded(f"/exec/{self._id}/start", {"Detach": False, "Tty": self._terminal})

    def size_path(self, columns: int, lines: int) -> str:
        """Return the path of the call that gives the command's terminal a size."""
        return f"/exec/{self._id}/resize?w={columns}&h={lines}"

    def pid(self) -> int:
        """Return the process id on its host; 0 if it does not run."""
        answer = self.call("GET", f"/exec/{self._id}/json")
        return int(answer.get("Pid") or 0) if answer.get("Running") else 0

    def exit_status(self) -> int:
        """Return how the command ended.

        Raises:
            HostError: It still runs: the connection broke.

        """
        for _ in attempts(ANSWER, Pace(first=0.01, longest=0.5)):
            answer = self.call("GET", f"/exec/{self._id}/json")
            if not answer.get("Running") and answer.get("ExitCode") is not None:
                return int(answer["ExitCode"])
        raise HostError(f"{self._where}: the connection broke, and the command still runs there")
