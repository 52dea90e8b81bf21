"""Connections to the swarm's managers: one answer for all who ask at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import HostError
from tests import made as rig
from tests.made import Made

CALLERS = 7


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made."""
    site = rig.new(tmp_path)
    site.make()
    return site


def test_a_manager_is_asked_once_by_those_who_follow_at_once(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for a manager a moment later gets the same one unasked, unless it was let go or is not to be used."""
    run, asked = made.run(), []

    def engine(host: Any) -> Any:
        def info() -> Any:
            asked.append(host.short)
            return {"Swarm": {"ControlAvailable": True}}

        return run.connections._engines.setdefault(host.short, SimpleNamespace(info=info, close=lambda: None))

    monkeypatch.setattr(run.connections, "engine", engine)
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("tasks.run.connections.time", SimpleNamespace(monotonic=lambda: clock.now))
    first, _ = run.connections.manager()
    assert run.connections.manager()[0] == first
    assert asked == [first.short]
    run.connections.forget_engine(first)
    run.connections.manager()
    assert asked == [first.short] * 2
    clock.now += 1.5
    run.connections.manager()
    assert asked == [first.short] * 3
    beside, _ = run.connections.manager(except_=first)
    assert beside != first
    assert asked[3:] == [beside.short]


class Door:
    """A lock that counts who came to it."""

    def __init__(self) -> None:
        self._lock, self._count = threading.Lock(), threading.Lock()
        self.came = 0
        self.all_came = threading.Event()

    def __enter__(self) -> None:
        """Wait for the lock."""
        with self._count:
            self.came += 1
            if self.came == CALLERS:
                self.all_came.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        """Let the next one in."""
        self._lock.release()


def test_that_none_answers_is_found_out_once(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits while another asks in vain hears the same, and does not ask all hives once more."""
    run, asked, door = made.run(), [], Door()

    def engine(host: Any) -> Any:
        asked.append(host.short)
        assert door.all_came.wait(20)
        raise HostError(f"{host.short} does not answer")

    def ask(_: int) -> str:
        with pytest.raises(HostError) as raised:
            run.connections.manager()
        return str(raised.value)

    monkeypatch.setattr(run.connections, "engine", engine)
    monkeypatch.setattr(run.coordination, "lock", lambda _name: door)
    with ThreadPoolExecutor(CALLERS) as pool:
        said = set(pool.map(ask, range(CALLERS)))

    assert len(said) == 1
    assert asked == [hive.short for hive in run.stage.hives]
