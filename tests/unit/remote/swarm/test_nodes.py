"""Nodes of the swarm, and the hosts that they belong to."""

from typing import Any

import pytest

from model.stage import Host
from remote.swarm import nodes as swarm_nodes


def test_a_host_belongs_to_its_node() -> None:
    """A node is a host's by its name, or by its address where it never told its name."""
    host = Host("hive0", "p-hive0.example", "10.0.0.10", is_hive=True, is_repository=False)

    assert swarm_nodes.is_of({"Description": {"Hostname": "p-hive0.example"}}, host)
    assert swarm_nodes.is_of({"ManagerStatus": {"Addr": "10.0.0.10:2377"}}, host)
    assert not swarm_nodes.is_of({"Description": {"Hostname": "p-hive1.example"}}, host)


class OneNode:
    """A manager of a swarm whose one other node runs a task until it is drained."""

    def __init__(self, availability: str) -> None:
        self.api = self
        self.asked_for_tasks = 0
        self.node: dict[str, Any] = {
            "ID": "n1",
            "Version": {"Index": 1},
            "Spec": {"Role": "manager", "Availability": availability},
            "Description": {"Hostname": "p-hive0.example"},
            "Status": {"State": "ready"},
        }

    def nodes(self) -> list[dict[str, Any]]:
        """List it."""
        return [self.node]

    def inspect_node(self, _node: str) -> dict[str, Any]:
        """Return it."""
        return self.node

    def update_node(self, _node: str, _version: int, spec: dict[str, Any]) -> None:
        """Keep the order."""
        self.node["Spec"] = spec

    def tasks(self, **_filters: Any) -> list[dict[str, Any]]:
        """List what runs there."""
        self.asked_for_tasks += 1
        ended = self.node["Spec"]["Availability"] == "drain"
        return [] if ended else [{"ID": "t1", "Status": {"State": "running"}}]


@pytest.mark.parametrize(
    ("before", "after", "is_waited_for"),
    [("active", "drain", True), ("drain", "drain", True), ("pause", "pause", False)],
)
def test_tasks_are_waited_for_on_a_drained_node_alone(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str, *, is_waited_for: bool
) -> None:
    """On a node that somebody paused they go on: to wait for their end would be in vain."""
    monkeypatch.setattr(swarm_nodes, "DRAIN_TIMEOUT", 0)
    host = Host("hive0", "p-hive0.example", "10.0.0.10", is_hive=True, is_repository=False)
    client: Any = OneNode(before)

    swarm_nodes.set_aside("hive1", client, host, lambda _line: None)

    assert client.node["Spec"]["Availability"] == after
    assert (client.asked_for_tasks > 0) is is_waited_for


def test_labels_of_site_toml_go_when_they_are_no_longer_there() -> None:
    """Those that a person set stay, and so do skep's own that `keep` names."""
    manager: Any = OneNode("active")
    manager.node["Spec"]["Labels"] = {"by": "hand"}

    def labelled(labels: dict[str, str]) -> dict[str, str]:
        swarm_nodes.ensure_node_labels("hive0", manager, "n1", labels, lambda _line: None)
        return dict(manager.node["Spec"]["Labels"])

    given = {"skep.name": "hive0", "disk": "ssd", "zone": "a", "skep.node-labels": "disk,zone"}
    assert labelled(given) == {"by": "hand", **given}
    fewer = {"skep.name": "hive0", "zone": "b", "skep.node-labels": "zone"}
    assert labelled(fewer) == {"by": "hand", **fewer}
    swarm_nodes.ensure_node_labels("hive0", manager, "n1", {}, lambda _line: None, swarm_nodes.is_not_aside)
    assert manager.node["Spec"]["Labels"] == {"by": "hand", **fewer}
    assert labelled({"skep.name": "hive0"}) == {"by": "hand", "skep.name": "hive0"}
