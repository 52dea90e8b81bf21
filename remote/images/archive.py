"""Tar archives that are made block by block while they are sent: none is held in memory as a whole."""

import hashlib
import tarfile
from collections.abc import Iterable, Iterator

from model.keys.tree import FIRST_TIME, Entry

_KINDS = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "directory": tarfile.DIRTYPE}


class Archive:
    """A tar archive of files that belong to root. Equal files make equal archives, in any number of readings.

    Iterating over it yields it in blocks; a file that is not held in memory is read meanwhile.
    """

    def __init__(self) -> None:
        self._members: list[tuple[tarfile.TarInfo, Entry]] = []

    def add(self, name: str, mode: int, data: bytes = b"", kind: str = "file") -> None:
        """Add a file, link or directory of skep's own, whose time says nothing of its content."""
        self._add(Entry(name, mode, data, kind), FIRST_TIME)

    def add_entry(self, entry: Entry, below: str = "") -> None:
        """Add a file, link or directory that was read, below a directory if one is given."""
        self._add(entry.at(f"{below}/{entry.path}" if below else entry.path), entry.time)

    def add_directory(self, name: str, mode: int, owner: tuple[int, int], time: int) -> None:
        """Add a directory with an owner, which is a user and a group, and a time."""
        self._add(Entry(name, mode, b"", "directory"), time, owner)

    def _add(self, entry: Entry, time: int, owner: tuple[int, int] = (0, 0)) -> None:
        """Add an entry with a time."""
        info = tarfile.TarInfo(entry.path)
        info.type, info.mode, info.mtime = _KINDS[entry.kind], entry.mode, time
        info.uid, info.gid = owner
        if entry.kind == "link":
            info.linkname = entry.data.decode(errors="surrogateescape")
        elif entry.kind == "file":
            info.size = entry.size
        self._members.append((info, entry))

    def __iter__(self) -> Iterator[bytes]:
        """Yield it in blocks.

        Raises:
            ConfigError: A file is not the one that was hashed, or can't be read.

        """
        size = 0
        for info, entry in self._members:
            header = info.tobuf()
            yield header
            padding = -info.size % tarfile.BLOCKSIZE
            if info.size:
                yield from entry.blocks()
            if padding:
                yield bytes(padding)
            size += len(header) + info.size + padding
        end = 2 * tarfile.BLOCKSIZE
        yield bytes(end + -(size + end) % tarfile.RECORDSIZE)

    def __bool__(self) -> bool:
        """Return whether there is anything in it."""
        return bool(self._members)

    def measured(self) -> tuple[int, str]:
        """Return its size in bytes and its SHA-256.

        Raises:
            ConfigError: As when it is read.

        """
        size, digest = 0, hashlib.sha256()
        for block in self:
            size += len(block)
            digest.update(block)
        return size, digest.hexdigest()

    def __bytes__(self) -> bytes:
        """Return it as a whole, for small ones."""
        return b"".join(self)


def archive_of(entries: Iterable[Entry]) -> Archive:
    """Return an archive of what was read of a directory."""
    made = Archive()
    for entry in entries:
        made.add_entry(entry)
    return made
