"""Hosts that must be replaced: their turn, the swarm's majority, their volumes."""

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import HostError, ProviderError
from model.keys.record import SwarmRecord
from model.labels import CORDONED_LABEL
from remote.ssh.connection import Connection
from remote.swarm import nodes as swarm_nodes
from tasks.hosts import rolling_replace, setup_steps
from tasks.names import swarm_task
from tasks.run.context import Run
from tasks.run.log import TaskLog
from tasks.step import Work
from tests import made as rig
from tests.doubles.managers import Nodes, manage, quiet
from tests.made import Made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made, on hosts whose disks go with them, in a network that is now another one."""
    site = rig.new(tmp_path)
    site.make()
    site.cloud.keeps_volumes = False
    site.edit('cidr = "10.0.0.0/24"', 'cidr = "10.0.1.0/24"')
    return site


def replace(run: Run, nodes: Nodes, short: str, log: Any = None) -> None:
    """Pass through the turn of a host as build_infra does."""
    manage(run, nodes)
    resource = next(r for r in run.provider.resources() if r.name == short)
    with rolling_replace.one_at_a_time(run, resource, log or (lambda _line: None)):
        run.provider.ensure(resource, lambda _line: None)


def test_a_hive_leaves_the_swarm_first(made: Made) -> None:
    """A hive that is replaced and loses its disk is drained, loses its vote and its node, and then is replaced."""
    run = made.run()
    nodes = Nodes(run)
    made.look("hive0", volumes={})
    made.look("hive1", volumes={})

    replace(run, nodes, "hive1")

    assert nodes.orders == [
        "node-of-hive1: drain manager",
        "node-of-hive1: drain worker",
        "node-of-hive1: removed",
    ]
    assert made.cloud.log[-4:] == ["removed hive1", "created hive1", "started hive1", "admitted hive1"]
    assert set(run.progress.replaced) == {"hive1"}


def test_volumes_must_be_named(made: Made) -> None:
    """A host whose volumes would go with it is left alone until it is named; the message says what to type."""
    run = made.run()
    nodes = Nodes(run)
    before = list(made.cloud.log)

    with pytest.raises(ProviderError, match=r"hive0: .* volume data would be lost .* doit replace=hive0"):
        replace(run, nodes, "hive0")
    assert made.cloud.log == before
    assert nodes.orders == []

    run.may_replace = frozenset({"hive0"})
    replace(run, nodes, "hive0")
    assert set(run.progress.replaced) == {"hive0"}


def test_a_provider_that_keeps_volumes_asks_nobody(made: Made) -> None:
    """Where volumes outlive their host, it keeps them and its place in the swarm; its tasks move before it goes."""
    made.cloud.keeps_volumes = True
    run = made.run()
    nodes = Nodes(run)

    replace(run, nodes, "hive0")

    assert nodes.orders == ["node-of-hive0: drain manager"]
    assert set(run.progress.replaced) == {"hive0"}


def test_the_majority_stays(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hive stays as it is while the swarm would be left without a majority by its going."""
    monkeypatch.setattr(swarm_nodes, "JOIN_TIMEOUT", 0)
    made.edit("number_of_hosts = 3", "number_of_hosts = 4")
    made.make("build_infra:hive3", "setup_hosts:hive3.swarm")
    run = made.run()
    nodes = Nodes(run, down=("hive3",))
    before = list(made.cloud.log)

    with pytest.raises(
        ProviderError, match=r"hive1 is not replaced: .* 1 are ready, which is not a majority"
    ):
        replace(run, nodes, "hive1")

    assert made.cloud.log == before


