"""A host that is there already: the first log-in, the admin user, and its identity."""

import contextlib
import os
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from model.errors import ProviderError
from model.keys.record import ADMIN, HostRecord
from model.log import Log
from model.secrets.secret import Secret
from model.site import PreparedHost, PreparedStage
from model.stage import Host, Stage
from remote.mother.wait import Pace, attempts
from remote.ssh.authorized_keys import LET_IN
from remote.ssh.commands import ssh_login, with_any, with_key
from remote.ssh.login import LOGIN_TIMEOUT, Answer, pinned, run_ssh
from remote.ssh.openssh import FAILED
from remote.ssh.ssh_files import SshFiles, host_key_problem, learn

ADMIT_TIMEOUT = 300.0
"""Seconds for making the admin user: sudo may have to be installed."""
TURNED_AWAY_TIMEOUT = 60.0
"""Seconds for which a log-in is tried again if sshd closes the connection at once: longer than its penalty for some
mistaken passwords, 5 s each and 15 s at least."""
_SCRIPT = Path(__file__).with_name("admin.sh")

# Not of an account's: a machine that was never booted with systemd has the other one.
_IDENTIFY = "sudo -n true && { cat /etc/machine-id || cat /var/lib/dbus/machine-id; }"

# As somebody who is not root. The first line of the input is the password. Where sudo wants none, it must not be left
# to the shell that reads the script from the same input.
_AS_SUDOER = (
    'command -v sudo >/dev/null || { echo "skep: no sudo" >&2; exit 96; }; '
    "if sudo -n true 2>/dev/null; then read -r _; exec sudo -n sh -eu -s; "
    "else exec sudo -k -S -p '' sh -eu -s; fi"
)
_NO_SUDO = 96


def record_of(config: PreparedStage, host: Host) -> HostRecord:
    """Return a host's record as far as site.toml says it: without the identity."""
    own = config.hosts.get(host.short, PreparedHost())
    return HostRecord(
        name=host.name,
        id="",
        address=host.address,
        ssh_host=own.ssh_host or host.address,
        ssh_port=own.ssh_port or config.ssh_port,
        user=ADMIN,
        host_keys=tuple(" ".join(key.split()[:2]) for key in own.host_keys),
    )


def identified(record: HostRecord, answer: Answer) -> HostRecord:
    """Return a host's record with the identity that the host told.

    Raises:
        ProviderError: It has none.

    """
    identity = answer.output.strip()
    if not identity:
        raise ProviderError(f"{record.name}: /etc/machine-id is empty: run `systemd-machine-id-setup` there")
    return replace(record, id=identity.splitlines()[0])


