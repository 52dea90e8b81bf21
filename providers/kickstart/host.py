"""Hosts that are installed: waiting for each, and taking it over."""

import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from model.errors import ProviderError
from model.keys.record import ADMIN, HostRecord
from model.log import Log
from model.reasons import reason_of
from model.secrets.secret import Secret
from model.site import KickstartStage
from model.stage import Host
from model.units import duration
from providers.kickstart.host_keys import HostKeyStore, Kept
from providers.kickstart.image import ways_to_install
from remote.mother.wait import Pace, attempts
from remote.ssh.commands import ssh_login, with_key
from remote.ssh.login import LOGIN_TIMEOUT, log_in, pinned, run_ssh
from remote.ssh.ssh_files import SshFiles, host_key_problem, is_refusal

_IDENTIFY = "sudo -n cat /etc/machine-id"
_ASK_AGAIN = 5.0
"""Seconds between attempts to log in to a host that is being installed."""
_SAY_AGAIN = 300.0
"""Seconds between two lines that tell what is waited for."""

# The host key came on a medium that many can read: the host makes another, which has never left it. In two steps, so
# that a run that is killed between them knows both.
_NEW_KEY = """\
set -eu
umask 077
new=/etc/ssh/skep_next_ed25519_key
[ -s "$new.pub" ] || { rm -f "$new"; ssh-keygen -q -t ed25519 -N '' -C '' -f "$new"; }
cat "$new.pub"
"""
_USE_KEY = """\
set -eu
new=/etc/ssh/skep_next_ed25519_key key=/etc/ssh/ssh_host_ed25519_key
if [ -s "$new.pub" ]; then
    mv "$new" "$key"
    mv "$new.pub" "$key.pub"
    chmod 0644 "$key.pub"
    if command -v restorecon >/dev/null 2>&1; then restorecon /etc/ssh/* || true; fi
fi
rm -f /etc/cloud/cloud.cfg.d/99-installer.cfg
systemctl reload ssh 2>/dev/null || systemctl reload sshd
"""


