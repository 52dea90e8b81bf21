"""Hosts that are fenced leave their old swarm before anything else, one at a time, and count for nothing before."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import HostError
from model.keys.record import SwarmRecord
from model.labels import FENCED_LABEL
from model.swarm.fenced import fenced_by, with_fences
from remote.swarm import old_swarm, recovery
from tasks.hosts import fences
from tasks.hosts.swarm_member import SwarmMember
from tasks.names import swarm_task
from tasks.observe.live_state import LiveState
from tasks.observe.states import HostState, SwarmState
from tasks.operate import site_reading
from tasks.operate.site_reading import EngineReading
from tasks.run.context import Run
from tests import made as rig


@pytest.fixture
def site(tmp_path: Path) -> rig.Made:
    """Give a site of three hives, which is made."""
    site = rig.new(tmp_path)
    site.edit("number_of_hosts = 3", "number_of_hosts = 4")
    site.make()
    return site


class Hosts:
    """All hosts of a run: what is done on them, in order."""

    def __init__(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.second = threading.Event()
        self._under_way: set[str] = set()
        ensure = run.provider.ensure

        def made(resource: Any, log: Any) -> Any:
            if resource.is_host:
                self.done.append(f"{resource.name} starts")
                self._under_way.add(resource.name)
                if self._under_way - {resource.name}:
                    self.second.set()
                self.second.wait(0.2)  # another one may come now, if it is not kept from it
            return ensure(resource, log)

        def leaves(name: str, _connection: object, node: str, _log: object) -> None:
            self.done.append(f"{name} leaves as {node}")
            self._under_way.discard(name)

        monkeypatch.setattr(run.provider, "ensure", made)
        monkeypatch.setattr(run.connections, "reset", lambda _host: None)
        monkeypatch.setattr(
            run.connections,
            "to",
            lambda _host: SimpleNamespace(close=lambda: None, forget_failure=lambda: None),
        )
        monkeypatch.setattr(run.connections, "engine", lambda _host: "engine")
        monkeypatch.setattr(
            run.stage_lock, "join", lambda host: self.done.append(f"{host.short} holds the lock")
        )
        monkeypatch.setattr("tasks.hosts.let_in_keys.settle", lambda *_: None)
        monkeypatch.setattr("tasks.hosts.let_in_keys.let_operator_in", lambda *_: None)
        monkeypatch.setattr(old_swarm, "leave_unheard", leaves)
        monkeypatch.setattr(
            old_swarm,
            "remove_containers",
            lambda name, *_: self.done.append(f"{name} loses its old containers"),
        )


def host_step(site: rig.Made, run: Run, short: str) -> Any:
    """Return the step of a host."""
    return site.tasks(run)[f"build_infra:{short}"].meta["step"]


def work(short: str) -> Any:
    """Return the work on a host."""
    return SimpleNamespace(task=f"build_infra:{short}", inputs={}, key="key", log=lambda _line: None)


def test_a_fenced_host_leaves_first(site: rig.Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own task is stale, comes before all set-up, and has it leave before anything else is done there."""
    run = site.run()
    run.state.fence("hive1", "node-of-hive1")
    hosts = Hosts(run, monkeypatch)
    step = host_step(site, run, "hive1")
    assert step.real("") == "hive1 is fenced: it has to leave its old swarm before anything else"
    assert host_step(site, run, "hive0").real("") is None
    step.ensure(work("hive1"))
    assert hosts.done == [
        "hive1 starts",
        "hive1 leaves as node-of-hive1",
        "hive1 loses its old containers",
        "hive1 holds the lock",
    ]
    assert run.state.fences() == {}
    assert host_step(site, site.run(), "hive1").real("") is None


