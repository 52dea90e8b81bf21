"""Nodes of the swarm, and the hosts that they belong to."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import APIError, NotFound

from model.errors import HostError
from model.stage import Host
from model.swarm.host_node import is_of
from remote.swarm import nodes as swarm_nodes
from tests.doubles.managers import quiet


def test_a_host_belongs_to_its_node() -> None:
    """A node is a host's by its name, or by its address where it never told its name."""
    host = Host("hive0", "p-hive0.example", "10.0.0.10", is_hive=True, is_repository=False)

    assert is_of({"Description": {"Hostname": "p-hive0.example"}}, host)
    assert is_of({"ManagerStatus": {"Addr": "10.0.0.10:2377"}}, host)
    assert not is_of({"Description": {"Hostname": "p-hive1.example"}}, host)


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


class Moving(OneNode):
    """A manager whose swarm changes the node between the first reading and the first writing."""

    refused = 0

    def update_node(self, node: str, version: int, spec: dict[str, Any]) -> None:
        """Refuse once, as the engine does."""
        if not self.refused:
            self.refused += 1
            response = requests.Response()
            response.status_code = 500
            raise APIError("", response, "rpc error: code = Unknown desc = update out of sequence")
        super().update_node(node, version, spec)

    def remove_node(self, _node: str, *, force: bool) -> None:
        """Remove it."""
        self.node["removed"] = force


def test_a_node_that_the_swarm_changes_meanwhile_is_changed_again() -> None:
    """`update out of sequence` is an answer to a stale version: the node is read anew, for every kind of change."""
    host = Host("hive0", "p-hive0.example", "10.0.0.10", is_hive=True, is_repository=False)

    def set_aside(client: Any) -> None:
        swarm_nodes.set_aside("hive1", client, host, quiet)

    def remove(client: Any) -> None:
        swarm_nodes.remove_node("hive1", client, host, quiet)

    def label(client: Any) -> None:
        swarm_nodes.ensure_node_labels("hive1", client, "n1", {"skep.name": "hive0"}, quiet)

    for change in (set_aside, remove, label):
        client: Any = Moving("active")
        change(client)
        assert client.refused == 1


def test_a_manager_without_a_vote_is_removed() -> None:
    """After `docker swarm init --force-new-cluster` the swarm lists managers that its raft does not know any more."""
    host = Host("hive0", "p-hive0.example", "10.0.0.10", is_hive=True, is_repository=False)

    class Voteless(Moving):
        refused = 1

        def update_node(self, node: str, version: int, spec: dict[str, Any]) -> None:
            """Refuse to take the vote that it does not have."""
            if spec.get("Role") == "worker":
                response = requests.Response()
                response.status_code = 404
                said = "rpc error: code = NotFound desc = can't find manager in raft memberlist"
                raise APIError("", response, said)
            super().update_node(node, version, spec)

    client: Any = Voteless("active")
    swarm_nodes.remove_node("hive1", client, host, quiet)

    assert client.node["removed"]


def test_a_join_that_never_ended_has_no_vote_and_is_cleared_away() -> None:
    """Such nodes are listed as managers, without a name: they neither count for the majority nor stay.

    One that was made just now may be of another hive that joins, whose run was killed.
    """
    hosts = [
        Host(f"hive{n}", f"p-hive{n}.x", f"10.0.0.{n}", is_hive=True, is_repository=False) for n in range(3)
    ]
    gone: list[str] = []
    named = [
        {
            "ID": host.short,
            "Version": {"Index": 1},
            "Spec": {"Role": "manager"},
            "Description": {"Hostname": host.name},
            "Status": {"State": "ready"},
            "ManagerStatus": {"Reachability": "reachable"},
        }
        for host in hosts
    ]
    ghosts = [
        {
            "ID": f"ghost{n}",
            "CreatedAt": f"{made:%Y-%m-%dT%H:%M:%S}.123456789Z",
            "Version": {"Index": 1},
            "Spec": {"Role": "manager"},
            "Status": {"State": "unknown"},
        }
        for n, made in enumerate([*[datetime.now(UTC) - timedelta(hours=1)] * 5, datetime.now(UTC)])
    ]
    api = SimpleNamespace(
        nodes=lambda: [*named, *ghosts],
        inspect_node=lambda node: next(one for one in ghosts if one["ID"] == node),
        update_node=lambda *_: None,
        remove_node=lambda node, **_: gone.append(node),
    )
    client: Any = SimpleNamespace(api=api)

    swarm_nodes.check_expendable("hive1", client, hosts[0], ())
    new = Host("hive3", "p-hive3.x", "10.0.0.3", is_hive=True, is_repository=False)
    swarm_nodes.remove_ghosts(new, client, quiet)

    assert gone == [f"ghost{n}" for n in range(5)]


@pytest.mark.parametrize(
    ("managers", "down", "leaves", "stays"),
    [(3, 0, True, True), (3, 1, False, False), (4, 1, True, False), (5, 1, True, True), (2, 0, True, True)],
)
def test_a_manager_that_comes_back_counts_meanwhile(
    managers: int, down: int, *, leaves: bool, stays: bool
) -> None:
    """One that is restarted keeps its vote: of four managers, one of which is down, none may be missed for that.

    One that leaves takes its vote along. Two managers are no majority without each other: that keeps nobody.
    """
    hosts = [
        Host(f"hive{n}", f"p-hive{n}.x", f"10.0.0.{n}", is_hive=True, is_repository=False)
        for n in range(managers)
    ]
    nodes = [
        {
            "ID": host.short,
            "Spec": {"Role": "manager"},
            "Description": {"Hostname": host.name},
            "Status": {"State": "down" if place >= managers - down else "ready"},
            "ManagerStatus": {"Reachability": "unreachable" if place >= managers - down else "reachable"},
        }
        for place, host in enumerate(hosts)
    ]
    client: Any = SimpleNamespace(api=SimpleNamespace(nodes=lambda: nodes))

    def may(*, comes_back: bool) -> bool:
        try:
            swarm_nodes.check_expendable("hive1", client, hosts[0], (), stays=comes_back)
        except HostError:
            return False
        return True

    assert (may(comes_back=False), may(comes_back=True)) == (leaves, stays)


def test_a_host_without_an_address_is_no_node() -> None:
    """Of a former host nothing but its short name may be known: nodes that have not told their address are others."""
    unknown = Host("hive9", "hive9", "", is_hive=False, is_repository=False)

    assert not is_of({"Description": {"Hostname": "p-hive0.example"}}, unknown)


def test_a_node_that_somebody_else_removed_is_gone() -> None:
    """A second checkout, or a killed run's last call, may have been first: nothing is waited for."""
    host = Host("hive0", "p-hive0.example", "10.0.0.10", is_hive=True, is_repository=False)

    class Gone(OneNode):
        """A manager that lists a node, and removes it before it is changed."""

        def inspect_node(self, _node: str) -> dict[str, Any]:
            """Find none, once it is drained."""
            if self.node["Spec"]["Availability"] == "drain":
                raise NotFound("node n1 not found")
            return self.node

        def tasks(self, **_filters: Any) -> list[dict[str, Any]]:
            """List none."""
            return []

    client: Any = Gone("active")
    swarm_nodes.remove_node("hive1", client, host, quiet)
