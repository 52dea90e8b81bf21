"""A swarm's manager for turns of hosts: its nodes, the number of its services' tasks, and the orders that it gets.

Held against a real swarm by `tests/integration/life/test_rolling.py`, which takes hosts down by the same code.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from model.errors import HostError
from model.stage import Host
from tasks.run.context import Run


class Nodes:
    """A manager's engine that lists nodes and takes orders."""

    def __init__(self, run: Run, down: tuple[str, ...] = (), former: tuple[Host, ...] = ()) -> None:
        self.api = self
        self.orders: list[str] = []
        self.running: dict[str, int] = {}
        self.frozen: set[str] = set()
        self._nodes = {
            host.short: {
                "ID": f"node-of-{host.short}",
                "Version": {"Index": 1},
                "Spec": {"Role": "manager"},
                "Description": {"Hostname": host.name},
                "Status": {"State": "down" if host.short in down else "ready"},
                "ManagerStatus": {"Reachability": "unreachable" if host.short in down else "reachable"},
            }
            for host in (*run.stage.hives, *former)
        }

    def nodes(self) -> list[dict[str, Any]]:
        """List them."""
        return list(self._nodes.values())

    def services(self, **_options: Any) -> list[dict[str, Any]]:
        """List the services, with their status as `running` has it."""
        return [
            {
                "ID": f"id-of-{name}",
                "Spec": {"Name": name, "Mode": {"Replicated": {}}},
                "ServiceStatus": {"RunningTasks": count, "DesiredTasks": 2},
            }
            for name, count in self.running.items()
        ]

    def containers(self, **_options: Any) -> list[dict[str, Any]]:
        """Return that no container runs."""
        return []

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


def manage(run: Run, nodes: Any) -> None:
    """Have the stage's hives be managers of a swarm."""

    def manager(except_: Host | None = None, patience: float | None = None) -> tuple[Host, Any]:
        del patience
        return next((host, nodes) for host in run.stage.hives if host != except_)

    run.connections.manager = manager  # type: ignore[method-assign]
    run.connections.engine = lambda host: nodes  # type: ignore[method-assign] # noqa: ARG005

    def reader(host: Host) -> Any:
        if host.short in nodes.frozen:
            raise HostError(f"{host.short}: no answer")
        return SimpleNamespace(containers=lambda **_: [], close=lambda: None)

    run.connections.reader = reader  # type: ignore[method-assign]


def quiet(_line: str) -> None:
    """Log nothing."""
