"""The files of a compose project on this machine, and their paths as seen from the site's directory."""

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from model.user_paths import expanded, is_file

MOST_FILES = 20
MOST_BYTES = 500_000
"""Docker's limit of a config is 1000 KiB, and of a secret 500 KiB, which a config with a secret in it becomes."""


@dataclass(frozen=True)
class LocalFiles:
    """The files of a compose project.

    Args:
        project: Its directory.
        site: The site's.

    """

    project: Path
    site: Path

    def path(self, text: str) -> Path:
        """Return the path that a compose file names."""
        return expanded(self.project, text)

    def relative(self, path: Path) -> str:
        """Return a path as site.toml names it."""
        found = os.path.relpath(os.path.normpath(path.absolute()), self.site.absolute())
        return Path(found).as_posix()

    def from_directory(self, directory: Path, path: str) -> str:
        """Return the path of a file of the site's, from another directory."""
        return Path(os.path.relpath((self.site / path).absolute(), directory.absolute())).as_posix()

    def is_within(self, path: Path, directory: Path) -> bool:
        """Return whether a path is a directory, or below it."""
        inner, outer = os.path.normpath(path.absolute()), os.path.normpath(directory.absolute())
        return inner == outer or inner.startswith(outer.rstrip("/") + "/")

    def is_own(self, text: str) -> bool:
        """Return whether a mount's source is a path of this machine's, and not of every host's.

        Relative paths are, and such as `$PWD/conf`, below the project's directory.
        """
        return not text.startswith("/") or self.is_within(Path(text), self.project)


def small_files(directory: Path) -> dict[str, Path] | None:
    """Return the files below a directory, if they are few and small enough to be configs; else None."""
    found: dict[str, Path] = {}
    try:
        for root, _, names in os.walk(directory):
            for name in sorted(names):
                path = Path(root) / name
                if len(found) >= MOST_FILES or not is_small(path):
                    return None
                found[posixpath.join(*path.relative_to(directory).parts)] = path
    except OSError:
        return None
    return found


def is_small(path: Path) -> bool:
    """Return whether there is a file that a config can hold."""
    try:
        return is_file(path) and 0 < path.stat().st_size <= MOST_BYTES
    except OSError:
        return False


def is_no_template(data: bytes) -> bool:
    """Return whether a content can't be a template of skep's: it has braces of another program's, or is no text."""
    try:
        return re.search(r"\{[{%#]", data.decode()) is not None
    except UnicodeDecodeError:
        return True
