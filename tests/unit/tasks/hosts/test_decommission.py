"""Hosts that left the stage."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.keys.record import SwarmRecord
from model.labels import CORDONED_LABEL
from remote.swarm.nodes import ensure_node_labels
from tasks.hosts.decommission import cordon
from tasks.names import swarm_task
from tests import made as rig


class Manager:
    """A manager that knows some nodes."""

    def __init__(self, *nodes: str) -> None:
        self.api = self
        self.specs: dict[str, dict[str, Any]] = {
            node: {"Availability": "active", "Role": "manager", "Labels": {"own": "x"}} for node in nodes
        }

    def nodes(self) -> list[dict[str, Any]]:
        """List them."""
        return [self.inspect_node(node) for node in self.specs]

    def inspect_node(self, node: str) -> dict[str, Any]:
        """Return one."""
        return {"ID": node, "Version": {"Index": 1}, "Spec": self.specs[node]}

    def update_node(self, node: str, _version: int, spec: dict[str, Any]) -> None:
        """Change one."""
        self.specs[node] = spec


def test_nothing_is_put_on_a_host_that_left_until_it_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its node is drained, once, and no other; back in the stage it takes tasks again. What others drained stays so."""
    made = rig.new(tmp_path)
    made.make()
    run = made.run()
    [*_, last] = run.stage.hives
    node = run.state.record(swarm_task(last.short), SwarmRecord).node
    run.state.write("setup_hosts:hive9.swarm", SwarmRecord(cluster="c", node="left"))
    manager: Any = Manager(node, "left", "foreign")
    monkeypatch.setattr(run.connections, "manager", lambda: (SimpleNamespace(short="hive0"), manager))
    said: list[str] = []

    cordon(run.stage, run.state, run.connections, said.append)
    cordon(run.stage, run.state, run.connections, said.append)

    assert len(said) == 1
    assert said[0].startswith("hive9 is no longer a hive")
    availability = {name: spec["Availability"] for name, spec in manager.specs.items()}
    assert availability == {node: "active", "left": "drain", "foreign": "active"}
    assert manager.specs["left"]["Labels"] == {"own": "x", CORDONED_LABEL: "true"}

    manager.specs["foreign"]["Availability"] = "drain"
    for name in ("left", "foreign"):
        ensure_node_labels("hive0", manager, name, {"skep.name": name}, said.append)

    assert manager.specs["left"]["Availability"] == "active"
    assert manager.specs["left"]["Labels"] == {"own": "x", "skep.name": "left"}
    assert manager.specs["foreign"]["Availability"] == "drain"
