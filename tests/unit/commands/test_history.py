"""`doit history`: lines for people and for programs, of the stage or of one service."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from commands import history as history_command
from commands.history import HistoryCommand
from model.errors import HostError
from tasks.run import stage_lock
from tasks.run.context import Run
from tests import made as rig
from tests.doubles.lock_hosts import LocalSession, LockHost
from tests.unit.commands.test_unlock import Loader

WEB = {
    "id": "1", "who": "alice@laptop", "directory": "/site", "command": "doit", "began": "2026-01-02T03:04:05Z",
    "ended": "2026-01-02T03:05:05Z", "seconds": 75, "commit": "v1", "dirty": True, "outcome": "failed",
    "changed": ["deploy_services:web", "build_images:web"], "failed": ["build_networks:back"], "revisions": {"web": 7},
}  # fmt: skip
OTHER = {
    **WEB,
    "id": "2",
    "began": "2026-01-03T03:04:05Z",
    "changed": [],
    "failed": [],
    "revisions": {},
    "outcome": "done",
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Give the run of a stage that is made, whose repository has a history."""
    (tmp_path / "site").mkdir()
    site = rig.new(tmp_path / "site")
    site.make()
    made = site.run()
    host: Any = LockHost(tmp_path, "repository")
    monkeypatch.setattr(made.connections, "to", lambda _host: host)
    monkeypatch.setattr(made.stage_lock, "_is_made", lambda host: host.is_repository)
    monkeypatch.setattr(stage_lock, "LockSession", LocalSession)
    monkeypatch.setattr(history_command, "_kept", lambda _run, _service: [])
    made.stage_lock.begin("doit")
    made.stage_lock.wait()
    for line in (WEB, OTHER):
        assert made.stage_lock.notes.end(json.dumps(line))
    made.stage_lock.notes.idle(json.dumps({"id": "3", "who": "bob@desk", "ended": "2026-01-04T03:04:05Z"}))
    made.stage_lock.notes.begin(
        json.dumps({**OTHER, "id": "4", "began": "2099-01-01T00:00:00Z", "ended": ""})
    )
    yield made
    made.stage_lock.release()
    host.end_sessions()


def history(run: Run, *words: str, as_json: bool = False) -> str:
    """Run `doit history`, and return its output."""
    command = HistoryCommand(task_loader=Loader(run), bin_name="doit")
    command.outstream = out = io.StringIO()
    assert command.execute({"as_json": as_json, "every": False}, words) == 0
    return out.getvalue()


def test_all_runs(run: Run) -> None:
    """Who, what, from which commit, how it ended; runs without changes in one line; the one at work."""
    lines = history(run).splitlines()

    assert lines[0] == "example, stage private"
    assert lines[1].endswith("  alice@laptop  doit  (v1 + changes)  failed after 1 min")
    assert lines[2:5] == [
        "    revisions web 7",
        "    failed: build_networks:back",
        "    changed deploy_services:web, build_images:web",
    ]
    assert lines[5].endswith("  done after 1 min")
    assert lines[6].endswith("  1 run that changed nothing by bob@desk")
    assert lines[7].endswith("  at work")


def test_of_a_service(run: Run) -> None:
    """The runs that changed it, with the revision that each gave it; a name that nothing has is refused."""
    lines = history(run, "web").splitlines()
    assert (lines[0], len(lines)) == ("example, stage private: service web", 4)
    assert lines[2] == "    revision 7 of web"

    with pytest.raises(InvalidCommand, match="no run changed a service wbe; there are: web"):
        history(run, "wbe")


def test_for_programs(run: Run) -> None:
    """All lines, with all that is known."""
    data = json.loads(history(run, as_json=True))
    assert json.loads(history(run, "web", "--json", "--all"))["service"] == "web"

    assert (data["site"], data["stage"], data["service"]) == ("example", "private", None)
    assert [line.get("outcome") for line in data["runs"]] == ["failed", "done", None, "at work"]
    assert data["runs"][0]["revisions"] == {"web": 7}


def test_a_stage_without_hosts_has_none(tmp_path: Path) -> None:
    """The message says which host keeps it."""
    run = rig.new(tmp_path).run()

    with pytest.raises(
        InvalidCommand, match=r"which keeps the history, is not made yet, .*doit plan"
    ) as caught:
        history(run)
    assert isinstance(caught.value.__cause__, HostError)
