"""A host that commands can be run on, and whose Docker socket can be reached, through one ssh connection.

The connection is shared (OpenSSH's ControlMaster) by all commands of a run and outlives it for a minute, so that the
next run starts at once. It also forwards the host's `/var/run/docker.sock` to a socket of the stage's own.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from math import inf

from model.errors import CommandError, HostError, KeyRefusedError, StateError
from remote.mother.lock import lock
from remote.mother.process import Running
from remote.mother.wait import Pace, attempts
from remote.ssh import commands as ssh_commands
from remote.ssh.openssh import FAILED, pipe_ssh, run_ssh
from remote.ssh.ssh_files import SUN_PATH, SshFiles, host_key_problem, is_refusal, own_directory
from remote.ssh.transfer import transfer

DOCKER_SOCKET = "/var/run/docker.sock"
_NEVER = -inf
_SHARED_FAILURE = 5.0
"""Seconds for which one failure to connect stands for all who ask."""
_STARTING = 15.0
"""Seconds for which a refused connection is tried again: sshd may be just starting."""
_PACE = Pace(first=0.5, longest=0.5)
_TRUSTED = 15.0
"""Seconds for which a connection that was seen to be open is taken to be so."""
_OPENING, _ORDER = 3.0 * ssh_commands.CONNECT_TIMEOUT, 10.0
"""Seconds for opening a connection, and for giving it an order."""


class Connection:
    """The shared connection to one host. Thread-safe.

    Args:
        name: The host's short name, as in the stage's ssh_config and in messages.
        files: The stage's ssh files.

    """

    def __init__(self, name: str, files: SshFiles) -> None:
        """Name the host; nothing is opened yet."""
        self.name = name
        self._files = files
        self._control = files.control(name)
        self.docker_socket = files.sockets / f"{name}.docker"
        self._lock = threading.Lock()
        self._seen = self._failed = _NEVER
        self._failure: HostError | None = None
        longest = len(os.fsencode(self._control)) + 17  # ssh adds a random suffix while it binds
        if longest > SUN_PATH:
            msg = f"{self._control}: longer than a socket's path may be; set XDG_RUNTIME_DIR to a shorter directory"
            raise StateError(msg)

    def open(self) -> None:
        """Open the shared connection if it is not open.

        Raises:
            HostError: The host does not answer.
            KeyRefusedError: It does not let this checkout's key in, or has another host key.

        """
        with self._lock:
            # It ends by itself after a while without use, as while another host is at work for minutes.
            if time.monotonic() - self._seen < _TRUSTED:
                return
            if self._failure is not None and time.monotonic() - self._failed < _SHARED_FAILURE:
                # Those who waited while somebody else tried in vain need not try, and wait, one after another.
                failure = self._failure
                if isinstance(failure, KeyRefusedError):
                    raise KeyRefusedError(failure.reason, failure.remedy)
                raise HostError(str(failure))
            own_directory(self._files.sockets)
            # `doit connect` may open it at the same time; two masters on one socket leave one without it for ever.
            busy = f"{self.name}: another run is opening the connection"
            with lock(self._control.with_suffix(".lock"), busy, 2 * (_STARTING + _OPENING), kind=HostError):
                if not (self._control.exists() and self._alive() and self.docker_socket.exists()):
                    self._try_to_open()
            self._seen = time.monotonic()

    def _try_to_open(self) -> None:
        """Open the shared connection; a host that is just starting is given a little time."""
        failure: HostError | None = None
        for _ in attempts(_STARTING, _PACE):
            try:
                self._open_master()
            except HostError as error:
                failure = error
                if "Connection refused" in str(error):
                    continue
            else:
                failure = None
            break
        self._failure, self._failed = failure, time.monotonic()
        if failure is not None:
            raise failure

    def _open_master(self) -> None:
        """Open the shared connection in the background."""
        self._control.unlink(missing_ok=True)
        master = ssh_commands.ssh_master(
            self._files.config, self._control, {self.docker_socket: DOCKER_SOCKET}, self.name
        )
        ended = run_ssh(master, timeout=_OPENING)
        if not ended.ok:
            said = "\n".join(ended.lines)
            if problem := host_key_problem(said):
                raise self._files.other_host(self.name, problem)
            if is_refusal(said):
                raise self._files.refusal(self.name, first="run doit, if its provider can let it in")
            late = f"no answer within {_OPENING:.0f} s" if ended.status is None else "no answer"
            hint = f"try: ssh -F {self._files.config} {self.name}"
            raise HostError(f"{self.name}: ssh: {_last_line(ended.lines) or late} ({hint})")

    def forget_failure(self) -> None:
        """Have the next use connect, whatever came of the last attempt: the host was mended meanwhile."""
        with self._lock:
            self._seen, self._failure = _NEVER, None

    def doubt(self) -> None:
        """Have the next use see whether the connection is still open; that the host just did not answer stands."""
        with self._lock:
            self._seen = _NEVER

    def renew(self) -> None:
        """Have the next use open a new connection, with groups as they then are; commands at work go on in the old."""
        with self._lock:
            self._seen, self._failure = _NEVER, None
            if self._control.exists():
                self._order("stop")
            self._control.unlink(missing_ok=True)

    def close(self) -> None:
        """End the shared connection; the next use opens a new one (with groups and forwardings as they then are)."""
        with self._lock:
            self._seen, self._failure = _NEVER, None
            if self._control.exists():
                self._order("exit")
            self._control.unlink(missing_ok=True)
            self.docker_socket.unlink(missing_ok=True)

    def run(
        self,
        command: str,
        *,
        stdin: bytes | str | Iterable[bytes] = b"",
        timeout: float = 60,
        log: Callable[[str], None] | None = None,
        check: bool = True,
        label: str = "",
    ) -> str:
        """Run a shell command on the host, and return its standard output.

        The error output is no part of that, since what is returned is parsed: sudo and a host's shell warn there. It
        is in `log` and in messages.

        Args:
            command: A command for the host's shell.
            stdin: Its input; scripts and secrets go here, never on a command line.
            timeout: Seconds after which it is given up.
            log: Takes each line of both outputs as it comes.
            check: Whether an exit status other than 0 is an error.
            label: What to call the command in messages, if not by itself.

        Raises:
            CommandError: It failed (with `check`), or ran into its time limit.
            HostError: The host does not answer.

        """
        self.open()
        words = ssh_commands.ssh_command(self._files.config, self._control, self.name, command)
        data = stdin.encode() if isinstance(stdin, str) else stdin
        ended = run_ssh(words, stdin=data, timeout=timeout, log=log)
        output = "\n".join(ended.lines)
        if ended.status is None:
            raise CommandError(self.name, label or command, None, output, ended.ending)
        if ended.status == FAILED and not self._alive():
            self._seen = _NEVER
            raise HostError(f"{self.name}: the ssh connection broke: {_last_line(ended.lines)}")
        if check and not ended.ok:
            raise CommandError(self.name, label or command, ended.status, output)
        return "\n".join(line.rstrip("\r") for line in ended.output.removesuffix("\n").split("\n"))

    def script(
        self,
        text: str,
        *,
        timeout: float = 60,
        log: Callable[[str], None] | None = None,
        label: str = "script",
    ) -> str:
        """Run a POSIX shell script as root (through sudo), with `set -eu`; return its standard output.

        Raises:
            CommandError: It failed or ran into its time limit.
            HostError: The host does not answer.

        """
        return self.run("sudo -n sh -eu -s", stdin=text, timeout=timeout, log=log, label=label)

    def session(self, command: str) -> Running:
        """Start a shell command on the host whose input and output stay open, out of Ctrl-C's reach.

        Its input ends with this process, however that ends.

        Raises:
            HostError: The host does not answer.

        """
        self.open()
        words = ssh_commands.ssh_command(self._files.config, self._control, self.name, command)
        try:
            return Running(words, stdin=True, stdout=True, new_session=True)
        except OSError as error:
            raise HostError(f"{words[0]}: {error.strerror}: install OpenSSH's client") from error

    def pipe(
        self, command: str, receiver: "Connection", receiving: str, *, timeout: float, label: str
    ) -> None:
        """Run a command here, and one on another host that reads its output, through this machine.

        Raises:
            CommandError: The receiving one failed or ran into its time limit, mostly as it did not get all of it.
            HostError: A host does not answer.

        """
        self.open()
        receiver.open()
        sends = ssh_commands.ssh_command(self._files.config, self._control, self.name, command)
        takes = ssh_commands.ssh_command(self._files.config, receiver._control, receiver.name, receiving)  # noqa: SLF001 - its own kind
        ended = pipe_ssh(sends, takes, timeout=timeout)
        if not ended.ok:
            where = f"{self.name} to {receiver.name}"
            raise CommandError(where, label, ended.status, "\n".join(ended.lines), ended.ending)

    def transfer(
        self,
        command: str,
        receiver: "Connection",
        receiving: str,
        count: Callable[[int], None],
        *,
        label: str,
    ) -> None:
        """Run a command here, and one on another host that reads its output; it takes as long as it takes.

        Args:
            command: A command for this host's shell.
            receiver: The connection to the other host.
            receiving: A command for that one's shell.
            count: Takes the number of bytes of each piece that went through.
            label: What to call it in messages.

        Raises:
            CommandError: One of them failed.
            HostError: A host does not answer.

        """
        self.open()
        receiver.open()
        sends = ssh_commands.ssh_command(self._files.config, self._control, self.name, command)
        takes = ssh_commands.ssh_command(self._files.config, receiver._control, receiver.name, receiving)  # noqa: SLF001 - its own kind
        transfer(sends, takes, count, (self.name, receiver.name), label)

    def _alive(self) -> bool:
        """Return whether the shared connection still answers."""
        return self._order("check")

    def _order(self, order: str) -> bool:
        """Give the shared connection an order; return whether it took it."""
        words = ssh_commands.ssh_control(self._files.config, self._control, self.name, order)
        return run_ssh(words, timeout=_ORDER).ok


def _last_line(lines: Sequence[str]) -> str:
    """Return the last line that is not blank."""
    return next((line for line in reversed(lines) if line.strip()), "")
