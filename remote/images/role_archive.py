"""Role directories as tar archives, the form in which an engine takes files."""

from collections.abc import Iterable, Mapping

from model.keys.tree import Entry
from model.secrets.secret import Secret
from remote.images.archive import Archive

ROOT = ".skep"
"""The directory of a role in a container while it runs; it is removed before a layer is committed."""


def role_archive(
    entries: Iterable[Entry],
    environment: Mapping[str, str],
    secrets: Mapping[str, Secret] | None = None,
    token: str = "",
) -> Archive:
    """Return a tar of a role below `.skep/role`, with its variables in `.skep/env` and secrets in `.skep/secrets`.

    Everything belongs to root, and files have times that follow from their content, so that equal roles make equal
    archives; unless there is a token, by which `END_ROLE` knows the role's processes.
    """
    archive = Archive()
    archive.add(ROOT, 0o700, kind="directory")
    archive.add(f"{ROOT}/env", 0o600, env_file(environment).encode())
    if token:
        archive.add(f"{ROOT}/token", 0o600, token.encode())
    if secrets:
        _add_secrets(archive, {name: secret.data for name, secret in secrets.items()})
    archive.add(f"{ROOT}/role", 0o755, kind="directory")
    for entry in entries:
        archive.add_entry(entry, f"{ROOT}/role")
    return archive


def workplace_archive(token: str) -> bytes:
    """Return a tar for a role of Ansible: a directory to work in, and a token that says whose that is."""
    archive = Archive()
    # Open to all: a task may be another user's.
    archive.add(ROOT, 0o711, kind="directory")
    archive.add(f"{ROOT}/work", 0o1777, kind="directory")
    archive.add(f"{ROOT}/token", 0o600, token.encode())
    return bytes(archive)


def blank_secrets(names: Iterable[str]) -> bytes:
    """Return a tar that puts empty files in the place of a role's secrets."""
    return secrets_archive(dict.fromkeys(names, Secret("")))


def secrets_archive(secrets: Mapping[str, Secret]) -> bytes:
    """Return a tar with a role's secrets alone."""
    archive = Archive()
    archive.add(ROOT, 0o700, kind="directory")
    _add_secrets(archive, {name: secret.data for name, secret in secrets.items()})
    return bytes(archive)


def _add_secrets(archive: Archive, contents: Mapping[str, bytes]) -> None:
    """Add the files of secrets, which only root reads."""
    archive.add(f"{ROOT}/secrets", 0o700, kind="directory")
    for name, content in sorted(contents.items()):
        archive.add(f"{ROOT}/secrets/{name}", 0o600, content)


def env_file(environment: Mapping[str, str]) -> str:
    """Return variables as a text that a POSIX shell reads with `.`."""
    quoted = ((name, value.replace("'", "'\\''")) for name, value in sorted(environment.items()))
    return "".join(f"{name}='{value}'\n" for name, value in quoted)


RUN_ROLE = (
    "cd /.skep/role && set -a && . ../env && set +a && "
    "sh -e ./setup.sh </dev/null; status=$?; cd /; rm -rf /.skep; exit $status"
)
"""The shell command that runs a role put there by `role_archive`, and removes it."""

APT_CACHES = "/var/cache/apt/pkgcache.bin /var/cache/apt/srcpkgcache.bin"
"""What apt makes anew from its lists and the installed packages: half of a small layer, and slow to compress.

Debian's own images keep them out in the same way (`/etc/apt/apt.conf.d/docker-clean`).
"""

BUILD_ROLE = (
    "cd /.skep/role && set -a && . ../env && set +a && "
    "sh -e ./setup.sh </dev/null; status=$?; cd /; rm -rf /.skep/secrets; "
    f"[ $status -ne 0 ] || rm -rf /.skep {APT_CACHES}; exit $status"
)
"""The same for a build: a role that failed stays, but for its secrets, so that it can be looked into."""

STAY = "read -r _; exit 0"
"""The shell command of a container in which others run things: it waits for an input that never comes."""

TOKEN = "SKEP_ROLE"  # noqa: S105 - no password
"""The variable by which the processes of a role are known in a container that others use as well."""

CLEAN_PLAY = "rm -rf /.skep"
"""The shell command that removes the directory of `workplace_archive`, with everything that Ansible left in it."""

CLEAN_LAYER = f"{CLEAN_PLAY} {APT_CACHES}"
"""The same before a layer is committed."""

END_ROLE = (
    '[ -r /.skep/token ] || exit 0; read -r token </.skep/token || [ -n "$token" ] || exit 0; '
    'for each in /proc/[0-9]*; do if grep -qs "SKEP_ROLE=$token" "$each/environ"; then '
    'kill -9 "${each#/proc/}" 2>/dev/null || :; fi; done; rm -rf /.skep'
)
"""The shell command that ends the processes of a role that was cut off in this container, and removes the role."""

CLEAN_INIT = "[ ! -e /etc/machine-id ] || : >/etc/machine-id; rm -rf /var/log/journal/*"
"""The shell command that removes an init's files that each container must have of its own, as the machine id."""
