"""A stage's ssh files: keys, ssh_config, known_hosts, and where its sockets are."""

import contextlib
import getpass
import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from model.errors import KeyRefusedError, StateError
from model.keys.authorized_key import AuthorizedKey, parse_key, usable
from model.keys.record import HostRecord
from remote.mother.files import file_errors, write_whole
from remote.mother.lock import lock
from remote.ssh.commands import stage_config
from remote.ssh.identity import Identity

SUN_PATH = 104  # bytes: macOS's limit for a socket's path; Linux has 108
_SHOWN = 4
"""The parts of the key's path that messages show: `state/<stage>/secrets/id_ed25519`."""
_WRITING = 60.0
"""Seconds that another may take to write the ssh files."""


@dataclass(frozen=True)
class SshFiles:
    """Where a stage's ssh files are.

    Args:
        config: Its ssh_config, for skep and for people.
        key: The private key to log in with; a public one where the ssh agent has the private half.
        known_hosts: The pinned host keys.
        sockets: A directory with a short path, for sockets.
        identity: The key to log in with, where it is not the checkout's own.
        checkouts: The checkout's own private key, where that is another one: hosts may let it in still.

    """

    config: Path
    key: Path
    known_hosts: Path
    sockets: Path
    identity: Identity | None = None
    checkouts: Path | None = None

    def control(self, short: str) -> Path:
        """Return the path of the control socket of a host's shared connection."""
        return self.sockets / f"{short}.ssh"

    @property
    def public_key(self) -> str:
        """The public key, in one line, as it is beside the private one."""
        if self.identity is not None:
            return self.identity.public
        return self.key.with_name(f"{self.key.name}.pub").read_text().strip()

    @property
    def own_key(self) -> AuthorizedKey | None:
        """The public key as this checkout's entry on hosts says it, without a time; None while there is none."""
        try:
            found = parse_key(self.public_key)
        except OSError:
            return None
        if found is not None and self.identity is not None and self.identity.operator:
            return AuthorizedKey.of_operator(self.identity.operator, found.public)
        return None if found is None else AuthorizedKey(found.kind, found.blob, this_user())

    @property
    def former_key(self) -> AuthorizedKey | None:
        """The checkout's own key where an operator's is used in its place; None if there is none.

        Who is no operator any more must not be let in by it.
        """
        if self.checkouts is None or self.identity is None or not self.identity.operator:
            return None
        try:
            found = parse_key(self.checkouts.with_name(f"{self.checkouts.name}.pub").read_text())
        except OSError:
            return None
        return found if found is not None and found.public != self.identity.public else None

    @property
    def keys(self) -> tuple[Path, ...]:
        """The keys that are tried, in order."""
        has_former = self.checkouts is not None and self.checkouts.exists()
        return (self.key, self.checkouts) if self.checkouts is not None and has_former else (self.key,)

    @property
    def trouble(self) -> str:
        """Why the key can't be used, with the way out; empty if it can."""
        if self.identity is None or not self.identity.needs_agent:
            return ""
        return f"{self.key} has a passphrase, which the ssh agent does not know: ssh-add {self.key}"

    @property
    def entry(self) -> AuthorizedKey:
        """The key with the time of now, as it is let in.

        Raises:
            StateError: The public key can't be used.

        """
        own = self.own_key
        if own is None:
            raise StateError(f"{self.key}.pub: is not a usable public key: remove it, and run doit again")
        return replace(own, since=now())

    def refusal(self, name: str, *, first: str = "", last: str = "") -> KeyRefusedError:
        """Return the error of a host that does not let this checkout's key in.

        Args:
            name: The host's name.
            first: A way back in to try before another checkout is asked.
            last: A way back in where there is no other checkout.

        """
        own = self.own_key
        if own is not None and own.is_operators:
            return self._operators_refusal(name, own, first, last)
        path = self.key if len(self.key.parts) < _SHOWN else Path(*self.key.parts[-_SHOWN:])
        which = f"{own.fingerprint}, {path}" if own is not None else f"{path}, whose .pub is missing"
        command = f"doit authorize '{own.public} {own.comment}'" if own is not None else "doit authorize KEY"
        ways = [first, f"in a checkout that it still lets in, run: {command}", last]
        return KeyRefusedError(
            f"{name} refuses this checkout's key ({which})", "; or ".join(filter(None, ways))
        )

    def _operators_refusal(self, name: str, own: AuthorizedKey, first: str, last: str) -> KeyRefusedError:
        """Return the error of a host that does not let an operator's key in."""
        source = self.identity.source if self.identity is not None else ""
        ways = [
            self.trouble or first,
            "an operator whom it still lets in runs doit with this site.toml, which lets in all of [operators]",
            last,
        ]
        return KeyRefusedError(
            f"{name} refuses the key of operator {own.who} ({own.fingerprint}, {source})",
            "; or ".join(filter(None, ways)),
        )

    @property
    def who(self) -> str:
        """Who works here, for others: the operator whose key is used, or this machine's user, and the machine."""
        if self.identity is not None and self.identity.operator:
            return f"{usable(self.identity.operator)}@{this_user().partition('@')[2]}"
        return this_user()

    def write_identity(self) -> None:
        """Write the public key for ssh, where the agent has the private half."""
        if self.identity is not None and self.identity.path is None:
            self.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self.key, f"{self.identity.public}\n".encode(), mode=0o600)

    def other_host(self, name: str, problem: str) -> KeyRefusedError:
        """Return the error of a host whose host key ssh does not accept.

        Args:
            name: The host's name.
            problem: As `host_key_problem` says it.

        """
        return KeyRefusedError(
            f"{name} {problem}",
            "run doit, which asks its provider for the new one, or says what to do; ssh's own words: "
            f"ssh -F {self.config} {name}",
        )


