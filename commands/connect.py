"""`doit connect`: open tunnels to the hosts' Docker engines, for people who use their own tools on a stage.

A shared ssh connection ends a minute after its last session, so one session is held for each host: a `cat` that reads
from this process. However this process ends, its pipe closes, which ends the session and then the connection. The
stage's lock is not taken: a run can go on at the same time, over the same connections.
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
from commands.shared.task_selection import with_flags
from model.errors import SkepError
from model.stage import Host
from remote.mother import process
from remote.mother.process import Running
from remote.ssh import commands as ssh_commands
from remote.ssh.connection import Connection
from tasks.operate.named_host import no_hosts
from tasks.run.context import Run

LOOK = 0.5
"""Seconds between two checks of the sessions."""
PAUSES = (1.0, 2.0, 5.0, 10.0)
"""Seconds before each further attempt to reconnect to a host; the last value repeats."""


class ConnectCommand(DoitCmdBase):
    """Open tunnels to the hosts' Docker engines, and hold them."""

    name = "connect"
    doc_purpose = "open tunnels to the hosts' Docker engines, and hold them until Ctrl-C"
    doc_usage = "[HOST ...]"
    doc_description = """\
Prints for each host (hive0 ...; all hosts by default) a line to paste into another shell, so that docker uses that \
host's engine there, and a command for ssh. A run can go on at the same time. A tunnel that breaks is opened again.

With --print it does not wait: the tunnels then close one minute after their last use."""

    cmd_options = (
        {
            "name": "only_print",
            "short": "",
            "long": "print",
            "type": bool,
            "default": False,
            "help": "open the tunnels, print the lines and exit",
        },
    )

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Open the tunnels, print their lines and hold them. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader)
        names, flags = with_flags(args, "--print")
        hosts = chosen(run, names)
        if params["only_print"] or flags:
            return self._print_only(run, hosts)
        tunnels = [HostTunnel(run, host) for host in hosts]
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
        tunnels = [HostTunnel(run, host) for host in hosts]
        with ThreadPoolExecutor(max_workers=len(tunnels)) as pool:
            reached = list(pool.map(lambda tunnel: tunnel.reach(_warn), tunnels))
        self._print(run, [tunnel.host for tunnel, there in zip(tunnels, reached, strict=True) if there])
        return 0 if all(reached) else 1

    def _hold(self, run: Run, tunnels: Sequence["HostTunnel"]) -> int:
        """Open the tunnels, print their lines, and reopen those that break until Ctrl-C."""
        with ThreadPoolExecutor(max_workers=len(tunnels)) as pool:
            list(pool.map(lambda tunnel: tunnel.hold(_warn), tunnels))
        if not any(tunnel.held for tunnel in tunnels):
            return 1
        self._print(run, [tunnel.host for tunnel in tunnels])
        sys.stderr.write("the tunnels are open; Ctrl-C closes them\n")
        with ThreadPoolExecutor(max_workers=len(tunnels)) as pool:
            while True:  # until Ctrl-C
                # In threads: a host that does not answer must not delay the others.
                for tunnel in tunnels:
                    if tunnel.needs_repair():
                        tunnel.repair = pool.submit(tunnel.hold, _warn)
                time.sleep(LOOK)

    def _print(self, run: Run, hosts: Sequence[Host]) -> None:
        """Print the lines for these hosts."""
        self.outstream.write("".join(f"{line}\n" for line in lines(run, hosts)))
        self.outstream.flush()


def chosen(run: Run, names: Sequence[str]) -> list[Host]:
    """Return the named hosts, by short or full name; all existing hosts if none is named.

    Raises:
        InvalidCommand: There is no such host, or it is not made yet.

    """
    known = {name: host for host in run.stage.hosts for name in (host.short, host.name)}
    unknown = [name for name in names if name not in known]
    if unknown:
        hosts = ", ".join(host.short for host in run.stage.hosts)
        raise InvalidCommand(f"stage {run.stage.name} has no host {', '.join(unknown)}; there are {hosts}")
    wanted = [known[name] for name in names] or list(run.stage.hosts)
    made = [host for host in dict.fromkeys(wanted) if run.state.host_record(host) is not None]
    missing = [host.short for host in wanted if host not in made]
    if all(run.state.host_record(host) is None for host in run.stage.hosts):
        raise InvalidCommand(no_hosts(run.stage))
    if names and missing:
        raise InvalidCommand(f"{', '.join(missing)}: not made yet; `doit build_infra` makes the hosts")
    return made


