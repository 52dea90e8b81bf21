"""Role directories as tar archives, the form in which an engine takes files."""

import io
import tarfile
from collections.abc import Iterable, Mapping

from model.digest import Entry

ROOT = ".skep"
"""Where a role is put in a container while it runs; it is gone before the container is committed."""

_KINDS = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "directory": tarfile.DIRTYPE}


def role_archive(entries: Iterable[Entry], environment: Mapping[str, str]) -> bytes:
    """Return a tar of a role below `.skep/role`, with its variables in `.skep/env`.

    All belongs to root and has no time of its own, so that equal roles make equal archives.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        _add(archive, ROOT, 0o700, b"", "directory")
        _add(archive, f"{ROOT}/env", 0o600, env_file(environment).encode(), "file")
        _add(archive, f"{ROOT}/role", 0o755, b"", "directory")
        for entry in entries:
            _add(archive, f"{ROOT}/role/{entry.path}", entry.mode, entry.data, entry.kind)
    return buffer.getvalue()


def env_file(environment: Mapping[str, str]) -> str:
    """Return variables as a text that a POSIX shell reads with `.`."""
    quoted = ((name, value.replace("'", "'\\''")) for name, value in sorted(environment.items()))
    return "".join(f"{name}='{value}'\n" for name, value in quoted)


RUN_ROLE = (
    "cd /.skep/role && set -a && . ../env && set +a && "
    "sh -e ./setup.sh </dev/null; status=$?; cd /; rm -rf /.skep; exit $status"
)
"""The shell command that runs a role put there by `role_archive`, and removes it."""


def _add(archive: tarfile.TarFile, name: str, mode: int, data: bytes, kind: str) -> None:
    """Add one entry to an archive."""
    info = tarfile.TarInfo(name)
    info.type, info.mode = _KINDS[kind], mode
    if kind == "link":
        info.linkname = data.decode(errors="surrogateescape")
        archive.addfile(info)
        return
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
