"""Whom restic runs as where a repository is copied into another, and by what it reaches both."""

import csv
from collections.abc import Sequence
from typing import Any

import pytest

from agent.backup.restic import Restic
from agent.backup.restic_process import Ended


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Have no restic run, and root start it; give what would be started."""
    found: list[dict[str, Any]] = []

    def run(command: Sequence[str], env: dict[str, str], *, who: dict[str, Any]) -> Ended:
        found.append({"command": list(command), "env": env, "who": who})
        return Ended(0, "", "")

    monkeypatch.setattr("agent.backup.restic.restic_process.run", run)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return found


def repository(place: str, user: str = "", **more: str) -> Restic:
    """Return a repository of a user's."""
    return Restic({"RESTIC_REPOSITORY": place, "RESTIC_PASSWORD": f"of {place}", **more}, user=user)


def test_back_from_a_place_off_the_site(started: list[dict[str, Any]]) -> None:
    """Root's restic reads it, with all its variables; rclone writes the hive's repository as its owner."""
    away = repository("s3:away", AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="key")
    away.copy_to(repository("/srv/hive0", "keeper"), ["aa"])
    [found] = started
    assert found["who"] == {}
    assert (
        found["env"].items()
        >= {
            "RESTIC_REPOSITORY": "rclone:/srv/hive0",
            "RESTIC_PASSWORD": "of /srv/hive0",
            "RESTIC_FROM_REPOSITORY": "s3:away",
            "RESTIC_FROM_PASSWORD": "of s3:away",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "key",
        }.items()
    )
    [option] = next(csv.reader([found["command"][found["command"].index("-o") + 1]]))
    assert option.startswith("rclone.program=sh -c ")
    assert "/srv/hive0) exec setpriv --reuid keeper --regid keeper --clear-groups" in option


def test_to_a_place_off_the_site(started: list[dict[str, Any]]) -> None:
    """A hive's repository is read as its owner as well: nobody else could read a lock of root's in it."""
    repository("/srv/hive0", "keeper").copy_to(repository("s3:away"), ["aa"])
    [found] = started
    assert found["who"] == {}
    assert found["env"]["RESTIC_FROM_REPOSITORY"] == "rclone:/srv/hive0"
    assert "/srv/hive0) exec setpriv --reuid keeper" in " ".join(found["command"])


def test_between_two_of_one_user(started: list[dict[str, Any]]) -> None:
    """That user's restic copies; nothing is between."""
    repository("/srv/hive0", "keeper").copy_to(repository("/srv/hive1", "keeper"), ["aa"])
    [found] = started
    assert found["who"]["user"] == "keeper"
    assert found["env"]["RESTIC_REPOSITORY"] == "/srv/hive1"
    assert "-o" not in found["command"]
