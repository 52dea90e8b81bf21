"""Nodes of the swarm, and the hosts that they belong to."""

from model.stage import Host
from remote.swarm import nodes as swarm_nodes


def test_a_host_belongs_to_its_node() -> None:
    """A node is a host's by its name, or by its address where it never told its name."""
    host = Host("hive0", "p-hive0.example", "10.0.0.10", is_hive=True, is_repository=False)

    assert swarm_nodes.is_of({"Description": {"Hostname": "p-hive0.example"}}, host)
    assert swarm_nodes.is_of({"ManagerStatus": {"Addr": "10.0.0.10:2377"}}, host)
    assert not swarm_nodes.is_of({"Description": {"Hostname": "p-hive1.example"}}, host)
