"""What is known of a restic that is at work: whether it gets somewhere."""

import time
from pathlib import Path

import pytest

from agent.backup import restic_process
from agent.backup.restic_process import RepositoryUnreachableError, moved_at, run


@pytest.fixture(autouse=True)
def _looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a process looked at all the time, and taken for one at work soon."""
    monkeypatch.setattr(restic_process, "_LOOK", 0.01)
    monkeypatch.setattr(restic_process, "_MOVED_TICKS", 1)


def test_one_that_computes_moves(tmp_path: Path) -> None:
    """Each time that it has done something anew."""
    go = tmp_path / "go"
    seen: list[float] = []

    def hear(_line: str) -> None:
        if moved_at() != seen[-1]:
            seen.append(moved_at())
        if len(seen) > 2:
            go.touch()

    began = time.monotonic()
    script = f"until [ -e {go} ]; do echo; done"
    run(["sh", "-c", script], {}, who={}, hear=hear, started=lambda _: seen.append(moved_at()))
    assert began < seen[0] < seen[1] < seen[2]


def test_one_that_stands_still_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that it began counts, however long it is waited for."""
    monkeypatch.setattr(restic_process, "STILL", 0.3)
    seen: list[float] = []
    with pytest.raises(RepositoryUnreachableError, match="nothing has moved"):
        run(["sleep", "60"], {}, who={}, started=lambda _: seen.append(moved_at()))
    assert seen == [moved_at()]
