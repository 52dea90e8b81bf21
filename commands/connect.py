"""`doit connect`: the hosts' Docker sockets and ssh, for people who run their own tools on a stage's hosts.

A shared connection ends a minute after its last session, so one session a host is held: a `cat` that waits for input
from this process. However this process ends, the input ends with it, then the session, and the connection after it.
The stage's lock is not taken: a run may go on at the same time, over the same connections.
"""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import clean
from commands.shared.current_run import site_run
from commands.shared.lock_owner import holder
from model.errors import SkepError
from model.stage import Host
from remote.mother import process
from remote.mother.process import Running
from remote.ssh import commands as argv
from remote.ssh.connection import Connection
from tasks.run.context import Run

LOOK = 0.5
"""Seconds between two looks at the sessions."""
PAUSES = (1.0, 2.0, 5.0, 10.0)
"""Seconds before each further attempt to reach a host that was lost; the last one stays."""


class Connect(DoitCmdBase):
    """Open the tunnels to the hosts' Docker engines, and hold them."""

    doc_purpose = "open tunnels to the hosts' Docker engines, and hold them until Ctrl-C"
    doc_usage = "[HOST ...]"
    doc_description = """\
Prints for each host (hive0 ...; all that are made, if none is named) a line to paste into another shell, after which \
docker speaks to that host's engine there; then the line for ssh. A run can go on at the same time. A tunnel that \
breaks is opened again.

With --print it does not wait: the tunnels then stay for a minute after they were last used."""

    cmd_options = (
        {
            "name": "only_print",
            "short": "",
            "long": "print",
            "type": bool,
            "default": False,
            "help": "open the tunnels, print the lines, and don't wait",
        },
    )

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Open, print, and hold. No tasks are loaded: none is needed."""
        self.loader.setup(params)
        run = site_run(self.loader)
        hosts = chosen(run, args)
        if params["only_print"]:
            return self._print_only(run, hosts)
        tunnels = [Tunnel(run, host) for host in hosts]
        # Ctrl-C is for this process alone: the sessions are in process groups of their own.
        previous = signal.signal(signal.SIGTERM, _interrupt)
        try:
            return self._hold(run, tunnels)
        except KeyboardInterrupt:
            return 0
        finally:
            signal.signal(signal.SIGTERM, previous)
            _close(run, tunnels)

    def _print_only(self, run: Run, hosts: Sequence[Host]) -> int:
        """Open the tunnels and print their lines."""
        tunnels = [Tunnel(run, host) for host in hosts]
        with ThreadPoolExecutor(max_workers=len(tunnels)) as pool:
            reached = list(pool.map(lambda tunnel: tunnel.reach(_complain), tunnels))
        self._print(run, [tunnel.host for tunnel, there in zip(tunnels, reached, strict=True) if there])
        return 0 if all(reached) else 1

    def _hold(self, run: Run, tunnels: Sequence["Tunnel"]) -> int:
        """Open the tunnels, print their lines, and look after them until somebody says that it is enough."""
        with ThreadPoolExecutor(max_workers=len(tunnels)) as pool:
            list(pool.map(lambda tunnel: tunnel.tend(_complain), tunnels))
        if not any(tunnel.held for tunnel in tunnels):
            return 1
        self._print(run, [tunnel.host for tunnel in tunnels])
        sys.stderr.write("the tunnels are open; Ctrl-C closes them\n")
        with ThreadPoolExecutor(max_workers=len(tunnels)) as pool:
            while True:  # until Ctrl-C
                # One that does not answer takes a while to say so; the others are looked after meanwhile.
                for tunnel in tunnels:
                    if tunnel.needs_care():
                        tunnel.care = pool.submit(tunnel.tend, _complain)
                time.sleep(LOOK)

    def _print(self, run: Run, hosts: Sequence[Host]) -> None:
        """Print the lines for these hosts."""
        self.outstream.write("".join(f"{line}\n" for line in lines(run, hosts)))
        self.outstream.flush()


def chosen(run: Run, names: Sequence[str]) -> list[Host]:
    """Return the hosts that were named, by short or full name; all that are made if none was.

    Raises:
        InvalidCommand: A name is no host's, or its host is not made yet.

    """
    known = {name: host for host in run.stage.hosts for name in (host.short, host.name)}
    unknown = [name for name in names if name not in known]
    if unknown:
        hosts = ", ".join(host.short for host in run.stage.hosts)
        raise InvalidCommand(f"stage {run.stage.name} has no host {', '.join(unknown)}; there are {hosts}")
    wanted = [known[name] for name in names] or list(run.stage.hosts)
    made = [host for host in dict.fromkeys(wanted) if run.state.host_record(host) is not None]
    missing = [host.short for host in wanted if host not in made]
    if names and missing:
        raise InvalidCommand(f"{', '.join(missing)}: not made yet; `doit build_infra` makes the hosts")
    if not made:
        raise InvalidCommand(f"stage {run.stage.name} has no hosts yet; `doit build_infra` makes them")
    return made


def lines(run: Run, hosts: Sequence[Host]) -> list[str]:
    """Return what can be pasted: where each host's engine answers, then how to log in."""
    exports = {host: f"export DOCKER_HOST=unix://{run.connections.to(host).docker_socket}" for host in hosts}
    logins = {host: f"ssh -F {run.connections.files.config} {host.short}" for host in hosts}
    width = max((len(text) for text in [*exports.values(), *logins.values()]), default=0)
    return [f"{text:<{width}}  # {host.name}" for texts in (exports, logins) for host, text in texts.items()]


