"""The lock that lets one job of a host's work at a time."""

import threading
from pathlib import Path

import pytest

from agent.errors import BusyError
from agent.host import durable_files
from agent.host.durable_files import alone


def test_one_at_a_time(tmp_path: Path) -> None:
    """Another one is told at once which it is that works."""
    lock = tmp_path / "lock"
    with (
        alone(lock, "restore"),
        pytest.raises(BusyError, match=r"backup restore .* is at work"),
        alone(lock, "run"),
    ):
        pytest.fail("two have it")


def test_one_that_has_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for the other one, and has the lock then; or gives up."""
    monkeypatch.setattr(durable_files, "_PAUSE", 0.01)
    lock, has_it, may_end = tmp_path / "lock", threading.Event(), threading.Event()

    def work() -> None:
        with alone(lock, "restore"):
            has_it.set()
            may_end.wait(60)

    worker = threading.Thread(target=work)
    worker.start()
    has_it.wait(60)
    with pytest.raises(BusyError), alone(lock, "run", 0.05):
        pytest.fail("two have it")
    threading.Timer(0.1, may_end.set).start()
    with alone(lock, "run", 60.0):
        assert may_end.is_set()
    worker.join()
