"""Logging in to a host before the stage's ssh files know it: every option is said on the command line."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from model.keys.record import HostRecord
from remote.mother.wait import Pace, attempts
from remote.ssh import client
from remote.ssh.commands import CONNECT_TIMEOUT, path_value

LOGIN_TIMEOUT = 30.0


@dataclass(frozen=True)
class Answer:
    """What an ssh command came to.

    Args:
        status: The command's exit status; 255 if ssh itself failed, or did not end in time.
        output: What it printed.
        errors: What it or ssh said on the error output.

    """

    status: int
    output: str
    errors: str

    @property
    def worked(self) -> bool:
        """Whether the command ran and ended with 0."""
        return self.status == 0


def ssh_words(record: HostRecord, known_hosts: Path, options: Mapping[str, str], command: str) -> list[str]:
    """Return the command that runs a command on a host. Pure.

    No configuration file is read, neither the person's nor the machine's: later phases log in without them as well.

    Args:
        record: The host; `user` is who logs in.
        known_hosts: Where its host key is looked up, and kept if none was known.
        options: Further options, as of ssh_config(5): how to authenticate.
        command: For the host's shell.

    """
    every = {
        "HostName": record.ssh_host,
        "Port": str(record.ssh_port),
        "User": record.user,
        "HostKeyAlias": record.name,
        "StrictHostKeyChecking": "yes" if record.host_keys else "accept-new",
        "UserKnownHostsFile": path_value(known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "ConnectTimeout": str(CONNECT_TIMEOUT),
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
        "LogLevel": "ERROR",
        **options,
    }
    said = [word for name, value in every.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "/dev/null", *said, "-T", record.name, command]


def with_key(key: Path) -> dict[str, str]:
    """Return the options for logging in with this private key and nothing else. Pure."""
    return {
        "IdentityFile": path_value(key),
        "IdentitiesOnly": "yes",
        "PreferredAuthentications": "publickey",
        "BatchMode": "yes",
    }


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
    done = client.run_ssh(words, timeout=timeout, stdin=stdin, env=env, new_session=True)
    if done.status is None:
        return Answer(client.FAILED, "", f"no answer within {timeout:.0f} s")
    return Answer(done.status, done.output, done.errors)


def log_in(record: HostRecord, key: Path, command: str) -> Answer:
    """Run a command on a host with the stage's key, knowing the host by the keys of its record."""
    with tempfile.TemporaryDirectory(prefix="skep-login-") as directory:
        words = ssh_words(record, pinned(record, Path(directory)), with_key(key), command)
        return run_ssh(words, timeout=LOGIN_TIMEOUT)


def wait_for_login(record: HostRecord, key: Path, timeout: float, alive: Callable[[], bool]) -> str:
    """Wait until the key logs in with the host's pinned keys and may use sudo; else return why not.

    Args:
        record: The host, with its keys.
        key: The stage's private key.
        timeout: Seconds.
        alive: Asked between attempts; False ends the wait at once.

    """
    reason = ""
    for _ in attempts(timeout, Pace(first=0.2, longest=0.2)):
        answer = log_in(record, key, "sudo -n true")
        if answer.worked:
            return ""
        reason = answer.errors or f"exit status {answer.status}"
        if not alive():
            break
    return reason


def pinned(record: HostRecord, directory: Path) -> Path:
    """Write a known_hosts with the host's keys into a directory, and return it."""
    path = directory / "known_hosts"
    path.write_text("".join(f"{record.name} {key}\n" for key in record.host_keys))
    return path