def test_a_host_that_does_not_leave_stays_fenced(site: rig.Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task fails, so that nothing is set up there; the next run begins with it again."""
    run = site.run()
    run.state.fence("hive1", "node-of-hive1")
    Hosts(run, monkeypatch)

    def refuse(*_: object) -> None:
        raise HostError("hive1: leaving: its engine does not stop")

    monkeypatch.setattr(old_swarm, "leave_unheard", refuse)
    with pytest.raises(HostError, match="does not stop"):
        host_step(site, run, "hive1").ensure(work("hive1"))
    assert run.state.fences() == {"hive1": "node-of-hive1"}


def test_they_come_back_one_at_a_time(site: rig.Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three old managers would elect a leader: each has left before the next one is started."""
    run = site.run()
    for short in ("hive0", "hive1", "hive2"):
        run.state.fence(short, f"node-of-{short}")
    hosts = Hosts(run, monkeypatch)
    steps = {short: host_step(site, run, short) for short in ("hive0", "hive1", "hive2")}
    barrier = threading.Barrier(3)

    def come(short: str) -> None:
        barrier.wait(timeout=30)
        steps[short].ensure(work(short))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(come, steps))
    assert not hosts.second.is_set()
    order = [line.split()[0] for line in hosts.done if line.endswith("starts") or " leaves " in line]
    assert order[::2] == order[1::2]
    assert sorted(order[::2]) == ["hive0", "hive1", "hive2"]


def test_other_checkouts_learn_of_it_by_the_swarm(site: rig.Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where state/ knows nothing, the recovered swarm says who is fenced; it no longer does when that host has left."""
    site.swarm = replace(site.swarm, fenced={"hive2": "node-of-hive2"})
    run = site.run()
    hosts = Hosts(run, monkeypatch)
    said: list[Any] = []
    monkeypatch.setattr(run.connections, "manager", lambda: (run.stage.host("hive0"), "client"))
    monkeypatch.setattr(recovery, "say_fenced", lambda *words: said.append(words))
    step = host_step(site, run, "hive2")
    assert "hive2 is fenced" in step.real("")
    step.ensure(work("hive2"))
    assert "hive2 leaves as node-of-hive2" in hosts.done
    assert said == [("hive0", "client", {"hive2": None})]


def test_the_swarm_says_who_is_fenced() -> None:
    """By labels of its own; other labels of it stay."""
    labels = with_fences({"owner": "me"}, {"hive1": "n1", "hive2": "n2"})
    assert labels == {"owner": "me", f"{FENCED_LABEL}hive1": "n1", f"{FENCED_LABEL}hive2": "n2"}
    assert fenced_by({"Spec": {"Labels": labels}}) == {"hive1": "n1", "hive2": "n2"}
    assert with_fences(labels, {"hive1": None}) == {"owner": "me", f"{FENCED_LABEL}hive2": "n2"}


def test_the_old_swarm_is_never_asked(site: rig.Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fenced host may have a leader that its old swarm has elected: neither runs nor `doit status` ask it."""
    run = site.run()
    run.state.fence("hive0", "node-of-hive0")
    swarm = {
        "Swarm": {"ControlAvailable": True, "Cluster": {"Spec": {"Labels": {f"{FENCED_LABEL}hive0": "x"}}}}
    }
    asked: list[str] = []

    def swarm_of(_self: object, host: Any) -> SwarmState:
        asked.append(host.short)
        return SwarmState()

    monkeypatch.setattr(LiveState, "_swarm_of", swarm_of)
    looks = {hive: rig.done(HostState(info=swarm)) for hive in run.stage.hives}
    assert run.live_state._read_swarm(looks).fenced == {"hive0": "x"}

    def ask(host: Any) -> Any:
        asked.append(host.short)
        return SimpleNamespace(info=lambda: swarm, close=lambda: None)

    monkeypatch.setattr(run.connections, "engine", ask)
    assert run.connections.manager()[0].short == "hive1"

    monkeypatch.setattr(run.connections, "reader", ask)
    monkeypatch.setattr(site_reading, "_swarm_of", lambda *_: "listings")
    site_reading._read_swarm(
        run, {hive: EngineReading(swarm) for hive in run.stage.hives}, time.monotonic() + 5
    )
    assert asked == ["hive1"] * 3


def test_a_fenced_host_makes_no_swarm_uncertain(site: rig.Made) -> None:
    """It was in the swarm and is silent: another one that is lost would keep a hive from making a swarm."""
    run = site.run()
    assert run.state.read(swarm_task("hive1"), SwarmRecord) is not None
    run.state.fence("hive1", "node-of-hive1")
    assert list(SwarmMember(run, run.stage.host("hive0"), ())._others()) == ["hive2"]
    assert fences.fenced_node(run, "hive1") == "node-of-hive1"