class Tunnel:
    """A host's tunnel, held open by a session.

    Args:
        run: The run.
        host: The host.

    """

    def __init__(self, run: Run, host: Host) -> None:
        self.host = host
        self._run = run
        self._session: Running | None = None
        self._lost = 0
        self._next = 0.0
        self.opened = False
        """Whether the connection was not there before."""
        self.care: Any = None
        """What is being done about it just now."""

    @property
    def held(self) -> bool:
        """Whether a session holds it."""
        return self._session is not None and self._session.is_running

    def needs_care(self) -> bool:
        """Return whether it is time to do something about it."""
        busy = self.care is not None and not self.care.done()
        return not busy and not self.held and time.monotonic() >= self._next

    def reach(self, log: Callable[[str], None]) -> bool:
        """Open the connection if it is not open, and return whether it is."""
        # A new object each time: one that was open believes that it still is.
        connection = Connection(self.host.short, self._run.connections.files)
        before = _answers(self._run, connection)
        try:
            connection.open()
        except SkepError as error:
            log(str(error))
            return False
        self.opened = self.opened or not before
        return True

    def tend(self, log: Callable[[str], None]) -> None:
        """Open it, or open it again, and hold it; say what changed for the person who waits."""
        first = self._session is None and not self._lost
        if self._session is not None:
            self.release()
            log(f"{self.host.short}: the connection broke; opening it again")
        quiet = self._lost > 0  # once is enough while nothing changes
        if not self.reach((lambda _line: None) if quiet else log):
            self._lose()
            return
        control = self._run.connections.files.control(self.host.short)
        words = argv.ssh_command(self._run.connections.files.config, control, self.host.short, "cat")
        try:
            self._session = Running(words, stdin=True, new_session=True)
        except OSError as error:
            if not quiet:
                log(f"{self.host.short}: {words[0]}: {error.strerror}")
            self._lose()
            return
        self._next = time.monotonic() + PAUSES[0]  # a session that ends at once is not begun again at once
        self._lost = 0
        if not first:
            log(f"{self.host.short}: the tunnel is open")

    def _lose(self) -> None:
        """Try again later, and later still each time."""
        self._next = time.monotonic() + PAUSES[min(self._lost, len(PAUSES) - 1)]
        self._lost += 1

    def release(self) -> None:
        """End the session; the connection ends a minute after its last one."""
        session, self._session = self._session, None
        if session is not None:
            session.stop(grace=2)

    def close(self) -> None:
        """End the session and the connection."""
        self.release()
        Connection(self.host.short, self._run.connections.files).close()


def _close(run: Run, tunnels: Sequence[Tunnel]) -> None:
    """Close what was opened here, unless a run is using it; then it closes by itself after that."""
    in_use = holder(run.state) is not None
    with ThreadPoolExecutor(max_workers=len(tunnels)) as pool:
        for tunnel in tunnels:
            pool.submit(tunnel.close if tunnel.opened and not in_use else tunnel.release)


def _answers(run: Run, connection: Connection) -> bool:
    """Return whether a host's shared connection is open already."""
    control = run.connections.files.control(connection.name)
    if not control.exists():
        return False
    check = argv.ssh_control(run.connections.files.config, control, connection.name, "check")
    try:
        return process.run(check, timeout=10).ok
    except OSError:
        return False  # without ssh on PATH, opening it says so


def _complain(line: str) -> None:
    """Tell the person, beside the lines that are for pasting."""
    sys.stderr.write(f"{clean(line)}\n")
    sys.stderr.flush()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt
