"""Files of a repository that were cut off while they were written, as by a full disk or a power cut: set aside.

The server of the repositories lets nobody write them again, and restic does nothing more with a repository that has
one. All that restic stores is named by its digest, so that such a file is known by its name. Of those that are large,
the data's, nothing knows: `prune` removes them.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from agent.backup.config import RepositoryConfig
from agent.backup.repository.repositories import each_known
from agent.backup.restic import Restic
from agent.host.durable_files import sync

_KINDS = ("snapshots", "index")
_AT_WORK = 600.0
"""Seconds since its last change, within which a file may still be written."""
ASIDE = ".cut-off"
"""The directory beside the repositories for what is set aside."""


def set_aside(config: RepositoryConfig, now: float, say: Callable[[str], None]) -> int:
    """Set cut-off files aside, and make an index anew that had one; return how many there were.

    Args:
        config: The repository host's configuration.
        now: The time, in seconds since 1970.
        say: Is told what is done.

    Raises:
        AgentError: An index can't be made anew, or a file can't be moved; those of the other hives are set aside.

    """
    count = 0

    def mend(hive: str, restic: Restic) -> None:
        nonlocal count
        found = {kind: _cut_off(config.root / hive / kind, now) for kind in _KINDS}
        if found["index"]:
            # First: killed behind the renaming, nobody would know that the index lacks something.
            restic.rebuild_index()
        for kind, paths in found.items():
            for path in paths:
                if not path.exists():
                    continue  # that was an index, and the new one took its place
                target = config.root / ASIDE / hive / kind / path.name
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.rename(target)
                sync(path.parent)
            if paths:
                count += len(paths)
                say(f"{hive}: {len(paths)} files of its {kind} were cut off, and are set aside")

    each_known(config, mend)
    return count


def lacks_snapshots(config: RepositoryConfig, hive: str) -> bool:
    """Return whether a snapshot of a hive was set aside: it may have been the seal of another one that is whole."""
    return any((config.root / ASIDE / hive / "snapshots").glob("*"))


def _cut_off(directory: Path, now: float) -> list[Path]:
    """Return the files of a directory that have not the content that they are named by."""
    found = []
    for entry in os.scandir(directory):
        if not 0 <= now - entry.stat().st_mtime < _AT_WORK:
            with Path(entry.path).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry.name:
                    found.append(Path(entry.path))
    return found
