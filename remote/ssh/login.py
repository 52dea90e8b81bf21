"""Logging in to a host before the stage's ssh files know it: all options are on the command line."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model.keys.record import HostRecord
from remote.mother.wait import Pace, attempts, pause
from remote.ssh import openssh
from remote.ssh.commands import ssh_login, with_key
from remote.ssh.ssh_files import is_refusal, is_turned_away

LOGIN_TIMEOUT = 30.0
_LONGEST_PAUSE = 45.0
"""Seconds between two attempts that the host refuses, at most."""


@dataclass(frozen=True)
class Answer:
    """The end of an ssh command.

    Args:
        status: The command's exit status; 255 if ssh itself failed, or did not end in time.
        output: Its standard output.
        errors: Its and ssh's error output.

    """

    status: int
    output: str
    errors: str

    @property
    def worked(self) -> bool:
        """Whether the command ran and ended with 0."""
        return self.status == 0

    @property
    def was_turned_away(self) -> bool:
        """Whether the host closed the connection before it said who it is: it may take the next one, a moment later."""
        return self.status == openssh.FAILED and is_turned_away(self.errors)


def run_ssh(
    words: list[str], *, timeout: float, stdin: bytes = b"", env: dict[str, str] | None = None
) -> Answer:
    """Run ssh to its end, or to the end of the time.

    Args:
        words: The command.
        timeout: Seconds until it is ended.
        stdin: Its input.
        env: Its whole environment, if not ours.

    """
    # A session of its own: no terminal that ssh could ask on behind our back.
    done = openssh.run_ssh(words, timeout=timeout, stdin=stdin, env=env, new_session=True)
    if done.status is None:
        return Answer(openssh.FAILED, "", f"no answer within {timeout:.0f} s")
    return Answer(done.status, done.output, done.errors)


def log_in(record: HostRecord, key: Path, command: str) -> Answer:
    """Run a command on a host with the stage's key, knowing the host by the keys of its record."""
    with tempfile.TemporaryDirectory(prefix="skep-login-") as directory:
        words = ssh_login(record, pinned(record, Path(directory)), with_key(key), command)
        return run_ssh(words, timeout=LOGIN_TIMEOUT)


def refusal_of(record: HostRecord, key: Path, known_hosts: Path) -> str:
    """Return why a key does not log in to a host by itself, in ssh's last words; empty if it does."""
    answer = run_ssh(ssh_login(record, known_hosts, with_key(key), "true"), timeout=LOGIN_TIMEOUT)
    if answer.worked:
        return ""
    return next(iter(answer.errors.splitlines()[-1:]), "") or f"exit status {answer.status}"


def run_as_root(record: HostRecord, key: Path, script: str) -> Answer:
    """Run a POSIX shell script on a host as root, with `set -eu`; its text goes on no command line."""
    with tempfile.TemporaryDirectory(prefix="skep-login-") as directory:
        words = ssh_login(record, pinned(record, Path(directory)), with_key(key), "sudo -n sh -eu -s")
        return run_ssh(words, timeout=LOGIN_TIMEOUT, stdin=script.encode())


def wait_for_login(record: HostRecord, key: Path, timeout: float, alive: Callable[[], bool]) -> str:
    """Wait until the key logs in with the host's pinned keys and may use sudo; else return why not.

    Args:
        record: The host, with its keys.
        key: The stage's private key.
        timeout: Seconds.
        alive: Asked between attempts; False ends the wait at once.

    Attempts that the host refuses come ever less often: sshguard, which Google's images of Ubuntu had, and fail2ban
    shut out who is refused a few times in a short while.
    https://manpages.debian.org/bookworm/sshguard/sshguard.8.en.html
    So does sshd itself since OpenSSH 9.8: then the refusal is still the reason why not.
    """
    deadline, refusals, reason, refusal = time.monotonic() + timeout, 0, "", ""
    for _ in attempts(timeout, Pace(first=0.2, longest=0.2)):
        answer = log_in(record, key, "sudo -n true")
        if answer.worked:
            return ""
        reason = answer.errors or f"exit status {answer.status}"
        if refusal and answer.was_turned_away:
            reason = refusal
        if not alive():
            break
        if is_refusal(reason):
            refusal = reason
            pause(min(2.0**refusals, _LONGEST_PAUSE, deadline - time.monotonic()))
            refusals += 1
    return reason


def pinned(record: HostRecord, directory: Path) -> Path:
    """Write a known_hosts with the host's keys into a directory, and return it."""
    path = directory / "known_hosts"
    path.write_text("".join(f"{record.name} {key}\n" for key in record.host_keys))
    return path
