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
_PART = re.compile(
    rb"""(?xsm)
    (?P<quoted> \\[^\r\n] | '[^']*' | "(?:\\.|[^"\\])*" )
    | (?P<comment> (?<![^\s;&|()]) \#[^\r\n]* )
    | (?P<sum> \(\((?:[^()\n]|\([^()\n]*\))*\)\) )
    | (?P<word> <<< )
    | <<-?[ \t]*(?: '(?P<single>[^'\n]+)' | "(?P<double>[^"\n]+)" | \\?(?P<bare>[A-Za-z_][\w.-]*) )
    | (?P<exit> (?:^|;[ \t]*) exit\b [^\r\n;]* $ )
    | (?P<cr> \r$ )
    | (?P<newline> \n )
    """
)
"""What a look for line ends has to know of a script: what has another meaning, and where a line or the script ends."""
_IN_IMAGES = frozenset(
    (
        *(
            "bin",
            "boot",
            "dev",
            "etc",
            "home",
            "lib",
            "lib32",
            "lib64",
            "media",
            "mnt",
            "opt",
            "proc",
            "root",
            "run",
        ),
        *("sbin", "srv", "sys", "tmp", "usr", "var"),
    )
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
        return ansible.trees(directory, name).keys()
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
    # Links of a role of files are the image's, and lead wherever they will there.
    if not ansible.is_of_files(role):
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
    if (number := _line_with_cr(script)) is not None:
        yield (
            f"{label}: line {number} ends with CR LF as on Windows, and sh takes the CR for a part of the command: "
            f"sed -i 's/\\r$//' {label}"
        )


def _line_with_cr(script: bytes) -> int | None:
    """Return the number of the first line of a script whose end is one of Windows; None if there is none.

    CRs in quotes and here-documents are the script's own. What follows `exit` may be anything: an archive. So may what
    follows a line with a NUL.
    """
    if b"\0" in script:
        script = script.partition(b"\0")[0].rpartition(b"\n")[0]
    ends: list[bytes] = []
    at = 0
    while (found := _PART.search(script, at)) is not None:
        at, kind = found.end(), found.lastgroup
        if kind == "exit":
            return None
        if kind == "cr":
            return script.count(b"\n", 0, at) + 1
        if kind in {"single", "double", "bare"}:
            ends.append(found[kind])
        elif kind == "newline":
            for end in ends:
                at = _after(script, at, end)
            ends = []
    return None


def _after(script: bytes, at: int, end: bytes) -> int:
    """Return where a here-document is over that begins at a place: after the line with its word."""
    while at < len(script):
        begin, newline = at, script.find(b"\n", at)
        at = newline + 1 if newline >= 0 else len(script)
        if script[begin:at].strip(b"\t\r\n") == end:
            break
    return at


def _first_line(label: str, file: Path) -> Iterator[str]:
    """Yield that nothing can run a script: its first line names a program that ends with a CR."""
    with suppress(OSError), file.open("rb") as opened:
        line = opened.read(2) == b"#!" and opened.readline(_LONGEST_FIRST_LINE)
        if line and line.endswith(b"\r\n"):
            yield (
                f"{label}: its first line ends with CR LF as on Windows, so that no kernel finds the program that it "
                f"names: sed -i 's/\\r$//' {label}"
            )


def _is_there(path: Path) -> bool:
    """Return whether something is there, as far as one may look."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _leads_out(role: Path, path: str, target: str, site: Path, beside: Collection[str]) -> bool:
    """Return whether a link leads to something on this machine that its container can't have."""
    if target.startswith("/"):
        if Path(target).is_relative_to(site) or Path(target).is_relative_to(site.resolve()):
            return True
        return target.split("/")[1] not in _IN_IMAGES and _is_there(Path(target))
    place = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if place.split("/")[0] != "..":
        return False
    # Those beside it are in the directory above it.
    _, _, rest = place.partition("/")
    return rest.split("/")[0] not in {role.name, *beside}
