"""`doit forward web 8080:80`: a port of a task or of a host, at this machine."""

import re
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.operate.attach import BROKEN
from commands.shared.console import clean
from commands.shared.current_run import site_run
from model.errors import SkepError
from model.stage import Host
from remote.mother.wait import Pace, attempts, pause
from remote.ssh.forwarded_ports import ForwardedPorts
from tasks.operate.containers import (
    ALL,
    ENOUGH,
    ServiceContainer,
    address_of,
    chosen,
    find_containers,
    known_service,
)
from tasks.operate.named_host import made_host
from tasks.run.context import Run

LOOK = 2.0
"""Seconds between two looks whether the container and the connection are still there."""
AWAY = 60.0
"""Seconds for which a task, or a host, may be away once its port was forwarded."""
_HIGHEST = 65_535
_NOT_MADE = re.compile(r"channel \d+: open failed: (?P<why>.*)")
"""What ssh says of a connection that came to a port here, and could not be made at the other end."""
_REFUSED = "connect failed: Connection refused"


@dataclass(frozen=True)
class _Port:
    """A port here and a port there.

    Args:
        bind: The address here.
        local: The port here.
        remote: The port there.

    """

    bind: str
    local: int
    remote: int


class ForwardCommand(DoitCmdBase):
    """Forward a port of a task or host to this machine."""

    name = "forward"
    doc_purpose = "forward a port of a service's task, or of a host, to this machine, until Ctrl-C"
    doc_usage = "SERVICE|HOST [ADDRESS:]PORT:THEIR_PORT ... [task=NUMBER|HOST]"
    doc_description = """\
The port need not be published. It is open at 127.0.0.1 here, unless another address stands before it. If the task is \
replaced, or the connection breaks, the port is forwarded to the task that there is then."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Forward, and hold it. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader, asks=False)
        if len(args) < 2 or get_var("task") == ALL:  # noqa: PLR2004 - a name and a port
            raise InvalidCommand(f"type: {self.bin_name} forward SERVICE|HOST 8080:80")
        name, ports = args[0], [_port(word) for word in args[1:]]
        patience = 0.0
        try:
            while True:
                self._hold_within(run, name, ports, patience)
                patience = AWAY
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return BROKEN
        except KeyboardInterrupt:
            return 0

    def _hold_within(self, run: Run, name: str, ports: Sequence[_Port], patience: float) -> None:
        """Forward until the container or the connection is gone; try again for so many seconds if it can't be begun.

        Raises:
            SkepError: It can't be forwarded.

        """
        problem: SkepError | None = None
        for _ in attempts(patience, Pace(first=1.0)):
            try:
                return self._hold(run, name, ports)
            except SkepError as error:
                problem = error
        if problem is not None:
            raise problem
        return None

    def _hold(self, run: Run, name: str, ports: Sequence[_Port]) -> None:
        """Forward until the container or the connection is gone.

        Raises:
            SkepError: It can't be forwarded.

        """
        container: ServiceContainer | None = None
        if all(name not in (each.short, each.name) for each in run.stage.hosts) or name in run.stage.services:
            service = known_service(run.stage, name, or_host=True)
            [container] = chosen(find_containers(run, service), service, get_var("task"))
            host, address = container.host, address_of(run, container)
        else:
            host, address = made_host(run, name), "127.0.0.1"
        there = container.words if container else host.short
        run.connections.to(host).open()
        specs = [f"{port.bind}:{port.local}:{address}:{port.remote}" for port in ports]

        def heard(line: str) -> None:
            sys.stderr.write(f"{clean(run.secrets.redact(_failure_words(line, host, ports, there)))}\n")

        with closing(ForwardedPorts(run.connections.files.config, host.short, specs, heard)) as tunnel:
            for port in ports:
                self.outstream.write(f"{port.bind}:{port.local} is port {port.remote} of {there}\n")
            self.outstream.flush()
            while tunnel.is_open:
                pause(LOOK)
                if container is not None and not _still_runs(run, container):
                    sys.stderr.write(f"{container.words} is gone\n")
                    return
        sys.stderr.write(f"{host.short}: the connection broke; opening it again\n")


def _failure_words(line: str, host: Host, ports: Sequence[_Port], there: str) -> str:
    """Return what ssh says while ports are open, in plain words.

    Args:
        line: The line.
        host: The host.
        ports: The ports: ssh does not say which of them it is about.
        there: Whose ports they are.

    """
    found = _NOT_MADE.fullmatch(line)
    if found is None:
        return f"{host.short}: ssh: {line}"
    numbers = " or ".join(str(port.remote) for port in ports)
    if found["why"] == _REFUSED:
        return f"a connection was refused: nothing listens at port {numbers} of {there}"
    return f"a connection to port {numbers} of {there} could not be made: {found['why']}"


def _port(word: str) -> _Port:
    """Return the ports of a word `8080:80`, `80`, or `0.0.0.0:8080:80`.

    Raises:
        InvalidCommand: It is none.

    """
    parts = word.rsplit(":", 2)
    bind = parts[0] if len(parts) == 3 else "127.0.0.1"  # noqa: PLR2004 - with an address
    numbers = parts[-2:]
    if not all(number.isdecimal() and 0 < int(number) <= _HIGHEST for number in numbers):
        raise InvalidCommand(f"{word}: write the port here and the port there, as 8080:80")
    return _Port(bind, int(numbers[0]), int(numbers[-1]))


def _still_runs(run: Run, container: ServiceContainer) -> bool:
    """Return whether a container is there, as far as its host can say: if that is silent, the tunnel's end tells."""
    found = find_containers(run, container.service, enough=ENOUGH)
    has_answered = container.host.short in found.answered
    return not has_answered or any(each.id == container.id and each.is_there for each in found.containers)
