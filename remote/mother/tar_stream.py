"""Files of this machine as a tar stream, and out of one: owners by number, modes, times, links, any bytes in names."""

import os
import posixpath
import queue
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from model.errors import StateError
from model.reasons import reason_of

_PIECES = 16
"""Pieces that are ahead of the reader at most, of some 10 KiB each."""
Count = Callable[[int], None]
"""Takes the number of bytes of each piece."""


def packed(path: Path, name: str) -> Iterator[bytes]:
    """Yield a tar stream of a file, or of a directory with all that is in it.

    Args:
        path: The file or directory; a symbolic link is packed as such.
        name: Its name in the stream.

    Raises:
        StateError: It can't be read.

    """
    pieces: queue.Queue[bytes | Exception | None] = queue.Queue(_PIECES)
    given_up = threading.Event()

    class Pipe:
        """The end that tar writes to."""

        def write(self, data: bytes) -> int:
            """Hand a piece over."""
            while not given_up.is_set():
                try:
                    pieces.put(bytes(data), timeout=1)
                except queue.Full:
                    continue
                return len(data)
            raise BrokenPipeError

    def pack() -> None:
        try:
            with tarfile.open(fileobj=Pipe(), mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
                tar.add(path, name)
        except Exception as error:  # noqa: BLE001 - the reader raises it
            pieces.put(error)
        else:
            pieces.put(None)

    thread = threading.Thread(target=pack, daemon=True)
    thread.start()
    try:
        while True:
            piece = pieces.get()
            if isinstance(piece, OSError):
                raise StateError(f"{piece.filename or path}: {piece.strerror or piece}") from piece
            if isinstance(piece, Exception):
                raise piece
            if piece is None:
                return
            yield piece
    finally:
        given_up.set()


def unpack(stream: BinaryIO, directory: Path, name: str) -> None:
    """Unpack a tar stream of one file or directory, under a name of its own.

    Owners are kept where this process is root. Nothing is written outside of `directory`, whatever the stream says, and
    whatever links an earlier stream has left there: a file replaces a link, and a file with other names.

    Args:
        stream: The stream.
        directory: Where to; it exists.
        name: The name there, in the place of the one in the stream.

    Raises:
        StateError: A file can't be written, or the stream would write elsewhere; or a link or a device is in the way.

    """
    home = directory.resolve()

    def placed(member: tarfile.TarInfo, _to: str) -> tarfile.TarInfo:
        # Asked right before a member is written: what came before it is on the disk.
        path = _renamed(member.name, name)
        if not _is_inside(home, path):
            raise StateError(f"{member.name}: would be written outside of {directory}; it was not")
        linked = _renamed(member.linkname, name) if member.islnk() else member.linkname
        if member.islnk() and not _is_inside(home, linked):
            raise StateError(f"{member.name}: links to a file outside of {directory}; it was not written")
        if not member.islnk() or path != linked:
            _make_way(home / path, member, is_first=path == name)
        if member.islnk() and (home / linked).is_symlink():
            # Of a hard link to a symbolic one tar would change what that leads to: it becomes a symbolic one as well.
            member = member.replace(name=path, linkname=str((home / linked).readlink()), deep=False)
            member.type = tarfile.SYMTYPE
            return member
        return member.replace(name=path, linkname=linked, deep=False)

    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            tar.extractall(directory, numeric_owner=True, filter=placed)  # noqa: S202 - `placed` looks at each
    except tarfile.TarError as error:
        raise StateError(f"{directory}: the files did not arrive whole: {reason_of(error)}") from error
    except OSError as error:
        raise StateError(f"{error.filename or directory}: {error.strerror or error}") from error


def _renamed(path: str, name: str) -> str:
    """Return a path of a stream with another first part."""
    _, slash, rest = path.removeprefix("./").partition("/")
    return posixpath.normpath(f"{name}{slash}{rest}") if ".." not in rest.split("/") else path


def _is_inside(home: Path, path: str) -> bool:
    """Return whether a path stays in a directory, and no link that is there by now leads to another place in it."""
    if ".." in Path(path).parts or os.path.isabs(path):  # noqa: PTH117 - of a text
        return False
    return (home / path).parent.resolve() == (home / path).parent


def _make_way(place: Path, member: tarfile.TarInfo, *, is_first: bool) -> None:
    """Remove what a member of a stream would be written through: a link, or a file that has other names as well.

    Args:
        place: Where the member is written.
        member: The member.
        is_first: Whether a person has named the place, as `/dev/stdout`, and not the stream.

    Raises:
        StateError: A link is where a directory is to be, or there is a device, a FIFO or a socket.

    """
    try:
        there = place.lstat()
    except FileNotFoundError:
        return
    is_link = stat.S_ISLNK(there.st_mode)
    if is_link and member.isdir():
        raise StateError(
            f"{place}: is a symbolic link here and a directory there, so that files would go to where it leads: remove "
            "it first, or copy to another place"
        )
    is_file = is_link or stat.S_ISREG(there.st_mode)
    leads_elsewhere = is_first and is_link and place.exists() and not (place.is_file() or place.is_dir())
    if leads_elsewhere or not (is_file or stat.S_ISDIR(there.st_mode)):
        raise StateError(f"{place}: is a device, a FIFO or a socket, and no file: copy to another place")
    if is_file and not member.isdir() and (is_link or there.st_nlink > 1 or member.islnk()):
        place.unlink()
