"""Check the files of roles: what a role's script could only fail with once it runs in its container."""

import os
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from model import site as types
from model.errors import ConfigError
from model.images import ansible, roles
from model.keys.tree import paths_below

_MARK, _MARKS_16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks: of UTF-8, and of UTF-16 in either order."""
_NO_SHELL = re.compile(rb"#![^\n]*?\b(awk|node|perl|php|python|ruby)[\d.]*\b")
"""A first line that asks for another program than a shell."""
_LONGEST_FIRST_LINE = 256
"""Bytes of a first line that Linux reads."""
_HERE = re.compile(rb"<<-?\s*['\"\\]?([A-Za-z_]\w*)")
"""The beginning of a here-document, and the word that ends it."""
_IN_IMAGES = (
    "bin",
    "boot",
    "dev",
    "etc",
    "lib",
    "lib64",
    "opt",
    "proc",
    "run",
    "sbin",
    "srv",
    "sys",
    "usr",
    "var",
)
"""Directories that an image has as well: a link there is one that is to be installed."""


def check_role_files(site: types.Site, directory: Path) -> Iterator[str]:
    """Yield the mistakes in the files of all roles that are used."""
    lists: list[Iterable[types.RoleUse]] = [image.roles for image in site.images.values()]
    lists += [service.initialize_roles for service in site.services.values()]
    of_ansible = False
    for name in dict.fromkeys(use.role for uses in lists for use in uses):
        path = roles.find(directory, name)
        if path is None:
            continue
        used = _used(directory, name) if ansible.is_role(path) else ()
        of_ansible |= ansible.is_role(path)
        for each in (name, *used):
            place = roles.find(directory, each)
            if place is not None and not roles.is_built_in(place):
                yield from _check(f"roles/{each}", place, directory, used)
    if of_ansible:
        for name in (ansible.LIBRARY, ansible.FILTERS):
            if (directory / name).is_dir():
                with suppress(ConfigError):  # said where it is read
                    yield from _links(name, directory / name, paths_below(directory / name), directory, ())


def _used(directory: Path, name: str) -> Collection[str]:
    """Return the roles that lie beside a role of Ansible when it runs."""
    try:
        return ansible.trees(directory, name).keys() if ansible.feature_release() else ()
    except ConfigError:  # said elsewhere
        return ()


def _check(label: str, role: Path, site: Path, beside: Collection[str]) -> Iterator[str]:
    """Yield the mistakes in one role's files.

    Args:
        label: What messages call it.
        role: Its directory.
        site: The site's.
        beside: The roles that lie beside it when it runs.

    """
    try:
        found = paths_below(role)
        script = (role / ansible.SCRIPT).read_bytes() if (role / ansible.SCRIPT).is_file() else b""
    except (ConfigError, OSError) as error:
        yield from error.problems if isinstance(error, ConfigError) else [f"{label}: {error.strerror}"]
        return
    yield from _script(f"{label}/{ansible.SCRIPT}", script)
    for path, kind in found:
        if kind == "file" and path != ansible.SCRIPT and not path.startswith("templates/"):
            yield from _first_line(f"{label}/{path}", role / path)
    yield from _links(label, role, found, site, beside)


def _links(
    label: str, root: Path, found: Iterable[tuple[str, str]], site: Path, beside: Collection[str]
) -> Iterator[str]:
    """Yield the links that lead out of a directory which is copied as a whole."""
    for path in (path for path, kind in found if kind == "link"):
        target = os.fsdecode((root / path).readlink())
        if _leads_out(root, path, target, site, beside):
            yield (
                f"{label}/{path}: is a link to {target}, which is not in {label}, and nothing else is there when it is "
                f"used: put the file there in the link's place"
            )


def _script(label: str, script: bytes) -> Iterator[str]:
    """Yield the mistakes in the form of a `setup.sh`."""
    if script.startswith(_MARK):
        yield f"{label}: begins with a byte order mark, which sh takes for a part of the first command: save it without"
        return
    if script.startswith(_MARKS_16):
        yield f"{label}: is UTF-16, which sh can't read: save it as UTF-8, without a byte order mark"
        return
    # What follows `exit` may be anything: an archive that the script unpacks.
    if b"\0" in script.partition(b"\n")[0]:
        yield f"{label}: is no text, and sh can't read it: call the program in a {ansible.SCRIPT}"
        return
    if (asked := _NO_SHELL.match(script)) is not None:
        program = asked[1].decode()
        yield (
            f"{label}: its first line asks for {program}, and it is run by /bin/sh: put it into another file of the "
            f"role, and call {program} with that in {ansible.SCRIPT}"
        )
        return
    end = b""
    for number, line in enumerate(script.split(b"\n"), 1):
        if end:
            end = b"" if line.strip(b"\t\r") == end else end
        elif line.endswith(b"\r"):
            yield (
                f"{label}: line {number} ends with CR LF as on Windows, and sh takes the CR for a part of the command: "
                f"sed -i 's/\\r$//' {label}"
            )
            return
        elif (begun := _HERE.search(line)) is not None:
            end = begun[1]


def _first_line(label: str, file: Path) -> Iterator[str]:
    """Yield that nothing can run a script: its first line names a program that ends with a CR."""
    with suppress(OSError), file.open("rb") as opened:
        line = opened.read(2) == b"#!" and opened.readline(_LONGEST_FIRST_LINE)
        if line and line.endswith(b"\r\n"):
            yield (
                f"{label}: its first line ends with CR LF as on Windows, so that no kernel finds the program that it "
                f"names: sed -i 's/\\r$//' {label}"
            )


def _leads_out(role: Path, path: str, target: str, site: Path, beside: Collection[str]) -> bool:
    """Return whether a link leads to something on this machine that its container can't have."""
    if target.startswith("/"):
        if Path(target).is_relative_to(site) or Path(target).is_relative_to(site.resolve()):
            return True
        return target.split("/")[1] not in _IN_IMAGES and Path(target).exists()
    place = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if place.split("/")[0] != "..":
        return False
    # Those beside it are in the directory above it.
    _, _, rest = place.partition("/")
    return rest.split("/")[0] not in {role.name, *beside}
