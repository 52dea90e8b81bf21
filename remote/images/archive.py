"""Tar archives that are made block by block while they are sent: none is held in memory as a whole."""

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

    def _add(self, entry: Entry, time: int) -> None:
        """Add an entry with a time."""
        info = tarfile.TarInfo(entry.path)
        info.type, info.mode, info.mtime = _KINDS[entry.kind], entry.mode, time
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

    def __bytes__(self) -> bytes:
        """Return it as a whole, for small ones."""
        return b"".join(self)


def archive_of(entries: Iterable[Entry]) -> Archive:
    """Return an archive of what was read of a directory."""
    made = Archive()
    for entry in entries:
        made.add_entry(entry)
    return made
