"""The files of a directory, such as a role's or a build context's: read, counted and given a time.

A directory is read once, so that the hashed content is the one used. Large files are not held in memory: they are
hashed in blocks, and read in blocks once more where they are used, which fails if they are not the same any more.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from model.errors import ConfigError
from model.keys.digest import Inputs, sha256
from model.keys.gitignore import GIT, Level, is_top, level_of

BLOCK = 1 << 20
"""Bytes of a file that are read at once."""
HELD_FILE, HELD_TREE = 256 << 10, 32 << 20
"""Bytes that a file may have to be held in memory, and that all held files of a directory may have together."""
FIRST_TIME = 1704067200
"""2024-01-01 UTC: the earliest time of a file, and the time of what has no content."""
_TIMES = 366 * 86400
"""Seconds that a file's time is spread over: the year 2024, after all that refuses 1970 and before every run."""


@dataclass(frozen=True)
class OnDisk:
    """The content of a file that is not held in memory.

    Args:
        path: The file.
        size: Its bytes.
        digest: The SHA-256 of its content.

    """

    path: Path
    size: int
    digest: str

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in blocks.

        Raises:
            ConfigError: It is not the one that was hashed, or can't be read.

        """
        found, left = hashlib.sha256(), self.size
        try:
            with self.path.open("rb") as file:
                while block := file.read(BLOCK):
                    left -= len(block)
                    if left < 0:
                        break
                    found.update(block)
                    yield block
        except OSError as error:
            raise ConfigError([f"{self.path}: {error.strerror}"]) from error
        if left or found.hexdigest() != self.digest:
            raise ConfigError([f"{self.path}: was changed while it was being used; run doit again"])


@dataclass(frozen=True)
class Entry:
    """A file, link or directory, read once, so that the hashed content is the one used.

    Args:
        path: Below the directory that was read, with `/`.
        mode: 0755 or 0644, as git keeps it; 0755 for a directory, 0777 for a link.
        data: A file's content if it is held, a link's target, nothing for a directory.
        kind: `file`, `link` or `directory`.
        on_disk: The content of a file that is not held.

    """

    path: str
    mode: int
    data: bytes
    kind: str
    on_disk: OnDisk | None = None

    @property
    def input(self) -> str:
        """The value of its input: type, mode and content's digest."""
        if self.kind == "link":
            return f"file link {self.data.decode(errors='surrogateescape')}"
        return f"file {self.mode:04o} {self._digest}" if self.kind == "file" else "file directory"

    @property
    def _digest(self) -> str:
        """The SHA-256 of its content."""
        return self.on_disk.digest if self.on_disk else sha256(self.data)

    @property
    def size(self) -> int:
        """The bytes of its content."""
        return self.on_disk.size if self.on_disk else len(self.data)

    @property
    def time(self) -> int:
        """Its time of modification, which follows from its content alone.

        So equal files have equal times on every machine, and a changed file has another one even where its size stays:
        web servers make the ETag of both.
        """
        return FIRST_TIME if self.kind == "directory" else FIRST_TIME + int(self._digest[:15], 16) % _TIMES

    def blocks(self) -> Iterator[bytes]:
        """Yield its content in blocks.

        Raises:
            ConfigError: It is not the one that was hashed, or can't be read.

        """
        if self.on_disk:
            yield from self.on_disk.blocks()
        elif self.data:
            yield self.data

    @property
    def text(self) -> bytes:
        """Its content if it may be a text that people write; of larger files nothing.

        Raises:
            ConfigError: It is not the one that was hashed, or can't be read.

        """
        return b"".join(self.blocks()) if self.size <= BLOCK else b""

    def at(self, path: str) -> "Entry":
        """Return it under another path."""
        return Entry(path, self.mode, self.data, self.kind, self.on_disk)


class Selection(Protocol):
    """Chooses among the files of a directory, as `.dockerignore` does."""

    def excludes(self, path: str, above: tuple[bool, ...]) -> tuple[bool, tuple[bool, ...]]:
        """Return whether a path is excluded, and the knowledge that this takes for the paths below it.

        Args:
            path: The path.
            above: That knowledge of its directory; empty for the first one.

        """

    def may_return(self, path: str) -> bool:
        """Return whether something below an excluded directory may be taken all the same."""


def read_tree(root: Path, selection: Selection | None = None, *, empty: bool = False) -> tuple[Entry, ...]:
    """Read every file, link and directory below a directory, in the order of their paths.

    Counted is what git keeps, so that a fresh clone has the same inputs under any umask: the path below `root`,
    whether a file is executable, and the content or a link's target. Files are handed on with these same modes (0755
    or 0644), whatever they have in the working tree. Links are not followed. Neither `.git` is there, nor a file that
    git ignores.

    Args:
        root: The directory.
        selection: Chooses what is read; what it leaves out is not even looked at.
        empty: Whether directories with nothing in them are there. Git has none.

    Raises:
        ConfigError: There is something that is no file, directory or link, can't be read, or is not named in UTF-8.

    """
    found = paths_below(root, selection)
    files = [path for path, kind in found if kind != "directory"]
    kept = {parent for path in files for parent in above(path)}
    entries, held = [], 0
    for path, kind in found:
        if kind == "directory":
            if empty or path in kept:
                entries.append(Entry(path, 0o755, b"", kind))
            continue
        entry = _read(root / path, path, kind, min(HELD_FILE, HELD_TREE - held))
        held += len(entry.data)
        entries.append(entry)
    return tuple(entries)


