"""Which task of a service its data is saved from."""

from typing import Any

import pytest

from agent.backup.hive.task_container import container_here
from agent.host.engine_socket import EngineSocket

NODES = {"n9": "hive0.example", "n1": "hive1.example", "n5": "hive2.example", "n0": "another"}
HIVES = ("hive0.example", "hive1.example", "hive2.example")


class Engine(EngineSocket):
    """A manager's engine in a swarm whose nodes have ids that are in no order.

    Args:
        node: The node that it is.
        tasks: Node and slot of each running task; a global service's have none.

    """

    def __init__(self, node: str, *tasks: tuple[str, int | None]) -> None:
        super().__init__()
        self.node, self.tasks = node, tasks

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Answer for the swarm."""
        assert method == "GET"
        if path == "/info":
            return {"Swarm": {"NodeID": self.node}}
        if path == "/nodes":
            return [{"ID": node, "Description": {"Hostname": name}} for node, name in NODES.items()]
        assert path == "/tasks"
        assert options["filters"] == {"service": ["web"], "desired-state": ["running"]}
        return [
            {
                "NodeID": node,
                "Status": {"State": "running", "ContainerStatus": {"ContainerID": f"c-{node}-{slot}"}},
            }
            | ({"Slot": slot} if slot is not None else {})
            for node, slot in self.tasks
        ]


@pytest.mark.parametrize(
    ("tasks", "node", "container"),
    [
        ([("n1", 2), ("n5", 1), ("n9", 3)], "n5", "c-n5-1"),
        ([("n1", None), ("n5", None), ("n9", None)], "n9", "c-n9-None"),
        ([("n1", None), ("n5", None)], "n1", "c-n1-None"),
        ([("n0", None), ("n5", None)], "n5", "c-n5-None"),
        ([("n0", None)], "n0", "c-n0-None"),
    ],
)
def test_one_hive_has_the_lowest(tasks: list[tuple[str, int | None]], node: str, container: str) -> None:
    """The lowest slot; of a global service the first hive of site.toml, not the lowest id; all others have none."""
    found = {each: container_here(Engine(each, *tasks), "web", HIVES) for each in NODES}
    assert found == {**dict.fromkeys(NODES), node: container}


def test_no_task() -> None:
    """Nobody has one then."""
    assert container_here(Engine("n1"), "web", HIVES) is None
