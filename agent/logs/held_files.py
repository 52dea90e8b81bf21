"""The files of a service or host that are kept, held open so that logrotate may rename, compress or remove them.

logrotate renames NAME.log first, and compresses a former file beside it before it removes that.
"""

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

from agent.errors import reason_of

_PACKED = ".gz"


class HeldFile(NamedTuple):
    """A file that is open.

    Args:
        path: Its path as it was opened.
        file: Its content, as it lies on the disk.

    """

    path: Path
    file: IO[bytes]

    def lines(self, say: Callable[[str], object]) -> Iterator[bytes]:
        """Yield its lines; say where that ends too soon."""
        try:
            yield from gzip.GzipFile(fileobj=self.file) if self.path.suffix == _PACKED else self.file
        except (OSError, EOFError, zlib.error) as error:
            say(f"{self.path} can't be read to its end, and lines of it are missing: {reason_of(error)}")


def held_files(directory: Path, name: str, since: str, say: Callable[[str], object]) -> list[HeldFile]:
    """Return a name's files, open, the oldest first; each once, whatever its name becomes meanwhile.

    Args:
        directory: Where they are.
        name: The name.
        since: From when lines are wanted, in the form of their times; empty for the beginning. Files that were ended
            before are left out.
        say: Takes a sentence for each file that can't be opened.

    """
    held: dict[int, HeldFile] = {}
    # The one that is written to comes first: renamed before, it is met below; renamed after, it is known.
    current = directory / f"{name}.log"
    _hold(current, held, say)
    # What is gone when it is opened was compressed meanwhile, or removed for good: another look tells.
    while not all(_hold(path, held, say) for path in sorted(directory.glob(f"{name}.log-*"))):
        pass
    paths = {each.path for each in held.values()}
    oldest = datetime.fromisoformat(f"{since[:19]}+00:00").timestamp() if since else 0.0
    wanted = []
    for each in held.values():
        is_being_packed = each.path.suffix == _PACKED and each.path.with_suffix("") in paths
        if is_being_packed or os.fstat(each.file.fileno()).st_mtime < oldest:
            each.file.close()
        else:
            wanted.append(each)
    return sorted(wanted, key=lambda each: (each.path == current, each.path))


def _hold(path: Path, held: dict[int, HeldFile], say: Callable[[str], object]) -> bool:
    """Open a file that is not held, and return whether it is there."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return path.is_symlink()
    except OSError as error:
        say(f"{path} can't be read, and its lines are missing: {reason_of(error)}")
        return True
    if held.setdefault(os.fstat(file.fileno()).st_ino, HeldFile(path, file)).file is not file:
        file.close()
    return True
