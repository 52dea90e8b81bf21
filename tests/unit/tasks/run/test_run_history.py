"""A run's own part of the stage's history: what it writes, and when."""

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from remote.mother.wait import wait_for
from tasks.run import run_history
from tasks.run.progress import Progress
from tasks.run.run_history import Commit, RunHistory, commit_of


class SeenNotes:
    """The stage's lock, which keeps what is written."""

    token, who, job = "t1", "alice@laptop", ""
    is_split = False

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.notes = self

    def begin(self, line: str) -> None:
        """Keep it."""
        self.lines.append(("begin", json.loads(line)))

    def end(self, line: str) -> bool:
        """Keep it."""
        self.lines.append(("end", json.loads(line)))
        return True

    def idle(self, line: str) -> None:
        """Keep it."""
        self.lines.append(("idle", json.loads(line)))


def git(directory: Path, *words: str) -> None:
    """Run git there."""
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *names, "-C", str(directory), *words], check=True, capture_output=True, timeout=30)


def test_a_run_that_changes_nothing_is_counted(tmp_path: Path) -> None:
    """It writes no line, and says so once."""
    lock: Any = SeenNotes()
    history = RunHistory(lock, tmp_path, Progress().facts, lambda text: text)
    history.open("doit")

    assert history.end("done")
    assert history.end("failed")

    assert [word for word, _ in lock.lines] == ["idle"]


def test_a_run_is_written_from_its_first_change_on(tmp_path: Path) -> None:
    """At first without an end; then with its outcome, the resources and revisions; a secret is in neither."""
    lock: Any = SeenNotes()
    progress = Progress()
    history = RunHistory(lock, tmp_path, progress.facts, lambda text: text.replace("s3cret", "[redacted]"))
    history.open("doit to=s3cret")
    history.begin()
    history.begin()
    wait_for(lambda: bool(lock.lines), "the beginning", 10)
    progress.changed += ["deploy_services:web", "deploy_services:web"]
    progress.failed.add("build_images:db")
    progress.revisions["web"] = 3

    assert history.end("failed")

    (first, begun), (second, ended) = lock.lines
    assert (first, begun["outcome"], begun["ended"], begun["id"]) == ("begin", "", "", "t1")
    assert (second, ended["outcome"], ended["command"]) == ("end", "failed", "doit to=[redacted]")
    assert (ended["changed"], ended["failed"]) == (["deploy_services:web"], ["build_images:db"])
    assert (ended["revisions"], ended["began"]) == ({"web": 3}, begun["began"])


def test_who_lost_the_lock_waits_for_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run may begin in a moment."""
    lock: Any = SeenNotes()
    go_on = threading.Event()
    monkeypatch.setattr(run_history, "commit_of", lambda _directory: go_on.wait(20) and Commit())
    history = RunHistory(lock, tmp_path, Progress().facts, lambda text: text)
    history.open("doit")
    history.begin()
    began = time.monotonic()

    history.end(run_history.LOST)

    assert time.monotonic() - began < 10
    go_on.set()


@pytest.mark.parametrize("secret", ['s3c"r\\et', "false", '"id"'])
def test_a_secret_that_json_writes_in_another_way_is_taken_out(tmp_path: Path, secret: str) -> None:
    """So is one that is a piece of every line, which stays a line."""
    lock: Any = SeenNotes()
    history = RunHistory(lock, tmp_path, Progress().facts, lambda text: text.replace(secret, "[redacted]"))
    history.open(f"doit to={secret}")
    history.begin(is_certain=True)

    history.end("done")

    assert [note["command"] for _, note in lock.lines] == ["doit to=[redacted]"] * 2


@pytest.mark.parametrize("is_certain", [True, False])
def test_a_run_that_only_found_things_is_counted(tmp_path: Path, *, is_certain: bool) -> None:
    """As the first one of a fresh clone; a command that is there to change something has its line nevertheless."""
    lock: Any = SeenNotes()
    history = RunHistory(lock, tmp_path, Progress().facts, lambda text: text)
    history.open("doit")
    history.begin(is_certain=is_certain)

    history.end("done")

    assert [word for word, _ in lock.lines] == ["begin", "end" if is_certain else "idle"]


@pytest.mark.slow
def test_the_commit_is_that_of_the_sites_directory(tmp_path: Path) -> None:
    """Changes beside it, and what git ignores, make it no other; without git or commits there is none."""
    assert commit_of(tmp_path) == Commit()
    site = tmp_path / "site"
    site.mkdir()
    (site / ".gitignore").write_text("state/\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "tag", "v1")
    (tmp_path / "beside").write_text("x")
    (site / "state").mkdir()
    (site / "state" / "x").write_text("x")

    assert commit_of(site) == Commit("v1", is_dirty=False)

    (site / "site.toml").write_text("x")
    assert commit_of(site) == Commit("v1", is_dirty=True)


def test_a_host_that_goes_down_itself_writes_before_it_does(tmp_path: Path) -> None:
    """Its line says what is being done to it; where it stays after all, the true end comes after that."""
    lock: Any = SeenNotes()
    gone, stays = (RunHistory(lock, tmp_path, Progress().facts, lambda text: text) for _ in range(2))
    for history in (gone, stays):
        history.open("doit halt")
        history.begin(is_certain=True)
        history.going_down(run_history.HALTING)
    gone.went_down()

    assert gone.end("done")
    assert stays.end("failed")

    assert [note["outcome"] for word, note in lock.lines if word == "end"] == ["halting", "halting", "failed"]


def test_a_run_whose_session_broke_takes_back_that_it_never_ended(tmp_path: Path) -> None:
    """The host has written so when the session ended: a run that only found things ends with a line then."""
    lock: Any = SeenNotes()
    lock.is_split = True
    history = RunHistory(lock, tmp_path, Progress().facts, lambda text: text)
    history.open("doit")
    history.begin()

    assert history.end("done")

    assert [word for word, _ in lock.lines] == ["begin", "end"]
