"""Provider `prepared`: hosts that exist already and answer ssh. skep borrows them: it makes the admin user, no more.

What identifies a host is `/etc/machine-id`, so that one that was installed anew is noticed.
"""

import contextlib
import os
import re
import shlex
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from model.errors import ProviderError
from model.keys.record import HostRecord
from model.log import Log
from model.secrets.secret import Secret
from model.site import PreparedHost, PreparedStage
from model.stage import Host, Stage
from providers.base import Found, Provider, Resource
from remote.ssh.client import FAILED
from remote.ssh.commands import ssh_login, with_any, with_key
from remote.ssh.files import SshFiles, learn
from remote.ssh.login import LOGIN_TIMEOUT, Answer, pinned, run_ssh

ADMIN = "skep"
ADMIT_TIMEOUT = 300.0
"""Seconds for making the admin user: sudo may have to be installed."""
REACH_TIMEOUT = 5.0
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


class PreparedProvider(Provider):
    """Hosts that somebody else has made.

    Args:
        stage: The stage.
        files: Its ssh files; the key pair is there before `ensure` is called.
        state: Its state directory; nothing of this provider's is kept there.
        secret: Gives the password for the first log-in.

    """

    name: ClassVar[str] = "prepared"
    owns: ClassVar[bool] = False
    halts: ClassVar[bool] = False
    keeps_volumes = True

    def __init__(self, stage: Stage, files: SshFiles, state: Path, secret: Callable[[str], Secret]) -> None:
        del state
        if not isinstance(stage.config, PreparedStage):
            raise TypeError(f"stage {stage.name} is not one of the prepared provider")
        self._stage = stage
        self._config = stage.config
        self._files = files
        self._secret = secret

    def resources(self) -> Sequence[Resource]:
        """Return the hosts: where they answer, and how they are known."""
        return tuple(
            Resource(
                host.short,
                {
                    "name": host.name,
                    "address": host.address,
                    "ssh_host": record.ssh_host,
                    "ssh_port": str(record.ssh_port),
                    "host_keys": " ".join(record.host_keys),
                },
                is_host=True,
                doc=f"{host.name}, prepared at {record.ssh_host}:{record.ssh_port}",
            )
            for host in self._stage.hosts
            for record in [self._record(host)]
        )

    def check(self) -> Sequence[str]:
        """Return what stands in the way: no ssh, a private key that can't be used, hosts that don't answer."""
        path = f"stages.{self._stage.name}"
        said = []
        if not shutil.which("ssh"):
            said.append("ssh: not found: install OpenSSH's client")
        if self._config.private_key is not None:
            key = Path(self._config.private_key).expanduser()
            if not key.is_file() or not os.access(key, os.R_OK):
                said.append(f"{path}.private_key: {key}: there is no file that you can read")
            elif key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                said.append(
                    f"{path}.private_key: {key}: others can read it, so ssh refuses it: chmod 600 {key}"
                )
        unknown = sorted(self._config.hosts.keys() - {host.short for host in self._stage.hosts})
        said += [f"{path}.hosts.{name}: the stage has no such host" for name in unknown]
        with ThreadPoolExecutor(max_workers=16) as pool:
            said += [line for line in pool.map(self._unreachable, self._stage.hosts) if line]
        return said

    def found(self) -> Mapping[str, Found]:
        """Return nothing: to look would be to log in to each host."""
        return {}

    def ensure(self, resource: Resource, log: Log) -> HostRecord:
        """Return the host's record, having made the admin user if the stage's key does not log in yet."""
        host = self._stage.host(resource.name)
        record = self._record(host)
        with self._known_hosts(record) as known_hosts:
            answer = self._identify(record, known_hosts)
            if not answer.worked:
                self._refuse_all_but(answer, host, record, ("permission denied", "sudo"))
                log(f"{host.name}: making the admin user {ADMIN}, as {self._config.user}")
                self._admit(host, record, known_hosts)
                answer = self._identify(record, known_hosts)
            if not answer.worked:
                raise ProviderError(
                    f"{host.name}: the admin user {ADMIN} has the stage's key and still can't log in and use sudo: "
                    f"{_last(answer.errors)}: look for AllowUsers, AllowGroups or PubkeyAuthentication in its "
                    f"sshd_config, and for `#includedir /etc/sudoers.d` in its sudoers"
                )
        identity = answer.output.strip()
        if not identity:
            raise ProviderError(
                f"{host.name}: /etc/machine-id is empty: run `systemd-machine-id-setup` there"
            )
        log(f"{host.name}: answers as {ADMIN}@{record.ssh_host}:{record.ssh_port}")
        return HostRecord(
            name=record.name,
            id=identity.splitlines()[0],
            address=record.address,
            ssh_host=record.ssh_host,
            ssh_port=record.ssh_port,
            user=ADMIN,
            host_keys=record.host_keys,
        )

    def halt(self, name: str, log: Log) -> None:
        """Refuse: a host that is off could not be started again.

        Raises:
            ProviderError: Always; `halts` says so beforehand.

        """
        del log
        raise ProviderError(f"{name}: is a prepared host, which skep can't start again: stop it yourself")

    def remove(self, name: str, log: Log) -> None:
        """Leave the host as it is, and say so."""
        log(f"{name}: is a prepared host, which is not skep's to remove; its user {ADMIN} stays")

    def _record(self, host: Host) -> HostRecord:
        """Return what site.toml says of where a host answers."""
        own = self._config.hosts.get(host.short, PreparedHost())
        return HostRecord(
            name=host.name,
            id="",
            address=host.address,
            ssh_host=own.ssh_host or host.address,
            ssh_port=own.ssh_port or self._config.ssh_port,
            user=ADMIN,
            host_keys=tuple(" ".join(key.split()[:2]) for key in own.host_keys),
        )

    def _unreachable(self, host: Host) -> str:
        """Return why a host's ssh port can't be reached, if it can't."""
        record = self._record(host)
        try:
            socket.create_connection((record.ssh_host, record.ssh_port), timeout=REACH_TIMEOUT).close()
        except OSError as error:
            return _no_answer(host, record, error.strerror or str(error))
        return ""

    @contextlib.contextmanager
    def _known_hosts(self, record: HostRecord) -> Iterator[Path]:
        """Give the file in which ssh looks up the host's key: what site.toml says, else what the stage has learned.

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

    def _identify(self, record: HostRecord, known_hosts: Path) -> Answer:
        """Log in as the admin user with the stage's key, try sudo, and read who the machine is."""
        words = ssh_login(record, known_hosts, with_key(self._files.key), _IDENTIFY)
        return run_ssh(words, timeout=LOGIN_TIMEOUT)

    def _admit(self, host: Host, record: HostRecord, known_hosts: Path) -> None:
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
        public = self._files.public_key
        script = f"ADMIN={ADMIN}\nAUTHORIZED_KEY={shlex.quote(public)}\n{_SCRIPT.read_text()}"
        command = "sh -eu -s"
        if user != "root":
            command = f"sh -c {shlex.quote(_AS_SUDOER)}"
            script = f"{password.reveal() if password else ''}\n{script}"
        named = self._config.private_key
        key = None if named is None else Path(named).expanduser()
        words = ssh_login(first, known_hosts, with_any(key, has_password=bool(password)), command)
        with _askpass(password) as env:
            answer = run_ssh(words, timeout=ADMIT_TIMEOUT, stdin=script.encode(), env=env)
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
            raise ProviderError(f"{host.name}: {self._refused(user, password)}: {_last(answer.errors)}")
        raise ProviderError(
            f"{host.name}: the admin user {ADMIN} can't be made as {user} (exit status {answer.status})"
            + "".join(f"\n    {line}" for line in (answer.output + answer.errors).strip().splitlines()[-15:])
        )

    def _refused(self, user: str, password: Secret | None) -> str:
        """Return what did not let the person's user in, and what to do."""
        path = f"stages.{self._stage.name}"
        if password and not self._config.private_key:
            return (
                f"the password of {user} (secret {self._config.root_password}) is refused: correct it, or allow "
                "password log-ins (PasswordAuthentication, PermitRootLogin) in its sshd_config"
            )
        if self._config.private_key:
            return f"the key {self._config.private_key} is refused for {user}: add it to its authorized_keys"
        return (
            f"neither ssh's agent nor its default keys are let in as {user}: set {path}.private_key, or "
            f"{path}.root_password"
        )

    def _password(self) -> Secret | None:
        """Return the password for the first log-in, if site.toml names one."""
        return None if self._config.root_password is None else self._secret(self._config.root_password)

    def _refuse_all_but(
        self, answer: Answer, host: Host, record: HostRecord, passed: tuple[str, ...]
    ) -> None:
        """Raise what ssh itself said, unless it is among what the caller sees to.

        Raises:
            ProviderError: The host does not answer, or has another key than it should have.

        """
        errors = answer.errors.lower()
        if "host key verification failed" in errors or "identification has changed" in errors:
            raise ProviderError(self._another_key(answer, host, record))
        if answer.status == FAILED and "permission denied" not in errors:
            raise ProviderError(_no_answer(host, record, _last(answer.errors) or "no answer"))
        if passed and not any(mark in errors for mark in passed):
            raise ProviderError(f"{host.name}: {_last(answer.errors) or f'exit status {answer.status}'}")

    def _another_key(self, answer: Answer, host: Host, record: HostRecord) -> str:
        """Return the message for a host whose key is not the one that is known."""
        where = f"{record.ssh_host}:{record.ssh_port}"
        if record.host_keys:
            return (
                f"{host.name}: {where} has none of the host keys of stages.{self._stage.name}.hosts.{host.short}."
                f"host_keys: if it was installed anew, write its new key there (`ssh-keyscan -p {record.ssh_port} "
                f"{record.ssh_host}`, compared on its console); if not, it is another machine"
            )
        stages = self._files.known_hosts
        line = re.search(r"Offending \S+ key in .+:(\d+)", answer.errors)
        return (
            f"{host.name}: {where} has another host key than before ({stages}{f':{line[1]}' if line else ''}): if it "
            f"was installed anew, run `ssh-keygen -f {stages} -R {record.name}` and then again; if not, it is another "
            "machine"
        )


@contextlib.contextmanager
def _askpass(password: Secret | None) -> Iterator[dict[str, str]]:
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


def _no_answer(host: Host, record: HostRecord, reason: str) -> str:
    """Return the message for a host that can't be reached."""
    return (
        f"{host.name}: no ssh on {record.ssh_host}:{record.ssh_port}: {reason}: is it on, is the address right, and is "
        "the port open for this machine?"
    )


def _last(text: str) -> str:
    """Return the last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