def paths_below(root: Path, selection: Selection | None = None) -> list[tuple[str, str]]:
    """Return the paths that count below a directory, in order, each with its kind; none is read.

    Args:
        root: The directory.
        selection: Chooses among them.

    Raises:
        ConfigError: There is something that is no file, directory or link, can't be read, or is not named in UTF-8.

    """
    reader = _Reader(root, selection)
    reader.walk("", level_of(root), ())
    return sorted(reader.found, key=lambda each: each[0].split("/"))


def ignored_below(root: Path, selection: Selection | None = None) -> list[str]:
    """Return the paths below a directory that do not count since git ignores them; of a whole directory its own.

    Raises:
        ConfigError: As of `paths_below`.

    """
    reader = _Reader(root, selection)
    reader.walk("", level_of(root), ())
    return sorted(reader.ignored)


def above(path: str) -> list[str]:
    """Return the directories that a path is below, from the outermost."""
    parts = path.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]


class _Reader:
    """Finds the paths below a directory."""

    def __init__(self, root: Path, selection: Selection | None) -> None:
        self._root, self._selection = root, selection
        self.found: list[tuple[str, str]] = []
        self.ignored: list[str] = []

    def walk(
        self, directory: str, level: Level | None, known: tuple[bool, ...], *, is_out: bool = False
    ) -> bool:
        """Find what is below a directory; return whether the directory is there itself in a clone.

        Args:
            directory: Its path below the root.
            level: The rules of git in it.
            known: What the selection knows of it.
            is_out: Whether it is left out itself, but perhaps not all that is below it.

        """
        names = self._names(directory, is_out=is_out)
        is_there = not names
        for name, kind in names:
            path = f"{directory}/{name}" if directory else name
            if name == GIT:
                continue
            if level is not None and level.ignores(name, is_directory=kind == "directory"):
                self.ignored.append(path)
                continue
            excluded, mine = self._selection.excludes(path, known) if self._selection else (False, ())
            if kind != "directory":
                is_there = True
                if not excluded:
                    self.found.append((_utf8(self._root / path, path), _accepted(self._root / path, kind)))
                continue
            if excluded and self._selection and not self._selection.may_return(path):
                is_there = True
                continue
            count = len(self.found)
            inside = self._root / path
            inner = level_of(inside) if is_top(inside) else level and level.enter(name)
            below = self.walk(path, inner, mine, is_out=excluded)
            is_there |= below
            if len(self.found) > count or (below and not excluded):
                self.found.append((_utf8(self._root / path, path), "directory"))
        return is_there

    def _names(self, directory: str, *, is_out: bool) -> list[tuple[str, str]]:
        """Return the names in a directory, with their kinds.

        Raises:
            ConfigError: It can't be read; one that is left out itself may be unreadable.

        """
        try:
            with os.scandir(self._root / directory) as listing:
                return [(each.name, _kind(each)) for each in listing]
        except PermissionError as error:
            if is_out:
                return []
            raise ConfigError([f"{error.filename}: {error.strerror}"]) from error
        except OSError as error:
            raise ConfigError([f"{error.filename}: {error.strerror}"]) from error


def _kind(entry: "os.DirEntry[str]") -> str:
    """Return an entry's kind; empty if it is of none that can be copied."""
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    return "file" if entry.is_file(follow_symlinks=False) else ""


def _accepted(path: Path, kind: str) -> str:
    """Return the kind of a file or link, if it has one and can be read."""
    if kind == "file" and not os.access(path, os.R_OK):
        raise ConfigError([f"{path}: {os.strerror(errno.EACCES)}"])
    if not kind:
        raise ConfigError(
            [
                f"{path}: is not a file, directory or link, and nothing else can be copied: remove it, or leave it out"
            ]
        )
    return kind


def _utf8(path: Path, text: str) -> str:
    """Return a path if it is UTF-8."""
    try:
        text.encode()
    except UnicodeError as error:
        raise _odd(path) from error
    return text


def _odd(path: Path) -> ConfigError:
    """Return the error about a name that can't be in a key."""
    readable = os.fsencode(path).decode(errors="backslashreplace")
    return ConfigError([f"{readable}: its name, or where it points, is not UTF-8"])


def read_file(path: Path, name: str) -> Entry:
    """Read one file under a name.

    Raises:
        ConfigError: It can't be read, or its name is not UTF-8.

    """
    return _read(path, name, "file", HELD_FILE)


def _read(path: Path, name: str, kind: str, most: int) -> Entry:
    """Read a file or link.

    Args:
        path: The file.
        name: Its path in the tree.
        kind: Its kind.
        most: The bytes that it may have to be held.

    """
    try:
        if kind == "link":
            target = os.fsencode(path.readlink())
            target.decode()
            return Entry(name, 0o777, target, "link")
        mode = 0o755 if path.lstat().st_mode & stat.S_IXUSR else 0o644
        with path.open("rb") as file:
            data = file.read(most + 1)
            if len(data) <= most:
                return Entry(name, mode, data, "file")
            found, size = hashlib.sha256(data), len(data)
            del data
            while block := file.read(BLOCK):
                found.update(block)
                size += len(block)
        return Entry(name, mode, b"", "file", OnDisk(path, size, found.hexdigest()))
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except UnicodeError as error:
        raise _odd(path) from error


def tree_inputs(label: str, entries: Iterable[Entry]) -> Inputs:
    """Return one input per file and link of a tree, under `label` and its path, and per directory with nothing in it.

    Other directories follow from them.
    """
    listed = list(entries)
    full = {parent for entry in listed for parent in above(entry.path)}
    return {
        f"{label}/{entry.path}{'/' if entry.kind == 'directory' else ''}": entry.input
        for entry in listed
        if entry.kind != "directory" or entry.path not in full
    }
