"""Which locks of a repository are stale: by the clock of the host that keeps it alone."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.backup import restic, restic_process, verbs
from agent.backup.config import Copy, HiveConfig, RepositoryConfig
from agent.backup.repository.repositories import of_copy, of_hive
from agent.backup.restic_process import Ended
from agent.backup.stale_locks import remove_stale
from agent.errors import AgentError

NOW = 1_800_000_000.0
HERE = os.uname().nodename
ELSEWHERE = {"hostname": "another", "pid": 1, "time": "2001-01-01T00:00:00Z"}


def lock(directory: Path, name: str, age: float) -> Path:
    """Return a lock that came so many seconds ago."""
    path = directory / name
    path.write_text("")
    os.utime(path, (NOW - age, NOW - age))
    return path


@pytest.mark.parametrize(
    ("age", "stays"), [(0, True), (1700, True), (-1700, True), (1900, False), (-1900, False)]
)
def test_by_when_it_came(tmp_path: Path, age: float, stays: bool) -> None:  # noqa: FBT001
    """A hive's clock, years behind, says nothing; half an hour is what restic takes, a process at work five minutes."""
    path = lock(tmp_path, "a" * 64, age)
    assert remove_stale(tmp_path, lambda _name: ELSEWHERE, NOW) == int(not stays)
    assert path.exists() == stays


def ended() -> int:
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_process_of_this_host_that_is_gone(tmp_path: Path) -> None:
    """Its lock goes at once; also where another program has its id by now."""
    for process in (ended(), os.getpid()):
        path = lock(tmp_path, "b" * 64, 0)
        assert remove_stale(tmp_path, lambda _name, pid=process: {"hostname": HERE, "pid": pid}, NOW) == 1  # type: ignore[misc]
        assert not path.exists()


def test_what_can_not_be_read_stays_until_it_is_old(tmp_path: Path) -> None:
    """One that is cut off, made up, or still written; a file that goes meanwhile is no mistake."""

    def broken(_name: str) -> Any:
        raise AgentError("restic: broken")

    path, half = lock(tmp_path, "c" * 64, 0), lock(tmp_path, "d" * 64 + "-tmp-1", 9000)
    assert remove_stale(tmp_path, broken, NOW) == 0
    made_up: list[Any] = [{}, {"pid": "x", "hostname": HERE}, [], {"pid": ended()}]
    for content in made_up:
        assert remove_stale(tmp_path, lambda _name, content=content: content, NOW) == 0  # type: ignore[misc]
    assert path.exists()
    assert half.exists()

    def gone(_name: str) -> Any:
        path.unlink()
        return {"hostname": HERE, "pid": ended()}

    assert remove_stale(tmp_path, gone, NOW) == 0
    assert remove_stale(tmp_path / "none", broken, NOW) == 0


def test_hives_repositories_go_by_this_hosts_clock(tmp_path: Path) -> None:
    """Their locks are never judged by restic, which would believe the hives' clocks."""
    config = RepositoryConfig(tmp_path, "", {"hive0": "x"}, "", {}, ())
    assert of_hive(config, "hive0").directory == tmp_path / "hive0"


@pytest.fixture
def locked_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have a lock be in the way of the first command; give the commands, by their first words."""
    did: list[str] = []
    monkeypatch.setattr(restic, "LOCK_PAUSE", 0)

    def run(command: Sequence[str], *_: object, **__: object) -> Ended:
        did.append(command[command.index("--quiet") + 1])
        is_locked = len(did) == 1
        return Ended(int(is_locked), "", "Fatal: repository is already locked" if is_locked else "")

    monkeypatch.setattr(restic_process, "run", run)
    return did


def test_a_hive_removes_no_lock(locked_once: list[str], tmp_path: Path) -> None:
    """By its clock, which may be ahead, that of a prune which has just begun would be old: it waits.

    It is the repository host that removes what a killed prune left, with its next upkeep.
    """
    config = HiveConfig("", "", tmp_path, tmp_path, "", tmp_path, "", {})
    verbs._restic(config).wait_until_free()
    assert locked_once == ["cat", "cat"]


def test_locks_in_a_place_off_the_site_are_restics(locked_once: list[str], tmp_path: Path) -> None:
    """Nobody else works on it: what a killed upkeep left there is removed as soon as it is in the way."""
    config = RepositoryConfig(tmp_path, "", {}, "", {}, ())
    of_copy(config, Copy("away", "s3:away", {})).prune()
    assert locked_once == ["prune", "unlock", "prune"]


def test_the_host_of_a_repository_removes_locks_itself(locked_once: list[str], tmp_path: Path) -> None:
    """By when they came, without restic."""
    (tmp_path / "hive0/locks").mkdir(parents=True)
    path = lock(tmp_path / "hive0/locks", "a" * 64, 0)
    of_hive(RepositoryConfig(tmp_path, "", {"hive0": "x"}, "", {}, ()), "hive0").prune()
    assert locked_once == ["prune", "prune"]
    assert not path.exists()
