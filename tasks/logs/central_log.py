"""What the repository host keeps of a service's log, read there: `[logs]` of site.toml."""

import json
import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from model.errors import HostError, ServiceError
from remote.engine.log_stream import LogLine
from remote.hostsetup.host_agent import AGENT
from remote.mother.process import Running
from tasks.operate.service_logs import KEEP, TaskLine
from tasks.run.context import Run

SERVICES, HOSTS = "services", "hosts"
_TASK = re.compile(r"([^.]+)\.([^.]+)\.[^.]{20,}")


@dataclass(frozen=True)
class CentralRequest:
    """The part of a file that is wanted.

    Args:
        kind: `SERVICES` or `HOSTS`.
        name: The service's name, or the host's short one.
        moment: From when, in seconds since 1970; 0 for the beginning.
        lines: The last so many that match; 0 for all.
        pattern: A regular expression that they match; empty for all.
        source: The task, by its number, name or host; in a host's file the unit. Empty for all.
        until: Until when, as `moment`; 0 for the end.
        seconds: How long reading may take there, after which it is ended; 0 for as long as it takes.

    """

    kind: str
    name: str
    moment: float = 0.0
    lines: int = 0
    pattern: str = ""
    source: str = ""
    until: float = 0.0
    seconds: float = 0.0

    @property
    def command(self) -> str:
        """The command line of the agent that reads it."""
        # What is killed here goes on there as long as it writes nothing, as while it sorts a month of lines.
        limit = ["timeout", f"{self.seconds:g}"] if self.seconds else []
        words = ["sudo", "-n", *limit, "python3", "-I", AGENT, "logs", "read", self.kind, self.name]
        words += [f"--since={_time(self.moment)}"] if self.moment else []
        words += [f"--until={_time(self.until)}"] if self.until else []
        if self.lines:
            words.append(f"--lines={self.lines}")
        words += [f"--grep={self.pattern}"] if self.pattern else []
        words += [f"--source={self.source}"] if self.source else []
        return shlex.join(words)


def _time(seconds: float) -> str:
    """Return a time in the form of the files' times, which sorts as text."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


def central_lines(run: Run, request: CentralRequest) -> Iterator[TaskLine]:
    """Yield the lines that the repository host has, by time.

    Args:
        run: The run.
        request: The part that is wanted.

    Raises:
        ServiceError: site.toml has no `[logs]`.
        HostError: The host does not answer, what it sends ends in the middle, or it takes too long.

    """
    if run.stage.site.logs is None:
        raise ServiceError(
            f"{request.name}: the repository host keeps no logs, so leave out central=yes; {KEEP}"
        )
    connection = run.connections.to(run.stage.repository)
    connection.open()
    begun = time.monotonic()
    with connection.session(request.command) as running:
        for raw in _raw_lines(running):
            content = _content(raw, connection.name)
            if "error" in content:
                raise HostError(f"{connection.name}: {content['error']}")
            if "lines" in content:
                return
            yield _task_line(content)
    if request.seconds and time.monotonic() - begun >= request.seconds:
        raise HostError(
            f"{connection.name}: it keeps more of {request.name} than can be read within {request.seconds:g} s"
        )
    raise HostError(
        f"{connection.name}: the kept lines did not come whole; type the same again, and `doit setup_hosts` if skep's "
        "agent is not there"
    )


def _raw_lines(running: Running) -> Iterator[bytes]:
    """Yield the lines of a session's output."""
    rest = b""
    while piece := running.read():
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


def _content(raw: bytes, host: str) -> dict[str, str]:
    """Return what the agent printed in a line.

    Raises:
        HostError: Something else printed it, as sudo may.

    """
    try:
        content: dict[str, str] = json.loads(raw)
        if isinstance(content, dict):
            return content
    except ValueError:
        pass
    raise HostError(f"{host}: the kept lines can't be read: {raw.decode(errors='replace').strip()[:200]}")


def _task_line(content: dict[str, str]) -> TaskLine:
    """Return a line under its task's name as a person knows it: `web.2`; of a global service `web.hive0`."""
    shown = content["source"]
    if task := _TASK.fullmatch(shown):
        shown = f"{task[1]}.{task[2] if task[2].isdecimal() else content['host']}"
    return TaskLine(shown, LogLine(content["time"], content["text"], content["stream"] == "stderr"))