def lines(run: Run, hosts: Sequence[Host]) -> list[str]:
    """Return the lines to paste: each host's DOCKER_HOST, then each host's ssh command."""
    exports = {host: f"export DOCKER_HOST=unix://{run.connections.to(host).docker_socket}" for host in hosts}
    logins = {host: f"ssh -F {run.connections.files.config} {host.short}" for host in hosts}
    width = max((len(text) for text in [*exports.values(), *logins.values()]), default=0)
    return [f"{text:<{width}}  # {host.name}" for texts in (exports, logins) for host, text in texts.items()]


class HostTunnel:
    """The tunnel to a host's engine: a shared ssh connection, held open by a session.

    Args:
        run: The run.
        host: The host.

    """

    def __init__(self, run: Run, host: Host) -> None:
        self.host = host
        self._run = run
        self._session: Running | None = None
        self._failures = 0
        self._next = 0.0
        self.opened = False
        """Whether this process opened the connection."""
        self.repair: Any = None
        """The attempt to open the tunnel that is under way."""

    @property
    def held(self) -> bool:
        """Whether a session holds it."""
        return self._session is not None and self._session.is_running

    def needs_repair(self) -> bool:
        """Return whether the tunnel is closed and the next attempt to open it is due."""
        busy = self.repair is not None and not self.repair.done()
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

    def hold(self, log: Callable[[str], None]) -> None:
        """Open the tunnel, or reopen it, and hold it; log each change."""
        first = self._session is None and not self._failures
        if self._session is not None:
            self.release()
            log(f"{self.host.short}: the connection broke; opening it again")
        quiet = self._failures > 0  # said once while nothing changes
        if not self.reach((lambda _line: None) if quiet else log):
            self._retry_later()
            return
        control = self._run.connections.files.control(self.host.short)
        command = ssh_commands.ssh_command(
            self._run.connections.files.config, control, self.host.short, "cat"
        )
        try:
            self._session = Running(command, stdin=True, new_session=True)
        except OSError as error:
            if not quiet:
                log(f"{self.host.short}: {command[0]}: {error.strerror}")
            self._retry_later()
            return
        self._next = (
            time.monotonic() + PAUSES[0]
        )  # a session that ends immediately is not restarted immediately
        self._failures = 0
        if not first:
            log(f"{self.host.short}: the tunnel is open")

    def _retry_later(self) -> None:
        """Schedule the next attempt, later each time."""
        self._next = time.monotonic() + PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1

    def release(self) -> None:
        """End the session; the connection ends a minute after its last one."""
        session, self._session = self._session, None
        if session is not None:
            session.stop(grace=2)

    def close(self) -> None:
        """End the session and the connection."""
        self.release()
        Connection(self.host.short, self._run.connections.files).close()


def _close(run: Run, tunnels: Sequence[HostTunnel]) -> None:
    """Close the connections that were opened here, unless a run uses them: then they close by themselves."""
    in_use = holder(run.state) is not None
    with ThreadPoolExecutor(max_workers=len(tunnels)) as pool:
        for tunnel in tunnels:
            pool.submit(tunnel.close if tunnel.opened and not in_use else tunnel.release)


def _answers(run: Run, connection: Connection) -> bool:
    """Return whether a host's shared connection is open already."""
    control = run.connections.files.control(connection.name)
    if not control.exists():
        return False
    check = ssh_commands.ssh_control(run.connections.files.config, control, connection.name, "check")
    try:
        return process.run(check, timeout=10).ok
    except OSError:
        return False  # if ssh is missing, opening the connection says so


def _warn(line: str) -> None:
    """Print a message on standard error, apart from the lines for pasting."""
    sys.stderr.write(f"{clean(line)}\n")
    sys.stderr.flush()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt
