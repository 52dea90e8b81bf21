"""The site's directory as one archive, for its backups."""

import gzip
import threading
from pathlib import Path

from model.keys.tree import read_tree
from remote.images.archive import archive_of

_STATE = "state"


class SiteArchive:
    """Makes the archive once; the same files make the same bytes on every machine. Thread-safe.

    Left out are `.git`, what git ignores, and `state/`.

    Args:
        directory: The site's directory.

    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._guard = threading.Lock()
        self._made: bytes | None = None

    def read(self) -> bytes:
        """Return the archive, a compressed tar.

        Raises:
            ConfigError: There is something in the directory that can't be read.

        """
        with self._guard:
            if self._made is None:
                self._made = gzip.compress(
                    bytes(archive_of(read_tree(self._directory, _WithoutState()))), mtime=0
                )
            return self._made


class _WithoutState:
    """Leaves out what skep itself keeps beside site.toml."""

    def excludes(self, path: str, above: tuple[bool, ...]) -> tuple[bool, tuple[bool, ...]]:
        """Exclude `state` at the top."""
        return path == _STATE, above

    def may_return(self, path: str) -> bool:
        """Return False: nothing below it is taken all the same."""
        del path
        return False
