"""Hosts that left the stage."""

from pathlib import Path

import pytest

from model.keys.record import SwarmRecord
from model.stage import Host
from remote.swarm import upkeep
from tasks.hosts.decommission import leave_swarm
from tests import made as rig
from tests.doubles.alertmanager import watch
from tests.doubles.managers import Nodes, manage, quiet

HIVE9 = Host("hive9", "p-hive9.example", "10.0.0.99", is_hive=False, is_repository=False)


def test_what_ran_on_a_host_runs_elsewhere_before_its_node_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its node is drained; until the services run as before nothing else is done, as an update that stops a task."""
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    run.state.write("setup_hosts:hive9.swarm", SwarmRecord(cluster="c", node="node-of-hive9"))
    nodes = Nodes(run, former=(HIVE9,))
    nodes.running = {"web": 2}
    manage(run, nodes)
    asked = upkeep.shortfalls
    at_question: list[tuple[list[str], int]] = []

    def shortfalls(*args: object, **options: object) -> list[str]:
        # The task that was drained is missing at the first question, and runs elsewhere at the second.
        nodes.running["web"] = 1 + len(at_question)
        at_question.append(([*nodes.orders], nodes.running["web"]))
        return asked(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(upkeep, "shortfalls", shortfalls)

    alarms, held = watch(run), list[object]()
    there = [{"ServiceID": "id-of-web"}]
    monkeypatch.setattr(
        nodes, "tasks", lambda filters: there if {*filters} == {"node", "desired-state"} else []
    )
    removed = nodes.remove_node

    def remove_node(node: str, *, force: bool) -> None:
        held.append([*alarms.held])
        removed(node, force=force)

    monkeypatch.setattr(nodes, "remove_node", remove_node)

    leave_swarm(run, HIVE9, "node-of-hive9", quiet)

    drained = "node-of-hive9: drain manager"
    assert at_question == [([drained], 1), ([drained], 2)]
    assert nodes.orders == [drained, "node-of-hive9: drain worker", "node-of-hive9: removed"]
    assert held == [[{"service": "web"}, {"host": "hive9"}]]
    assert alarms.held == []