def test_who_waits_for_the_turn_says_for_whom(made: Made) -> None:
    """While one host has the turn, the next one logs whose it is and what that one is at; then it goes."""
    run = made.run()
    run.may_replace = frozenset({"hive0", "hive1"})
    nodes, said, asked, done = Nodes(run), list[str](), threading.Event(), threading.Event()
    log = run.progress.logs["build_infra:hive0"] = TaskLog(run.state.log_path("x"), lambda text: text)
    log.write("waiting for ssh")
    log.close()

    def hear(line: str) -> None:
        said.append(line)
        asked.set()

    def first() -> None:
        with run.coordination.alone(rolling_replace.TURN, "build_infra:hive0", lambda _: None):
            entered.set()
            assert done.wait(120)

    entered = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        pool.submit(first)
        assert entered.wait(120)
        second = pool.submit(replace, run, nodes, "hive1", hear)
        assert asked.wait(120)
        assert said == ["waiting for build_infra:hive0, which has the turn: waiting for ssh"]
        assert nodes.orders == []
        done.set()
        second.result(20)

    assert "removed hive1" in made.cloud.log


def test_a_host_that_must_stop_waits_its_turn_and_keeps_its_place(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that is only stopped for a while stays a node, and nobody has to name its volumes; the next one waits."""
    monkeypatch.setattr(swarm_nodes, "JOIN_TIMEOUT", 0)
    made.edit('cidr = "10.0.1.0/24"', 'cidr = "10.0.0.0/24"')
    for where, thing in list(made.cloud.things.items()):
        if thing.is_host:
            made.cloud.things[where] = dataclasses.replace(thing, must_stop=True)
    run = made.run()
    nodes = Nodes(run)
    replace(run, nodes, "hive0")

    assert nodes.orders == ["node-of-hive0: drain manager"]
    assert set(run.progress.replaced) == {"hive0"}
    with pytest.raises(ProviderError, match=r"hive1 is not stopped: .*not a majority"):
        replace(made.run(), Nodes(run, down=("hive0",)), "hive1")


def test_an_engine_is_started_anew_in_turn(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hive is drained, its engine is started anew, it takes tasks again, and it is looked at anew."""
    monkeypatch.setattr(swarm_nodes, "JOIN_TIMEOUT", 0)
    run = made.run()
    nodes, hive0 = Nodes(run), run.stage.host("hive0")
    manage(run, nodes)
    made.look("hive0", info={"Swarm": {"LocalNodeState": "inactive"}})
    with rolling_replace.stopped_one_at_a_time(run, hive0, quiet, restarts=True):
        assert nodes.orders == ["node-of-hive0: drain manager"]
    assert nodes.orders[1:] == ["node-of-hive0: active manager"]
    assert run.live_state.host(hive0).info == {"Swarm": {"LocalNodeState": "inactive"}}

    manage(run, Nodes(run, down=("hive0",)))
    turn = rolling_replace.stopped_one_at_a_time(run, run.stage.host("hive1"), quiet, restarts=True)
    with pytest.raises(ProviderError, match=r"hive1 is not stopped: "), turn:
        pytest.fail("without it there would be no majority")


def own_engine(run: Run, swarm: dict[str, Any] | None) -> None:
    """Have every hive's own engine tell this of its swarm; None: it does not answer."""

    def engine(host: Any) -> Any:
        if swarm is None:
            raise HostError(f"{host.short}: its Docker Engine does not answer")
        return SimpleNamespace(info=lambda: {"Swarm": swarm})

    run.connections.engine = engine  # type: ignore[method-assign]


@pytest.mark.parametrize("swarm", [None, {"LocalNodeState": "inactive"}, {"LocalNodeState": "active"}])
def test_an_engine_that_is_down_is_started_out_of_turn(made: Made, swarm: dict[str, Any] | None) -> None:
    """Who has the turn may be waiting for just that hive: it waits for nobody."""
    run = made.run()
    nodes = Nodes(run, down=("hive0",))
    manage(run, nodes)
    own_engine(run, swarm)
    with (
        run.coordination.alone(rolling_replace.TURN, "build_infra:hive1", quiet),
        rolling_replace.stopped_one_at_a_time(run, run.stage.host("hive0"), pytest.fail, restarts=True),
    ):
        assert nodes.orders == []


@pytest.mark.parametrize("why", ["no manager answers", "the swarm sees it as unknown"])
def test_a_manager_waits_for_its_turn_while_the_swarm_has_no_leader(
    made: Made, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """While the leader's engine is started anew nobody tells who is missed: a second manager is not started as well."""
    monkeypatch.setattr(swarm_nodes, "JOIN_TIMEOUT", 0)
    run = made.run()
    manage(run, Nodes(run, down=("hive0",)))
    own_engine(run, {"LocalNodeState": "active", "ControlAvailable": True, "Error": "no leader"})

    def no_leader(except_: Any = None, patience: float | None = None) -> tuple[Any, Any]:
        del except_, patience
        raise HostError("no manager of the swarm answers:\nhive1: the swarm does not have a leader")

    if why == "no manager answers":
        run.connections.manager = no_leader  # type: ignore[method-assign]
    for short in ("hive0", "hive1"):
        assert rolling_replace.is_missed_by_swarm(run, run.stage.host(short))
    turn = rolling_replace.stopped_one_at_a_time(run, run.stage.host("hive1"), quiet, restarts=True)
    with pytest.raises(ProviderError, match="hive1 is not stopped: "), turn:
        pytest.fail("the swarm can't do without it now")

    # A swarm that lost its majority for good is replaced when a person says so: no turn would ever come.
    run.may_replace = frozenset({"swarm"})
    assert not rolling_replace.is_missed_by_swarm(run, run.stage.host("hive0"))


def former_hive(made: Made) -> Run:
    """Return a run of a site whose repository, hive2, was a hive, and still votes in the swarm."""
    run = made.run()
    run.state.write(swarm_task("hive2"), SwarmRecord(cluster="cluster-1", node="node-of-hive2"))
    return run


def test_a_former_hive_that_is_the_repository_leaves_in_order(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It votes until it has left: it loses vote and node before its disk goes, and a majority stays without it."""
    monkeypatch.setattr(swarm_nodes, "JOIN_TIMEOUT", 0)
    run = former_hive(made)
    hive2 = run.stage.repository
    assert not hive2.is_hive
    with pytest.raises(ProviderError, match=r"hive2 is not replaced: .*not a majority"):
        replace(run, Nodes(run, down=("hive0",), former=(hive2,)), "hive2")
    assert "removed hive2" not in made.cloud.log

    nodes = Nodes(run, former=(hive2,))
    replace(run, nodes, "hive2")
    assert nodes.orders[-1] == "node-of-hive2: removed"
    assert "removed hive2" in made.cloud.log


def test_a_former_hive_that_stays_for_now_is_not_drained(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing would make it take its tasks again, whose data may be there alone; the majority is waited for."""
    monkeypatch.setattr(swarm_nodes, "JOIN_TIMEOUT", 0)
    made.cloud.keeps_volumes = True
    run = former_hive(made)
    hive2 = run.stage.repository
    nodes = Nodes(run, former=(hive2,))
    replace(run, nodes, "hive2")
    with rolling_replace.stopped_one_at_a_time(run, hive2, quiet, restarts=True):
        pass
    assert nodes.orders == []

    manage(run, Nodes(run, down=("hive0",), former=(hive2,)))
    turn = rolling_replace.stopped_one_at_a_time(run, hive2, quiet, restarts=True)
    with pytest.raises(ProviderError, match=r"hive2 is not stopped: .*not a majority"), turn:
        pytest.fail("without it there would be no majority")


def test_the_engine_of_a_former_hive_waits_for_its_turn(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository's engine is a member's as long as it has not left the swarm; afterwards nobody's vote goes."""
    turns: list[str] = []

    @contextlib.contextmanager
    def turn(_run: Run, host: Any, _log: Any, **_: Any) -> Iterator[None]:
        turns.append(host.short)
        yield

    monkeypatch.setattr(setup_steps, "stopped_one_at_a_time", turn)
    monkeypatch.setattr(Connection, "script", lambda *_, **__: "")
    monkeypatch.setattr(Connection, "run", lambda *_, **__: "docker")
    run = former_hive(made)
    definitions = setup_steps.HostSteps(run.stage, run.secrets, run.directory)
    step = setup_steps.SetupStep(run, definitions, run.stage.repository, "docker", ())
    step.ensure(Work(step.task, {}, "", quiet))
    assert turns == ["hive2"]
    run.state.forget(swarm_task("hive2"))
    step.ensure(Work(step.task, {}, "", quiet))
    assert turns == ["hive2"]


def test_a_hive_that_a_killed_run_drained_goes_at_once(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can run only there does not run: to wait for it before the hive goes would be in vain."""
    monkeypatch.setattr(rolling_replace, "_settle", lambda *_: pytest.fail("waits for services"))
    made.cloud.keeps_volumes = True
    run = made.run()
    nodes = Nodes(run)
    nodes.inspect_node("node-of-hive1")["Spec"] |= {
        "Availability": "drain",
        "Labels": {CORDONED_LABEL: "true"},
    }
    replace(run, nodes, "hive1")

    assert run.progress.replaced == {"hive1": None}
    assert "removed hive1" in made.cloud.log


def test_a_host_is_back_when_its_services_are(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hive that was taken down is waited for until what ran before runs again; the message says what does not."""
    monkeypatch.setattr(rolling_replace, "SETTLE_TIMEOUT", 0)
    monkeypatch.setattr(rolling_replace, "SERVICES_TIMEOUT", 0)
    run = made.run()
    nodes, hive0, said = Nodes(run), run.stage.host("hive0"), list[str]()
    nodes.running = {"db": 1, "web": 2, "lame": 0}
    replace(run, nodes, "hive1", said.append)
    assert run.progress.replaced == {"hive1": {"db": 1, "web": 2, "lame": 0}}
    assert run.progress.not_waited_for == {"db", "lame"}
    assert any("service lame: 0 of 2 tasks run" in line for line in said)

    rolling_replace.wait_until_back(run, hive0, {"db": 1, "lame": 0}, quiet)
    nodes.running["db"] = 0
    with pytest.raises(HostError, match=r"hive0 is back: service db: 0 of 1 tasks run; no further host"):
        _wait_shortly(run, monkeypatch, {"db": 1})
    rolling_replace.wait_until_back(run, hive0, None, said.append)
    assert "left to the services' own tasks" in said[-1]
    manage(run, Nodes(run, down=("hive0",)))
    monkeypatch.setattr(swarm_nodes, "JOIN_TIMEOUT", 0)
    with pytest.raises(HostError, match=r"hive0 to be a ready manager again: the swarm sees hive0 as down"):
        rolling_replace.wait_until_back(run, hive0, {}, quiet)


def test_what_stays_as_it_is_passes(made: Made) -> None:
    """A host that is as wanted, one that is gone, and what is no host, need no turn."""
    made.edit('cidr = "10.0.1.0/24"', 'cidr = "10.0.0.0/24"')
    made.cloud.delete(made.run().stage, "hive1")
    run = made.run()
    nodes = Nodes(run)
    for short in ("network", "hive0", "hive1"):
        replace(run, nodes, short)

    assert nodes.orders == []
    assert run.progress.replaced == {}


def test_the_plan_says_that_it_is_refused(made: Made) -> None:
    """`doit plan` shows a host whose volumes nobody named as one that a run will refuse."""
    from commands.plan import PlanReport, plan_report
    from tasks.phases import PHASES

    def plan() -> PlanReport:
        run = made.run()
        table = made.table_of(run)
        return plan_report(run, table, table.names, PHASES)

    def action(task: str) -> str:
        return next(item.action for item in plan().items if item.task == task)

    assert action("build_infra:hive0") == "blocked"
    assert action("build_infra:hive1") == "replace"
    assert plan().takes() == {"hosts": 2}

    made.may_replace = frozenset({"hive0"})
    assert action("build_infra:hive0") == "replace"


def _wait_shortly(run: Run, monkeypatch: pytest.MonkeyPatch, before: dict[str, int]) -> None:
    """Wait for hive0 with no patience for its services."""
    with monkeypatch.context() as patched:
        patched.setitem(vars(run.stage), "services", {})
        rolling_replace.wait_until_back(run, run.stage.host("hive0"), before, quiet)