class PreparedHosts:
    """The hosts of one stage. Thread-safe.

    Args:
        stage: The stage.
        config: Its table of site.toml.
        files: Its ssh files; the key pair is there.
        secret: Gives the password for the first log-in.

    """

    def __init__(
        self, stage: Stage, config: PreparedStage, files: SshFiles, secret: Callable[[str], Secret]
    ) -> None:
        self._stage, self._config, self._files, self._secret = stage, config, files, secret

    def ensure(self, host: Host, log: Log) -> HostRecord:
        """Return a host's record, having made the admin user if the stage's key does not log in yet.

        Raises:
            ProviderError: It does not answer, has another host key, or lets nobody in who could make the user.

        """
        record = record_of(self._config, host)
        with self._known_hosts(record) as known_hosts:
            answer = self._identify(record, known_hosts, log)
            if not answer.worked:
                self._refuse_all_but(answer, host, record, ("permission denied", "sudo"))
                log(f"{host.name}: making the admin user {ADMIN}, as {self._config.user}")
                self._admit(host, record, known_hosts, log)
                answer = self._identify(record, known_hosts, log)
            if not answer.worked:
                raise ProviderError(
                    f"{host.name}: the admin user {ADMIN} has the stage's key and still can't log in and use sudo: "
                    f"{last_line(answer.errors)}: look for AllowUsers, AllowGroups or PubkeyAuthentication in its "
                    f"sshd_config, and for `#includedir /etc/sudoers.d` in its sudoers"
                )
        found = identified(record, answer)
        log(f"{host.name}: answers as {ADMIN}@{record.ssh_host}:{record.ssh_port}")
        return found

    def recall(self, host: Host) -> HostRecord | None:
        """Return a host's record if it lets the stage's key in as the admin user; nothing else is tried there."""
        record = record_of(self._config, host)
        with self._known_hosts(record) as known_hosts:
            answer = self._identify(record, known_hosts, lambda _line: None)
        return identified(record, answer) if answer.worked else None

    @contextlib.contextmanager
    def _known_hosts(self, record: HostRecord) -> Iterator[Path]:
        """Give the known_hosts file of a log-in: the keys of site.toml, else those that the stage has learned.

        A copy of that: other hosts' log-ins replace the stage's own meanwhile, and ssh only appends.
        """
        with tempfile.TemporaryDirectory(prefix="skep-login-") as directory:
            if record.host_keys:
                yield pinned(record, Path(directory))
                return
            copy = Path(directory, "known_hosts")
            stages = self._files.known_hosts
            copy.write_text(stages.read_text() if stages.exists() else "")
            try:
                yield copy
            finally:
                learn(self._files, copy.read_text().splitlines())

    def _identify(self, record: HostRecord, known_hosts: Path, log: Log) -> Answer:
        """Log in as the admin user with the stage's key, try sudo, and read who the machine is."""
        words = ssh_login(record, known_hosts, with_key(self._files.key), _IDENTIFY)
        return _unless_turned_away(record, lambda: run_ssh(words, timeout=LOGIN_TIMEOUT), log)

    def _admit(self, host: Host, record: HostRecord, known_hosts: Path, log: Log) -> None:
        """Log in as the person's user and make the admin user."""
        user, password = self._config.user, self._password()
        first = HostRecord(
            name=record.name,
            id="",
            address=record.address,
            ssh_host=record.ssh_host,
            ssh_port=record.ssh_port,
            user=user,
            host_keys=record.host_keys,
        )
        text = _SCRIPT.read_text().replace("@LET_IN@\n", LET_IN)
        script = f"ADMIN={ADMIN}\nAUTHORIZED_KEY={shlex.quote(self._files.entry.line)}\n{text}"
        command = "sh -eu -s"
        if user != "root":
            command = f"sh -c {shlex.quote(_AS_SUDOER)}"
            script = f"{password.reveal() if password else ''}\n{script}"
        named = self._config.private_key
        key = None if named is None else Path(named).expanduser()
        words = ssh_login(first, known_hosts, with_any(key, has_password=bool(password)), command)
        with askpass(password) as env:
            answer = _unless_turned_away(
                first, lambda: run_ssh(words, timeout=ADMIT_TIMEOUT, stdin=script.encode(), env=env), log
            )
        if answer.worked:
            return
        self._refuse_all_but(answer, host, first, ())
        errors = answer.errors.lower()
        path = f"stages.{self._stage.name}"
        if answer.status == _NO_SUDO or "is not in the sudoers" in errors or "may not run sudo" in errors:
            raise ProviderError(f"{host.name}: {user} has no sudo there: give it, or set {path}.user to root")
        if (
            "incorrect password" in errors
            or "a password is required" in errors
            or "no password was provided" in errors
        ):
            raise ProviderError(
                f"{host.name}: sudo wants another password of {user}: name the right one in {path}.root_password"
            )
        if answer.status == FAILED and "permission denied" in errors:
            raise self._files.refusal(
                host.short, first=f"{self._refused(user, password)} ({last_line(answer.errors)})"
            )
        raise ProviderError(
            f"{host.name}: the admin user {ADMIN} can't be made as {user} (exit status {answer.status})"
            + "".join(f"\n    {line}" for line in (answer.output + answer.errors).strip().splitlines()[-15:])
        )

    def _refused(self, user: str, password: Secret | None) -> str:
        """Return which means of the person's user was refused, and the way out."""
        path = f"stages.{self._stage.name}"
        if password and not self._config.private_key:
            return (
                f"the password of {user} (secret {self._config.root_password}) is refused: correct it, or allow "
                "password log-ins (PasswordAuthentication, PermitRootLogin) in its sshd_config"
            )
        if self._config.private_key:
            return f"the key {self._config.private_key} is refused for {user}: add it to its authorized_keys"
        return (
            f"neither the ssh agent's keys nor the default keys are accepted for {user}: set {path}.private_key, or "
            f"{path}.root_password"
        )

    def _password(self) -> Secret | None:
        """Return the password for the first log-in, if site.toml names one."""
        return None if self._config.root_password is None else self._secret(self._config.root_password)

    def _refuse_all_but(
        self, answer: Answer, host: Host, record: HostRecord, passed: tuple[str, ...]
    ) -> None:
        """Raise ssh's own error, unless the caller handles it.

        Raises:
            ProviderError: The host does not answer, or has another key than it should have.

        """
        errors = answer.errors.lower()
        if host_key_problem(errors):
            raise ProviderError(self._another_key(answer, host, record))
        if answer.was_turned_away:
            raise ProviderError(
                f"{host.name}: sshd on {record.ssh_host}:{record.ssh_port} closes the connection at once: it shuts out "
                "an address for a while after refused log-ins (PerSourcePenalties), or has too many log-ins at a time "
                "(MaxStartups): wait some minutes, then run again; its journal has the reason (`journalctl -u ssh`)"
            )
        if answer.status == FAILED and "permission denied" not in errors:
            raise ProviderError(no_answer(host, record, last_line(answer.errors) or "no answer"))
        if passed and not any(mark in errors for mark in passed):
            raise ProviderError(f"{host.name}: {last_line(answer.errors) or f'exit status {answer.status}'}")

    def _another_key(self, answer: Answer, host: Host, record: HostRecord) -> str:
        """Return the message for a host whose key is not the one that is known."""
        where = f"{record.ssh_host}:{record.ssh_port}"
        if record.host_keys:
            return (
                f"{host.name}: {where} has none of the host keys of stages.{self._stage.name}.hosts.{host.short}."
                f"host_keys: if it was reinstalled, write its new key there (`ssh-keyscan -p {record.ssh_port} "
                f"{record.ssh_host}`, compared on its console); if not, it is another machine"
            )
        stages = self._files.known_hosts
        line = re.search(r"Offending \S+ key in .+:(\d+)", answer.errors)
        return (
            f"{host.name}: {where} has another host key than before ({stages}{f':{line[1]}' if line else ''}): if it "
            f"was reinstalled, run `ssh-keygen -f {stages} -R {record.name}` and then again; if not, it is another "
            "machine"
        )


