"""Layers of a role's files alone: made here as archives, and loaded with the image. No container runs for them.

A layer names the directories that its files are in, each with its owner, mode and time: those that it names, and those
that it does not name but needs, replace what the image says of them. So these directories are looked up in the image,
through a container that is never started. Nothing else comes from elsewhere: equal files on an equal image make the
same layer, byte for byte.

The form is that of OCI's image specification, "layer.md": https://github.com/opencontainers/image-spec
"""

import io
import posixpath
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from stat import S_IMODE
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from docker.errors import NotFound

from model.errors import BuildError
from model.keys.tree import FIRST_TIME, Entry
from remote.images.archive import Archive

_MOST_LINKS = 40
"""Links that a path may lead through, as in Linux."""


@dataclass(frozen=True)
class Directory:
    """A directory of an image.

    Args:
        mode: Its mode.
        uid: Its owner.
        gid: Its group.
        time: When it was modified, in seconds since 1970.

    """

    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    time: int = FIRST_TIME


@dataclass(frozen=True)
class SymbolicLink:
    """A link of an image.

    Args:
        target: The path that it leads to, from the root, without a slash at its beginning.

    """

    target: str


@dataclass(frozen=True)
class Other:
    """Anything in an image that is neither."""


Found = Directory | SymbolicLink | Other | None
"""A path of an image; None if nothing is there."""


class Surroundings:
    """The directories of an image into which files are put, each looked up once.

    Args:
        look: Returns what the image has at a path.

    """

    def __init__(self, look: Callable[[str], Found]) -> None:
        self._look = look
        self._known: dict[str, Found] = {}
        self._made: set[str] = set()

    def archive(self, label: str, entries: Iterable[Entry]) -> Archive:
        """Return a layer of files, which the next one finds there.

        Args:
            label: What messages call the directory of the files.
            entries: The files and links, by their paths in the image.

        Raises:
            BuildError: A path leads through something that is no directory in the image.

        """
        archive = Archive()
        named: set[str] = set()
        for entry in entries:
            if entry.kind == "directory":
                continue
            above, name = posixpath.split(entry.path)
            way = self._way(above, f"{label}/{entry.path}", 0)
            for path in way:
                if path not in named:
                    named.add(path)
                    self._name(archive, path)
            path = posixpath.join(way[-1] if way else "", name)
            archive.add_entry(entry.at(path))
            self._known[path] = _placed(entry, path)
        return archive

    def _way(self, path: str, what: str, links: int) -> list[str]:
        """Return the directories from the root to one, which is the last, by paths that lead through no link."""
        if not path:
            return []
        above, name = posixpath.split(path)
        way = self._way(above, what, links)
        real = posixpath.join(way[-1] if way else "", name)
        found = self._find(real)
        if isinstance(found, SymbolicLink):
            if links == _MOST_LINKS:
                raise BuildError(f"{what}: leads through links that have no end in the image: /{real}")
            return self._way(found.target, what, links + 1)
        if not isinstance(found, Directory):
            raise BuildError(
                f"{what}: /{real} is no directory in the image: call the file otherwise, or remove it there first"
            )
        return [*way, real]

    def _find(self, path: str) -> Found:
        """Return what is at a path; where there is nothing, a new directory."""
        if path not in self._known:
            # In one that these layers make there is nothing but what they put there.
            is_empty = posixpath.dirname(path) in self._made
            self._known[path] = None if is_empty else self._look(path)
        if self._known[path] is None:
            self._known[path] = Directory()
            self._made.add(path)
        return self._known[path]

    def _name(self, archive: Archive, path: str) -> None:
        """Have a layer name a directory, as it is."""
        found = self._known[path]
        if isinstance(found, Directory):
            archive.add_directory(path, found.mode, (found.uid, found.gid), found.time)


def _placed(entry: Entry, path: str) -> Found:
    """Return what a file or link is to the layers on top of it."""
    if entry.kind != "link":
        return Other()
    target = entry.data.decode(errors="surrogateescape")
    return SymbolicLink(posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target)).lstrip("/"))


class Looks:
    """What was seen of an engine's images, so that images on the same one don't look twice. An image never changes.

    Args:
        client: The engine; when nobody has it any more, what was seen is forgotten.

    """

    _ENGINES: ClassVar[WeakKeyDictionary[Any, dict[tuple[str, str], Found]]] = WeakKeyDictionary()

    def __init__(self, client: Any) -> None:
        self._seen = self._ENGINES.setdefault(client, {})

    @contextmanager
    def at(
        self, image: str, container: Callable[[], AbstractContextManager[Any]]
    ) -> Iterator[Callable[[str], Found]]:
        """Give a function that returns what an image has at a path.

        Args:
            image: The image's id.
            container: Makes a container of it, which is only asked for if something was not seen yet.

        """
        with ExitStack() as stack:
            made: list[Any] = []

            def look(path: str) -> Found:
                if (image, path) not in self._seen:
                    if not made:
                        made.append(stack.enter_context(container()))
                    self._seen[image, path] = look_in(made[0], path)
                return self._seen[image, path]

            yield look


def look_in(container: Any, path: str) -> Found:
    """Return what a container, which need not run, has at a path.

    The engine says where a link leads to in the end, and gives the owner only with the content, of which the beginning
    is read: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerArchive
    """
    try:
        stream, stat = container.get_archive(f"/{path}")
    except NotFound:
        return None
    with closing(stream):
        if stat["linkTarget"]:
            return SymbolicLink(str(stat["linkTarget"]).lstrip("/"))
        with (
            io.BufferedReader(_Stream(stream)) as file,
            tarfile.open(fileobj=file, mode="r|", bufsize=tarfile.BLOCKSIZE) as archive,
        ):
            member = archive.next()
    if member is None or not member.isdir():
        return Other()
    # Engines before 23 have the kind of a file in its mode, too.
    return Directory(S_IMODE(member.mode), member.uid, member.gid, int(member.mtime))


class _Stream(io.RawIOBase):
    """A stream of blocks as a file that is read once."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks, self._held = blocks, b""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what came, up to the size of a buffer."""
        self._held = self._held or next(self._blocks, b"")
        count = min(len(buffer), len(self._held))
        buffer[:count], self._held = self._held[:count], self._held[count:]
        return count
