"""Connections to the swarm's managers: one answer for all who ask at the same time."""

import threading
from collections.abc import Iterator
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
        assert door.all_came.wait(120)
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


def test_a_leader_is_waited_for(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right after an outage managers have no leader yet: a run waits for one, and says so if none comes."""
    run, asked = made.run(), list[str]()
    error = "rpc error: The swarm does not have a leader"

    def engine(host: Any) -> Any:
        asked.append(host.short)
        swarm = {"ControlAvailable": True, "Error": error if len(asked) < 5 else ""}
        return SimpleNamespace(info=lambda: {"Swarm": swarm}, close=lambda: None)

    monkeypatch.setattr(run.connections, "engine", engine)
    with pytest.raises(HostError, match="hive0: rpc error: The swarm does not have a leader"):
        run.connections.manager()
    run.connections.patience = 20
    assert run.connections.manager()[0].short == asked[-1]
    assert len(asked) == 5


def test_hives_in_no_swarm_are_not_waited_for(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each hive answers that it is in no swarm, none will be a manager by waiting."""
    run, asked = made.run(), list[str]()
    run.connections.patience = 600

    def engine(host: Any) -> Any:
        asked.append(host.short)
        return SimpleNamespace(info=lambda: {"Swarm": {"LocalNodeState": "inactive"}})

    monkeypatch.setattr(run.connections, "engine", engine)
    with pytest.raises(HostError, match="hive1: is not a manager of a swarm"):
        run.connections.manager()
    assert asked == ["hive0", "hive1"]


def test_who_waits_for_a_manager_holds_nobody_up(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one task waits for a manager, another can ask whether there is one, as to mend an engine."""
    run, waits, stop = made.run(), threading.Event(), threading.Event()

    def engine(host: Any) -> Any:
        raise HostError(f"{host.short} does not answer")

    def attempts(patience: float) -> Iterator[None]:
        yield
        if patience:
            waits.set()
            assert stop.wait(120)
            yield

    monkeypatch.setattr(run.connections, "engine", engine)
    monkeypatch.setattr("tasks.run.connections.attempts", attempts)
    run.connections.patience = 60
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(run.connections.manager)
        assert waits.wait(120)
        other = pool.submit(run.connections.manager, patience=0)
        assert "does not answer" in str(other.exception(10))
        stop.set()
        assert "does not answer" in str(waiting.exception(20))