class KickstartHosts:
    """The hosts of one stage. Thread-safe.

    Args:
        config: The stage's table of site.toml.
        files: Its ssh files; the key pair is there.
        store: The hosts' ssh host keys.
        secret: Gives root's password, where there is one.

    """

    def __init__(
        self, config: KickstartStage, files: SshFiles, store: HostKeyStore, secret: Callable[[str], Secret]
    ) -> None:
        self._config, self._files, self._store, self._secret = config, files, store, secret

    def ensure(self, host: Host, log: Log) -> HostRecord:
        """Wait until a host answers as the one that was installed, and take it over."""
        problem, told = "", float("-inf")
        media = ways_to_install(self._config)
        for _ in attempts(self._config.install_timeout, Pace(first=_ASK_AGAIN, longest=_ASK_AGAIN)):
            answer = self._take_over(host, self._store.read(host.short), log)
            if isinstance(answer, HostRecord):
                return answer
            problem = answer
            if time.monotonic() - told > _SAY_AGAIN:
                log(f"{host.name}: waiting for it at {host.address}; install it from {media} ({problem})")
                told = time.monotonic()
        raise ProviderError(
            f"{host.name}: does not answer as installed within {duration(self._config.install_timeout)}: {problem}: "
            f"look at its screen; install it from {media}, then run doit again"
        )

    def recall(self, host: Host) -> HostRecord | None:
        """Return the record of a host that was taken over and lets the stage's key in; nothing on it is changed."""
        kept = self._store.read(host.short)
        if not kept.current or self.why_silent(host):
            return None
        answer = log_in(self._record(host, kept.current), self._files.key, _IDENTIFY)
        identity = answer.output.strip()
        return self._record(host, kept.current, identity) if answer.worked and identity else None

    def _take_over(self, host: Host, kept: Kept, log: Log) -> HostRecord | str:
        """Return the host's record if it answers, with a host key of its own; else why it does not."""
        problem = self.why_silent(host)
        if problem:
            return problem
        if kept.current:
            answer = log_in(self._record(host, kept.current), self._files.key, _IDENTIFY)
            if answer.worked:
                self._store.write(host.short, kept.settled())
                return self._finished(host, kept.current, answer.output, log)
            problem = answer.errors
            if is_refusal(problem) and not kept.pending:
                # It is installed, and verified by its host key: waiting does not help.
                raise self._files.refusal(
                    host.short,
                    last=f"append that key to ~{ADMIN}/.ssh/authorized_keys on its console, as root",
                )
            if (changed := host_key_problem(problem)) and not kept.pending:
                # No medium was made since, from which it could be in installation.
                raise ProviderError(self._another_key(host, changed))
        if not kept.pending:
            return problem or "nothing was made to install it from: doit build_infra:medium"
        first = self._record(host, kept.pending)
        answer = log_in(first, self._files.key, _IDENTIFY)
        if not answer.worked:
            return answer.errors or problem or f"exit status {answer.status}"
        log(f"{host.name}: was installed; it gets a host key that was on no medium")
        line = self._run_as_root(first, _NEW_KEY)
        words = line.split()
        if len(words) < 2 or words[0] != "ssh-ed25519":  # noqa: PLR2004 - type and key
            raise ProviderError(
                f"{host.name}: ssh-keygen made no key there: {line.strip() or 'it printed nothing'}"
            )
        kept = kept.exchanged(" ".join(words[:2]))
        self._store.write(host.short, kept)
        self._run_as_root(first, _USE_KEY)
        answer = log_in(self._record(host, kept.current), self._files.key, _IDENTIFY)
        if not answer.worked:
            return f"its new host key is not in use yet: {answer.errors}"
        self._store.write(host.short, kept.settled())
        return self._finished(host, kept.current, answer.output, log)

    def _another_key(self, host: Host, problem: str) -> str:
        """Return the message for a host that was taken over and whose host key ssh does not accept."""
        return (
            f"{host.name}: {host.address} {problem}: if it was installed from another checkout, copy "
            f"{self._store.path(host.short)} from there; if from this one's old medium, run `doit forget "
            "build_infra:medium` and `doit build_infra:medium`, and install it from the new one; if neither, another "
            "machine answers at this address"
        )

    def is_installed(self, host: Host) -> bool:
        """Return whether a host answers ssh with a key by which it is known, and lets the stage's in."""
        if self.why_silent(host):
            return False
        kept = self._store.read(host.short)
        records = [self._record(host, key) for key in (kept.current, kept.pending) if key]
        return any(log_in(record, self._files.key, "sudo -n true").worked for record in records)

    def why_silent(self, host: Host) -> str:
        """Return why a host's ssh port does not answer, if it does not."""
        try:
            socket.create_connection((host.address, 22), timeout=_ASK_AGAIN).close()
        except OSError as error:
            return reason_of(error)
        return ""

    def _finished(self, host: Host, host_key: str, identity: str, log: Log) -> HostRecord:
        """Give root its password, where there is one, and return the record."""
        record = self._record(host, host_key, identity.strip())
        if not record.id:
            raise ProviderError(
                f"{host.name}: /etc/machine-id is empty: run `systemd-machine-id-setup` there"
            )
        if self._config.root_password is not None:
            password = self._secret(self._config.root_password).reveal()
            self._run_as_root(record, "chpasswd <<'SKEP-END'\nroot:" + password + "\nSKEP-END\n")
        log(f"{host.name}: answers as {ADMIN}@{record.ssh_host}")
        return record

    def _run_as_root(self, record: HostRecord, script: str) -> str:
        """Run a script on a host and return its output; its text goes on no command line."""
        with tempfile.TemporaryDirectory(prefix="skep-login-") as directory:
            words = ssh_login(
                record, pinned(record, Path(directory)), with_key(self._files.key), "sudo -n sh -s"
            )
            answer = run_ssh(words, timeout=LOGIN_TIMEOUT, stdin=script.encode())
        if not answer.worked:
            raise ProviderError(
                f"{record.name}: {answer.errors or f'exit status {answer.status}'}: run doit again"
            )
        return answer.output

    def _record(self, host: Host, host_key: str, identity: str = "") -> HostRecord:
        """Return a host's record."""
        return HostRecord(
            name=host.name,
            id=identity,
            address=host.address,
            ssh_host=host.address,
            user=ADMIN,
            host_keys=(host_key,),
        )
