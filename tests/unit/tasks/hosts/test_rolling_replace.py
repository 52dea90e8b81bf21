"""Hosts that must be replaced: their turn, the swarm's majority, their volumes."""

import dataclasses
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from model.errors import HostError, ProviderError
from remote.swarm import nodes as swarm_nodes
from tasks.hosts import rolling_replace
from tasks.run.context import Run
from tests import made as rig
from tests.made import Made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made, on hosts whose disks go with them, in a network that is now another one."""
    site = rig.new(tmp_path)
    site.make()
    site.cloud.keeps_volumes = False
    site.edit('cidr = "10.0.0.0/24"', 'cidr = "10.0.1.0/24"')
    return site


class Nodes:
    """A manager's engine that lists nodes and takes orders."""

    def __init__(self, run: Run, down: tuple[str, ...] = ()) -> None:
        self.api = self
        self.orders: list[str] = []
        self._nodes = {
            host.short: {
                "ID": f"node-of-{host.short}",
                "Version": {"Index": 1},
                "Spec": {"Role": "manager"},
                "Description": {"Hostname": host.name},
                "Status": {"State": "down" if host.short in down else "ready"},
                "ManagerStatus": {"Reachability": "unreachable" if host.short in down else "reachable"},
            }
            for host in run.stage.hives
        }

    def nodes(self) -> list[dict[str, Any]]:
        """List them."""
        return list(self._nodes.values())

    def inspect_node(self, node: str) -> dict[str, Any]:
        """Return one."""
        return next(found for found in self.nodes() if found["ID"] == node)

    def tasks(self, **_filters: Any) -> list[dict[str, Any]]:
        """Return that nothing runs."""
        return []

    def update_node(self, node: str, _version: int, spec: Mapping[str, str]) -> None:
        """Keep the order."""
        self.inspect_node(node)["Spec"] = dict(spec)
        self.orders.append(f"{node}: {spec.get('Availability')} {spec['Role']}")

    def remove_node(self, node: str, *, force: bool) -> None:
        """Remove one that has no vote any more."""
        assert force
        assert self.inspect_node(node)["Spec"]["Role"] == "worker"
        self._nodes.pop(node.removeprefix("node-of-"))
        self.orders.append(f"{node}: removed")


def replace(run: Run, nodes: Nodes, short: str, log: Any = None) -> None:
    """Pass through the turn of a host as build_infra does."""
    run.connections.manager = lambda except_=None: next(  # type: ignore[method-assign]
        (host, nodes) for host in run.stage.hives if host != except_
    )
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
    assert run.progress.replaced == {"hive1"}


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
    assert run.progress.replaced == {"hive0"}


def test_a_provider_that_keeps_volumes_asks_nobody(made: Made) -> None:
    """Where volumes outlive their host, neither they nor its place in the swarm are touched."""
    made.cloud.keeps_volumes = True
    run = made.run()
    nodes = Nodes(run)

    replace(run, nodes, "hive0")

    assert nodes.orders == []
    assert run.progress.replaced == {"hive0"}


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


def test_one_after_another(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next hive waits until the one before it is back in the swarm."""
    monkeypatch.setattr(rolling_replace, "wait_for", _eager)
    run = made.run()
    nodes = Nodes(run)
    run.may_replace = frozenset({"hive0", "hive1"})
    replace(run, nodes, "hive0")
    said: list[str] = []
    asked = threading.Event()

    def log(line: str) -> None:
        said.append(line)
        asked.set()

    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(replace, run, nodes, "hive1", log)
        assert asked.wait(20)
        assert not second.done()
        assert "removed hive1" not in made.cloud.log
        nodes._nodes = Nodes(run)._nodes  # hive0 has joined again
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

    assert nodes.orders == []
    assert run.progress.replaced == {"hive0"}
    with pytest.raises(ProviderError, match=r"hive1 is not stopped: .*not a majority"):
        replace(made.run(), Nodes(run, down=("hive0",)), "hive1")


def test_an_engine_is_started_anew_in_turn(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once, the swarm and its services would be down together; afterwards it is looked again."""
    monkeypatch.setattr(swarm_nodes, "JOIN_TIMEOUT", 0)
    run = made.run()
    nodes = Nodes(run)
    monkeypatch.setattr(run.connections, "manager", lambda **_: (run.stage.host("hive1"), nodes))
    look = run.live_state
    with rolling_replace.stopped_one_at_a_time(run, run.stage.host("hive0"), lambda _line: None):
        assert nodes.orders == []
    assert run.progress.replaced == {"hive0"}
    assert run.live_state is not look

    monkeypatch.setattr(rolling_replace, "TURN_TIMEOUT", 0)
    down = Nodes(run, down=("hive0",))
    monkeypatch.setattr(run.connections, "manager", lambda **_: (run.stage.host("hive0"), down))
    second = rolling_replace.stopped_one_at_a_time(run, run.stage.host("hive1"), lambda _line: None)
    with pytest.raises(ProviderError, match=r"hive1 is not stopped: "), second:
        pytest.fail("hive0 is not back")


def test_what_stays_as_it_is_passes(made: Made) -> None:
    """A host that is as wanted, one that is gone, and what is no host, need no turn."""
    made.edit('cidr = "10.0.1.0/24"', 'cidr = "10.0.0.0/24"')
    made.cloud.delete(made.run().stage, "hive1")
    run = made.run()
    nodes = Nodes(run)
    for short in ("network", "hive0", "hive1"):
        replace(run, nodes, short)

    assert nodes.orders == []
    assert run.progress.replaced == set()


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


def _eager(condition: Any, what: str, timeout: float, **_options: Any) -> None:
    """Wait as `remote.mother.wait` does, but ask again at once."""
    waiting = threading.Event()
    for _ in range(2000):
        try:
            if condition():
                return
        except HostError:
            pass
        waiting.wait(0.01)
    raise HostError(f"waited {timeout} s for {what}")