@contextlib.contextmanager
def askpass(password: Secret | None) -> Iterator[dict[str, str]]:
    """Give ssh's environment, in which a helper of its answers with the password.

    The password is in the environment of ssh and its helper alone: on no command line, and in no file.
    """
    env = dict(os.environ)
    if password is None:
        yield env
        return
    with tempfile.TemporaryDirectory(prefix="skep-askpass-") as directory:
        helper = Path(directory, "askpass")
        helper.write_text("#!/bin/sh\nprintf '%s\\n' \"$SKEP_ASKPASS\"\n")
        helper.chmod(0o700)
        # OpenSSH before 8.4 knows no SSH_ASKPASS_REQUIRE; it asks the helper if there is a display and no terminal.
        env |= {
            "SSH_ASKPASS": str(helper),
            "SSH_ASKPASS_REQUIRE": "force",
            "SKEP_ASKPASS": password.reveal(),
            "DISPLAY": env.get("DISPLAY", ":0"),
        }
        yield env


def _unless_turned_away(record: HostRecord, log_in: Callable[[], Answer], log: Log) -> Answer:
    """Log in; again for up to TURNED_AWAY_TIMEOUT while sshd closes the connection before it says who it is."""
    answer, told = Answer(FAILED, "", ""), False
    for _ in attempts(TURNED_AWAY_TIMEOUT, Pace(first=1.0, longest=5.0)):
        answer = log_in()
        if not answer.was_turned_away:
            break
        if not told:
            log(
                f"{record.name}: sshd closes the connection at once: trying again for {TURNED_AWAY_TIMEOUT:.0f} s"
            )
            told = True
    return answer


def no_answer(host: Host, record: HostRecord, reason: str) -> str:
    """Return the message for a host that can't be reached."""
    return (
        f"{host.name}: no ssh on {record.ssh_host}:{record.ssh_port}: {reason}: is it on, is the address right, and is "
        "the port open for this machine?"
    )


def last_line(text: str) -> str:
    """Return the last line that is not blank."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
