"""Role directories as tar archives, the form in which an engine takes files."""

import io
import tarfile
from collections.abc import Iterable, Mapping

from model.keys.digest import Entry
from model.secrets.secret import Secret

ROOT = ".skep"
"""The directory of a role in a container while it runs; it is removed before a layer is committed."""

_KINDS = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "directory": tarfile.DIRTYPE}


def role_archive(
    entries: Iterable[Entry],
    environment: Mapping[str, str],
    secrets: Mapping[str, Secret] | None = None,
    token: str = "",
) -> bytes:
    """Return a tar of a role below `.skep/role`, with its variables in `.skep/env` and secrets in `.skep/secrets`.

    Everything belongs to root and has no time, so that equal roles make equal archives; unless there is a token, by
    which `END_ROLE` knows the role's processes.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        add_entry(archive, ROOT, 0o700, b"", "directory")
        add_entry(archive, f"{ROOT}/env", 0o600, env_file(environment).encode(), "file")
        if token:
            add_entry(archive, f"{ROOT}/token", 0o600, token.encode(), "file")
        if secrets:
            _add_secrets(archive, {name: secret.reveal() for name, secret in secrets.items()})
        add_entry(archive, f"{ROOT}/role", 0o755, b"", "directory")
        for entry in entries:
            add_entry(archive, f"{ROOT}/role/{entry.path}", entry.mode, entry.data, entry.kind)
    return buffer.getvalue()


def workplace_archive(token: str) -> bytes:
    """Return a tar for a role of Ansible: a directory to work in, and a token that says whose that is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        # Open to all: a task may be another user's.
        add_entry(archive, ROOT, 0o711, b"", "directory")
        add_entry(archive, f"{ROOT}/work", 0o1777, b"", "directory")
        add_entry(archive, f"{ROOT}/token", 0o600, token.encode(), "file")
    return buffer.getvalue()


def blank_secrets(names: Iterable[str]) -> bytes:
    """Return a tar that puts empty files in the place of a role's secrets."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        add_entry(archive, ROOT, 0o700, b"", "directory")
        _add_secrets(archive, dict.fromkeys(names, ""))
    return buffer.getvalue()


def _add_secrets(archive: tarfile.TarFile, texts: Mapping[str, str]) -> None:
    """Add the files of secrets, which only root reads."""
    add_entry(archive, f"{ROOT}/secrets", 0o700, b"", "directory")
    for name, text in sorted(texts.items()):
        add_entry(archive, f"{ROOT}/secrets/{name}", 0o600, text.encode(), "file")


def env_file(environment: Mapping[str, str]) -> str:
    """Return variables as a text that a POSIX shell reads with `.`."""
    quoted = ((name, value.replace("'", "'\\''")) for name, value in sorted(environment.items()))
    return "".join(f"{name}='{value}'\n" for name, value in quoted)


RUN_ROLE = (
    "cd /.skep/role && set -a && . ../env && set +a && "
    "sh -e ./setup.sh </dev/null; status=$?; cd /; rm -rf /.skep; exit $status"
)
"""The shell command that runs a role put there by `role_archive`, and removes it."""

BUILD_ROLE = (
    "cd /.skep/role && set -a && . ../env && set +a && "
    "sh -e ./setup.sh </dev/null; status=$?; cd /; rm -rf /.skep/secrets; "
    "[ $status -ne 0 ] || rm -rf /.skep; exit $status"
)
"""The same for a build: a role that failed stays, but for its secrets, so that it can be looked into."""

STAY = "read -r _; exit 0"
"""The shell command of a container in which others run things: it waits for an input that never comes."""

TOKEN = "SKEP_ROLE"  # noqa: S105 - no password
"""The variable by which the processes of a role are known in a container that others use as well."""

CLEAN_PLAY = "rm -rf /.skep"
"""The shell command that removes the directory of `workplace_archive`, with everything that Ansible left in it."""

END_ROLE = (
    '[ -r /.skep/token ] || exit 0; read -r token </.skep/token || [ -n "$token" ] || exit 0; '
    'for each in /proc/[0-9]*; do if grep -qs "SKEP_ROLE=$token" "$each/environ"; then '
    'kill -9 "${each#/proc/}" 2>/dev/null || :; fi; done; rm -rf /.skep'
)
"""The shell command that ends the processes of a role that was cut off in this container, and removes the role."""

CLEAN_INIT = "[ ! -e /etc/machine-id ] || : >/etc/machine-id; rm -rf /var/log/journal/*"
"""The shell command that removes an init's files that each container must have of its own, as the machine id."""


def add_entry(archive: tarfile.TarFile, name: str, mode: int, data: bytes, kind: str) -> None:
    """Add one entry to an archive."""
    info = tarfile.TarInfo(name)
    info.type, info.mode = _KINDS[kind], mode
    if kind == "link":
        info.linkname = data.decode(errors="surrogateescape")
        archive.addfile(info)
        return
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
