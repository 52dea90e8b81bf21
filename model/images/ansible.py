"""Ansible roles: recognize them, find the roles they use and the installed Ansible. Ansible is not imported."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from model.errors import ConfigError
from model.extras import ANSIBLE
from model.images import roles
from model.keys.tree import Entry, read_tree

SCRIPT, ROOT = "setup.sh", "root"
MAIN = ("tasks/main.yml", "tasks/main.yaml")
_COLLECTION = Path("ansible_collections", "community", "docker")
COLLECTIONS = (Path("~/.ansible/collections"), Path("/usr/share/ansible/collections"))
"""The directories of collections, beside pip's."""
LIBRARY, UTILS, FILTERS = "lib", "module_utils", "plugins/filter"
"""The directories of a site's own modules, of code that modules share (below the first), and of filters; as in
hive-builder."""
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_FILES = re.compile(r"(meta|tasks|handlers)/.+\.ya?ml")
_USES = {
    f"{space}{word}"
    for space in ("", "ansible.builtin.", "ansible.legacy.")
    for word in ("include_role", "import_role")
}
_NAMED = re.compile(r"\b(?:name|role)=([^\s]+)")


def is_of_files(path: Path) -> bool:
    """Return whether a directory is a role of files alone: of those in its `root/`, and nothing is run."""
    return (path / ROOT).is_dir() and not (path / SCRIPT).is_file() and not is_role(path)


def is_role(path: Path) -> bool:
    """Return whether a directory is an Ansible role."""
    return any((path / main).is_file() for main in MAIN)


def feature_release() -> str:
    """Return the feature release of the Ansible that applies roles, as in `2.19`: that which is, or will be, installed.

    Bug fix releases do what the one before was meant to do; so only this counts for what a role makes.
    """
    return ".".join((_installed() or ANSIBLE.pinned("ansible-core")).split(".")[:2])


def is_installed() -> bool:
    """Return whether Ansible is installed, and skep can use it."""
    return bool(_installed())


@cache
def _installed() -> str:
    """Return the release of the installed Ansible; empty if skep can't use it."""
    try:
        return version("ansible-core") if _has_collection() else ""
    except PackageNotFoundError:
        return ""


def look_again() -> None:
    """Forget that Ansible was not installed."""
    _installed.cache_clear()


def _has_collection() -> bool:
    """Return whether the collection that connects to containers is installed."""
    spec = find_spec("ansible_collections")
    beside = [Path(each).parent for each in (spec.submodule_search_locations or ())] if spec else []
    return any((root.expanduser() / _COLLECTION).is_dir() for root in (*beside, *COLLECTIONS))


def trees(directory: Path, role: str) -> dict[str, tuple[Entry, ...]]:
    """Return a role's files and those of all the roles that it uses, by their names.

    Args:
        directory: The site's.
        role: The role's name.

    Raises:
        ConfigError: A role that is used is not there, or is none of Ansible; or a file can't be read.

    """
    found: dict[str, tuple[Entry, ...]] = {}
    waiting = [role]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = roles.find(directory, name)
        # The caller checks the first one.
        if path is None:
            raise ConfigError([f"roles/{role} uses role {name}, and there is no directory roles/{name}"])
        if not is_role(path) and not roles.is_built_in(path):
            raise ConfigError(
                [f"roles/{role} uses role {name}, which is not an Ansible role: it has no {MAIN[0]}"]
            )
        found[name] = roles.entries_of(name, path) if roles.is_built_in(path) else read_tree(path)
        used = set(_used(f"{path.parent.name}/{name}", found[name]))
        if None in used:
            used |= set(_all(directory))
        # A role of a collection comes with the collection.
        waiting += sorted(each for each in used if each is not None and each.count(".") < 2)  # noqa: PLR2004
    return dict(sorted(found.items()))


def plugins(directory: Path, role_trees: Mapping[str, Iterable[Entry]]) -> dict[str, tuple[Entry, ...]]:
    """Return the site's own modules and filters that roles may use, by their directory. Pure.

    A module counts if a role's file has its name, and then all that it may import; a filter's file, whose filters have
    names of their own, always. A role sees no more than counts.

    Args:
        directory: The site's.
        role_trees: The roles' files.

    Raises:
        ConfigError: A file can't be read.

    """
    # One file at a time: all of them may be more than fits into memory.
    words = {word for tree in role_trees.values() for entry in tree for word in _WORD.findall(entry.text)}
    library = _python(directory / LIBRARY)
    modules = [
        entry for entry in library if Path(entry.path).stem.encode() in words and "/" not in entry.path
    ]
    shared = [entry for entry in library if entry.path.startswith(f"{UTILS}/")] if modules else []
    found = {LIBRARY: (*modules, *shared), FILTERS: _python(directory / FILTERS)}
    return {place: entries for place, entries in found.items() if entries}


def _python(directory: Path) -> tuple[Entry, ...]:
    """Return the Python files below a directory, if it is there."""
    if not directory.is_dir():
        return ()
    return tuple(entry for entry in read_tree(directory) if entry.path.endswith(".py"))


def _all(directory: Path) -> Iterator[str]:
    """Yield the site's Ansible roles: a role that computes a role's name may use any of them."""
    for path in sorted((directory / "roles").iterdir()):
        if is_role(path):
            yield path.name


def _used(label: str, entries: Iterable[Entry]) -> Iterator[str | None]:
    """Yield the roles that a role's files use; None for a name that is computed."""
    for entry in entries:
        if entry.kind != "file" or not _FILES.fullmatch(entry.path):
            continue
        read = _read(f"{label}/{entry.path}", entry.text)
        names = _dependencies(read) if entry.path.startswith("meta/main.") else _included(read)
        for name in names:
            yield None if "{{" in name else name


def _read(label: str, data: bytes) -> Any:
    """Return the content of a YAML file, with custom tags as empty texts.

    Raises:
        ConfigError: It is no YAML.

    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Reads unknown tags, as `!vault`, as texts."""

    Loader.add_multi_constructor("!", lambda *_: "")
    try:
        return yaml.load(data, Loader)  # noqa: S506 - it is a safe one
    except yaml.YAMLError as error:
        raise ConfigError([f"{label}: {' '.join(str(error).split())}"]) from error


def _dependencies(meta: Any) -> Iterator[str]:
    """Yield the names in a role's `dependencies`."""
    for each in (isinstance(meta, dict) and meta.get("dependencies")) or []:
        name = (each.get("role") or each.get("name")) if isinstance(each, dict) else each
        if name:
            yield str(name)


def _included(value: Any) -> Iterator[str]:
    """Yield the names of the roles that tasks include or import, in blocks too."""
    if isinstance(value, list):
        for part in value:
            yield from _included(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if key in _USES:
                arguments = part if isinstance(part, dict) else value.get("args")
                if isinstance(part, str):
                    yield from _NAMED.findall(part)
                elif isinstance(arguments, dict) and "name" in arguments:
                    yield str(arguments["name"])
            else:
                yield from _included(part)
