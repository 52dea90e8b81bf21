"""A repository host's repositories without restic: snapshots in memory, and their files on the disk.

Held against restic as tests/integration/test_backup_repositories.py uses it: a copy has another id and names the first
in `original`; what is there already, with the same tags, is not copied again; a snapshot's file is named by the digest
of what it has.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.backup.config import Copy, RepositoryConfig
from agent.backup.notes import SEAL, data_tags, note_tags
from agent.backup.repository import repositories, site_files, standbys
from agent.backup.repository.keeping import Upkeep
from agent.errors import AgentError
from agent.output import Output


class FakeRepository:
    """A repository.

    Args:
        directory: Its directory; None for a place off the site.

    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory
        self.held: list[dict[str, Any]] = []
        self.broken = ""
        """Why nothing can be done with it; empty if all can."""
        self.no_copies = ""
        """Why it can't be copied from."""
        self.damage = ""
        """What a check finds."""
        self.kills_check: AgentError | None = None
        """How a check is ended before it has found anything."""
        self.is_unsized = False
        """Whether the size of snapshots can't be told."""
        self.did: list[str] = []
        self.id = "first"
        """Its id; empty if it is not there."""
        if directory is not None:
            for kind in ("snapshots", "index"):
                (directory / kind).mkdir(parents=True)
            (directory / "config").touch()

    def _do(self, what: str) -> None:
        if self.broken:
            raise AgentError(self.broken)
        self.did.append(what)

    def add(self, tags: Sequence[str], host: str, arrived: datetime, **more: str) -> str:
        """Have a snapshot arrive; return its id."""
        content = f"{id(self)} {len(self.did)} {len(self.held)} {tags} {more}"
        identity = hashlib.sha256(content.encode()).hexdigest()
        time = f"{arrived.replace(tzinfo=None).isoformat()}Z"
        self.held.append({"id": identity, "hostname": host, "tags": list(tags), "time": time} | more)
        if self.directory is not None:
            path = self.directory / "snapshots" / identity
            path.write_text(content)
            os.utime(path, (arrived.timestamp(), arrived.timestamp()))
        return identity

    def exists(self) -> bool:
        """Return whether it is there."""
        return bool(self.repository_id())

    def repository_id(self) -> str:
        """Return its id; empty if it is not there."""
        self._do("exists")
        return self.id

    def init(self, _like: object) -> None:
        """Make it."""
        self._do("init")
        self.id = f"made {len(self.did)}"

    def snapshots(self, *identities: str) -> list[dict[str, Any]]:
        """Return the snapshots, or those that are named."""
        self._do("snapshots")
        return [each for each in self.held if not identities or each["id"] in identities]

    def identity(self, snapshot: str) -> str:
        """Return a whole id."""
        return snapshot

    def unlock(self) -> None:
        """Remove old locks."""
        self._do("unlock")

    def rebuild_index(self) -> None:
        """Make the index anew."""
        self._do("rebuild_index")

    def prune(self) -> None:
        """Free room."""
        self._do("prune")

    def check(self, subset: str, *, alone: bool = False) -> None:
        """Check it."""
        self._do(f"check {subset}{' alone' if alone else ''}")
        if self.kills_check is not None:
            raise self.kills_check
        if self.damage:
            raise AgentError(self.damage)

    def stored_size(self, _identities: Sequence[str]) -> int:
        """Return how large snapshots are."""
        if self.is_unsized:
            raise AgentError("restic: a tree can't be read")
        return 1

    def forget(self, identities: Sequence[str]) -> None:
        """Forget snapshots."""
        self._do("forget")
        self.held = [each for each in self.held if each["id"] not in identities]

    def backup(self, directory: Path, host: str, tags: Sequence[str], _heard: object) -> dict[str, Any]:
        """Save a directory."""
        self._do(f"backup {sorted(path.name for path in directory.iterdir())}")
        identity = self.add(tags, host, datetime.now(UTC))
        numbers = ("total_bytes_processed", "total_files_processed", "data_added", "total_duration")
        return {"snapshot_id": identity, **dict.fromkeys(numbers, 1)}

    def copy_to(self, other: "FakeRepository", identities: Sequence[str]) -> None:
        """Copy snapshots."""
        self._do("copy")
        if self.no_copies:
            raise AgentError(self.no_copies)
        there = {(each.get("original", each["id"]), *each["tags"]) for each in other.held}
        for each in self.held:
            first = str(each.get("original", each["id"]))
            if each["id"] in identities and (first, *each["tags"]) not in there:
                other._do("receive")
                copied = other.add(each["tags"], each["hostname"], datetime.now(UTC), original=first)
                other.held[-1] |= {"time": each["time"], "id": copied}


class RepositoryHost:
    """A repository host with the repositories of two hives, and a place off the site.

    Args:
        root: A directory of its own.
        monkeypatch: Puts these repositories in the place of restic's.
        hives: The hives' names.

    """

    def __init__(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, hives: Sequence[str] = ("hive0", "hive1")
    ) -> None:
        self.root = root
        self.config = RepositoryConfig(root / "here", "", dict.fromkeys(hives, ""), "", {"last": 9}, ())
        self.hives = {hive: FakeRepository(self.config.root / hive) for hive in hives}
        self.away: Any = FakeRepository()
        self.place = Copy("away", "s3:away", {})
        monkeypatch.setattr(os, "geteuid", lambda: 1000)  # nobody to change files to
        for module in (repositories, standbys, site_files):
            monkeypatch.setattr(module, "of_hive", lambda _config, hive: self.hives[hive])
        monkeypatch.setattr(repositories, "of_copy", lambda _config, _copy: self.away)

    def configured(self, **changes: Any) -> RepositoryConfig:
        """Return the configuration, with these changes."""
        return replace(self.config, **changes)

    def upkeep(self, now: datetime, **changes: Any) -> Upkeep:
        """Return the care at a time, with a configuration that differs."""
        return Upkeep(self.configured(**changes), Output(), self.root / "status.json", now.timestamp)

    def generation(
        self, hive: str, arrived: datetime, service: str = "web", *, sealed: bool = True, **more: Any
    ) -> str:
        """Have a generation arrive, with its seal; return its id."""
        repository = self.hives[hive]
        tags = data_tags("private", service, "scheduled")
        identity = repository.add(tags, more.pop("hostname", hive), arrived, **more)
        if sealed:
            repository.add(note_tags(SEAL, more.get("original", identity), {}), hive, arrived)
        return identity

    def note(self, hive: str, kind: str, of: str, facts: Mapping[str, Any], arrived: datetime) -> str:
        """Have a hive note something; return the note's id."""
        return self.hives[hive].add(note_tags(kind, of, facts), hive, arrived)

    def ids(self, hive: str) -> set[str]:
        """Return the snapshots that a hive's repository has."""
        return {str(each["id"]) for each in self.hives[hive].held}
