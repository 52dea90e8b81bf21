"""The site's directory as one archive, for its backups."""

import gzip
import threading
from functools import cached_property
from pathlib import Path

from model.keys.digest import key_of
from model.keys.tree import Entry, read_tree, tree_inputs
from remote.images.archive import archive_of

_STATE = "state"


class SiteArchive:
    """Reads the files once, and makes the archive when it is asked for. Thread-safe.

    The same files make the same bytes on every machine.

    Left out are `.git`, what git ignores, and `state/`.

    Args:
        directory: The site's directory.

    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._guard = threading.Lock()

    @cached_property
    def _files(self) -> tuple[Entry, ...]:
        """What is in the directory."""
        return read_tree(self._directory, _WithoutState())

    def digest(self) -> str:
        """Return the digest of the files, which takes a fraction of what the archive takes.

        Raises:
            ConfigError: As of `read`.

        """
        with self._guard:
            return key_of(tree_inputs("", self._files))

    def read(self) -> bytes:
        """Return the archive, a compressed tar.

        Raises:
            ConfigError: There is something in the directory that can't be read.

        """
        with self._guard:
            return gzip.compress(bytes(archive_of(self._files)), mtime=0)


class _WithoutState:
    """Leaves out what skep itself keeps beside site.toml."""

    def excludes(self, path: str, above: tuple[bool, ...]) -> tuple[bool, tuple[bool, ...]]:
        """Exclude `state` at the top."""
        return path == _STATE, above

    def may_return(self, path: str) -> bool:
        """Return False: nothing below it is taken all the same."""
        del path
        return False
