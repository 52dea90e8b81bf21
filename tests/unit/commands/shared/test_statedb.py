"""doit's database as one file per task."""

import json
from pathlib import Path

import pytest
from doit.dependency import Dependency
from doit.exceptions import InvalidCommand
from doit.task import Task

from commands.shared.statedb import StateDb


def finish(directory: Path, task: Task) -> None:
    """Save a task's success as doit does, in a process that then dies without ending the run."""
    Dependency(StateDb, str(directory)).save_success(task)


def fail(directory: Path, task: Task) -> Dependency:
    """Do as a run does with a failed task."""
    database = Dependency(StateDb, str(directory))
    database.backend.running = True
    database.remove_success(task)
    return database


def test_a_finished_task_is_on_disk_at_once(tmp_path: Path) -> None:
    """A run that is killed forgets nothing that was finished: no `close` is needed."""
    dep = tmp_path / "dep"
    dep.write_text("x")
    task = Task("p:n", None, file_dep=[str(dep)])
    task.values = {"inputs": {"a": "1"}}

    finish(tmp_path / "db", task)

    fresh = Dependency(StateDb, str(tmp_path / "db"))
    assert fresh.get_values("p:n") == {"inputs": {"a": "1"}}
    assert fresh.get_status(task, {}).status == "up-to-date"


def test_a_changed_file_dep_is_noticed(tmp_path: Path) -> None:
    """Doit's own file_dep works on top of it."""
    dep = tmp_path / "dep"
    dep.write_text("x")
    task = Task("p:n", None, file_dep=[str(dep)])
    finish(tmp_path / "db", task)
    finish(tmp_path / "db", task)
    dep.write_text("longer")

    assert Dependency(StateDb, str(tmp_path / "db")).get_status(task, {}).status == "run"


def test_a_failure_keeps_the_last_good_run(tmp_path: Path) -> None:
    """A failed task counts as not done, and its last good inputs are still known."""
    task = Task("p:n", None)
    task.values = {"inputs": {"a": "1"}}
    finish(tmp_path / "db", task)
    fail(tmp_path / "db", task)

    fresh = Dependency(StateDb, str(tmp_path / "db"))
    assert fresh.get_values("p:n") == {}
    entry = fresh.backend.entry("p:n")
    assert entry["failed"] is True
    assert entry["good"]["_values_:"] == {"inputs": {"a": "1"}}


def test_a_good_run_ends_a_failure(tmp_path: Path) -> None:
    """After a failure the next success counts."""
    task = Task("p:n", None)
    database = fail(tmp_path / "db", task)
    task.values = {"inputs": {}}
    database.save_success(task)

    assert Dependency(StateDb, str(tmp_path / "db")).backend.in_("p:n")


def test_a_broken_file_is_as_good_as_none(tmp_path: Path) -> None:
    """A file that can't be read only makes its task run."""
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "n.json").write_text('{"good": {')

    assert not StateDb(str(tmp_path)).in_("p:n")
    assert json.dumps(StateDb(str(tmp_path)).entry("p:n")) == "{}"


def test_forgetting_is_no_failure(tmp_path: Path) -> None:
    """`doit forget` leaves nothing of a task, so it counts as never run; a task without an entry can be forgotten."""
    task = Task("p:n", None)
    finish(tmp_path / "db", task)

    database = Dependency(StateDb, str(tmp_path / "db"))
    database.remove("p:n")
    database.remove("p:other")

    assert StateDb(str(tmp_path / "db")).entry("p:n") == database.backend.entry("p:n") == {}


def test_what_can_not_be_written_ends_no_run(tmp_path: Path) -> None:
    """While tasks run, the first entry that can't be written is kept as a message; without a run it is said at once."""
    (tmp_path / "db").write_text("a file")

    database = fail(tmp_path / "db", Task("p:n", None))
    database.save_success(Task("p:m", None))

    assert f"{tmp_path}/db/p/n.json: " in str(database.backend.problem)
    assert f"{tmp_path}/db is not a directory" in str(database.backend.problem)
    database.backend.running = False
    with pytest.raises(InvalidCommand, match="is not a directory"):
        database.save_success(Task("p:m", None))