def this_user() -> str:
    """Return who runs doit, and on which machine, as `alice@laptop`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{usable(user)}@{usable(socket.gethostname().partition('.')[0])}"


def now() -> str:
    """Return the time as entries of `authorized_keys` have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def is_refusal(text: str) -> bool:
    """Return whether ssh's error output says that the host does not let the key in, and not that ssh can't read it."""
    low = text.lower()
    return "permission denied (" in low and "load key" not in low


def is_turned_away(text: str) -> bool:
    """Return whether ssh's error output says that the host closed the connection before it said who it is.

    It shuts this machine out for a while after refused log-ins (PerSourcePenalties, on by default since OpenSSH 9.8),
    is full (MaxStartups), or its sshd starts or ends. https://man.openbsd.org/sshd_config#PerSourcePenalties
    """
    low = text.lower()
    return "kex_exchange_identification: " in low and (
        "connection closed" in low or "connection reset" in low
    )


_OTHER_HOST = "has another host key than before"


def is_other_host(refusal: str) -> bool:
    """Return whether the reason of a `KeyRefusedError` is that another machine answers than before."""
    return _OTHER_HOST in refusal


def host_key_problem(text: str) -> str:
    """Return why ssh does not accept a host's key, to be put behind the host's name; empty if it says no such thing."""
    low = text.lower()
    if "identification has changed" in low:
        return _OTHER_HOST
    # Nothing is known of it, or no key of that type.
    return "has a host key that is not known" if "host key verification failed" in low else ""


def socket_directory(state: Path) -> Path:
    """Return a directory of the stage's own whose path is short, however deep the state directory lies.

    It is made by `Connection.open`, and not before: who only lists leaves nothing behind.
    """
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or "")
    # It may name what is gone, as after `su` or a log-out, or may be somebody else's.
    if not (base.is_absolute() and base.is_dir() and os.access(base, os.W_OK)):
        base = Path(tempfile.gettempdir())
    if len(os.fsencode(base)) > SUN_PATH // 3:
        base = Path("/tmp")  # noqa: S108 - made 0700 and checked to be ours below
    digest = hashlib.sha256(os.fsencode(state.resolve())).hexdigest()[:12]
    return base / f"skep-{os.getuid()}-{digest}"


def own_directory(directory: Path) -> None:
    """Make a directory that only this user can read.

    Raises:
        StateError: There is one of that name, and it is not so.

    """
    directory.mkdir(mode=0o700, exist_ok=True)
    info = directory.lstat()
    if info.st_uid != os.getuid() or info.st_mode & 0o077 or directory.is_symlink():
        msg = f"{directory}: is not a directory that only you can read; remove it"
        raise StateError(msg)


def write_ssh_files(files: SshFiles, records: Mapping[str, HostRecord]) -> None:
    """Write ssh_config and known_hosts for the hosts that exist.

    Args:
        files: Where.
        records: Short host name to record.

    """
    pinned = {record.name: record.host_keys for record in records.values() if record.host_keys}
    # One writer at a time: hosts are made in parallel, and each adds its lines.
    with _writing(files):
        # Those of hosts without a record, too: the next log-in, maybe with a password, must find the key of the first.
        learned = [line for line in _known_lines(files.known_hosts) if line.split(" ")[0] not in pinned]
        lines = [f"{name} {key}" for name, keys in sorted(pinned.items()) for key in keys] + learned
        write_whole(files.known_hosts, "".join(f"{line}\n" for line in lines).encode())
        files.write_identity()
        write_whole(files.config, stage_config(files.keys, files.known_hosts, records).encode())


def learn(files: SshFiles, lines: Iterable[str]) -> None:
    """Add lines to known_hosts, those that are not in it yet.

    Args:
        files: The stage's ssh files.
        lines: As ssh writes them; empty ones don't count.

    """
    with _writing(files):
        known = _known_lines(files.known_hosts)
        new = [line for line in dict.fromkeys(lines) if line and line not in known]
        if new:
            write_whole(files.known_hosts, "".join(f"{line}\n" for line in [*known, *new]).encode())


def forget_host_keys(files: SshFiles, name: str) -> None:
    """Remove a host's keys from known_hosts: another machine has its place.

    Args:
        files: The stage's ssh files.
        name: The host's full name.

    """
    with _writing(files):
        known = _known_lines(files.known_hosts)
        kept = [line for line in known if line.split(" ")[0] != name]
        if kept != known:
            write_whole(files.known_hosts, "".join(f"{line}\n" for line in kept).encode())


def _writing(files: SshFiles) -> contextlib.AbstractContextManager[object]:
    """Hold the right to write a stage's ssh files."""
    return lock(files.config.parent / ".ssh.lock", "another run writes the stage's ssh files", _WRITING)


def _known_lines(path: Path) -> list[str]:
    """Return the lines of a file that need not be there."""
    try:
        with file_errors(path, except_=(FileNotFoundError,)):
            return path.read_text().splitlines()
    except FileNotFoundError:
        return []
