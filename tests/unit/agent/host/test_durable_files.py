"""Files of the hosts' own that survive a kill."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from agent.host.durable_files import write_json


def ended_process() -> int:
    """Return the id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_what_a_killed_process_began_goes_with_the_next(tmp_path: Path) -> None:
    """That of a process which is still at work stays, and so does another file."""
    of_dead, of_living = tmp_path / f".notes.json.{ended_process()}", tmp_path / f".notes.json.{os.getppid()}"
    others = [tmp_path / ".notes.json.old", tmp_path / f".notes.json2.{ended_process()}"]
    for path in (of_dead, of_living, *others):
        path.write_text("{")

    write_json(tmp_path / "notes.json", {"a": 1})

    assert json.loads((tmp_path / "notes.json").read_text()) == {"a": 1}
    assert not of_dead.exists()
    assert all(path.exists() for path in (of_living, *others))


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was begun would take the room that is missing, at each try more."""
    path = tmp_path / "notes.json"
    write_json(path, {"a": 1})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("agent.host.durable_files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, {"a": 2})

    assert [each.name for each in tmp_path.iterdir()] == ["notes.json"]
    assert json.loads(path.read_text()) == {"a": 1}
