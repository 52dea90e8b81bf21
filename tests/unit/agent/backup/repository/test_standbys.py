"""Which generation each hive is told to keep restored, and that it can read it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.backup.config import RepositoryConfig
from agent.backup.notes import read_note
from agent.backup.repository import standbys
from agent.backup.repository.generations import Generation, Listing
from agent.backup.repository.standbys import stand_by


def generation(identity: str, hour: int, kind: str = "scheduled", **more: Any) -> Generation:
    """Return a generation of a service, made on hive0."""
    at = datetime(2026, 11, 27, hour, tzinfo=UTC)
    return Generation(
        identity, "web", "hive0", at, at, kind, {}, more.pop("places", {"hive0": identity}), **more
    )


class Repositories:
    """The hives' repositories: what comes into each."""

    def __init__(self) -> None:
        self.came: list[str] = []

    def of(self, _config: object, hive: str) -> Any:
        """Return a hive's repository."""
        repositories = self

        class Repository:
            name = hive

            def copy_to(self, other: Any, snapshots: list[str]) -> None:
                repositories.came.append(f"{other.name}: {', '.join(snapshots)} of {hive}")

            def backup(self, directory: Path, host: str, tags: list[str], _heard: object) -> None:
                assert directory.stat().st_mode & 0o005 == 0o005, "restic reads it as another user"
                assert (directory / "note.json").stat().st_mode & 0o004
                note = read_note(tags)
                assert note is not None
                repositories.came.append(f"{host}: note {note[0]} of {note[1]}: {note[2]}")

        return Repository()


@pytest.fixture
def repositories(monkeypatch: pytest.MonkeyPatch) -> Repositories:
    """Give the hives' repositories."""
    found = Repositories()
    monkeypatch.setattr(standbys, "of_hive", found.of)
    return found


def told(directory: Path, *generations: Generation, hour: int = 12) -> int:
    """Tell the hives, at an hour of that day."""
    now = datetime(2026, 11, 27, hour, tzinfo=UTC)
    config = RepositoryConfig(directory, "", {}, "", {}, (), standby={"web": ["hive1"]})
    return stand_by(config, Listing(list(generations)), now, directory / "told.json")


NOTE = "hive1: note standby of b: {'service': 'web', 'time': '2026-11-27T02:00:00+00:00'}"


def test_a_hive_gets_the_newest_good_one_and_is_told(tmp_path: Path, repositories: Repositories) -> None:
    """Once; neither one that is of no use, nor what a restoration took away; the data comes before the word of it."""
    bad = generation("c", 3, tests=({"ok": False, "why": "no rows"},))
    away = generation("d", 4, "before-restore")
    made = [generation("a", 1), generation("b", 2), bad, away]

    assert told(tmp_path) == 0
    assert told(tmp_path, *made) == 1
    assert told(tmp_path, *made) == 0
    assert repositories.came == ["hive1: b of hive0", NOTE]


def test_killed_behind_the_copy(tmp_path: Path, repositories: Repositories) -> None:
    """What the hive has is not copied again, and it is told."""
    assert told(tmp_path, generation("b", 2, places={"hive0": "b", "hive1": "e"})) == 1
    assert repositories.came == [NOTE]


def test_one_of_the_future_is_taken_only_if_there_is_no_other(
    tmp_path: Path, repositories: Repositories
) -> None:
    """The repository host's clock was ahead as it came: what came since is newer."""
    ahead = generation("c", 9)
    assert told(tmp_path, generation("b", 2), ahead, hour=7) == 1
    assert repositories.came[0] == "hive1: b of hive0"
    assert told(tmp_path, ahead, hour=7) == 1
    assert repositories.came[2] == "hive1: c of hive0"
