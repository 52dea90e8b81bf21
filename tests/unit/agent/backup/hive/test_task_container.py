"""Where a service's data is, as a hive's agent sees it in the swarm."""

from typing import Any

import pytest

from agent.backup.hive.task_container import NAME_LABEL, VOLUME_LABEL, has_volume
from agent.host.engine_socket import EngineSocket
from model import labels


class Engine(EngineSocket):
    """The engine of node `n0`, whose volume `data` is there.

    Args:
        volume: The volume's labels; None if it is not there.
        nodes: The nodes' labels.

    """

    def __init__(self, volume: dict[str, str] | None, **nodes: dict[str, str] | None) -> None:
        super().__init__()
        self.volume, self.nodes = volume, nodes

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Tell of the volume and the nodes."""
        del options
        if path == "/volumes/data":
            there = {"Labels": self.volume or None, "Options": None, "Mountpoint": "/volumes/data/_data"}
            return there if self.volume is not None else None
        answers = {
            "/nodes": [{"ID": name, "Spec": {"Labels": found}} for name, found in self.nodes.items()],
            "/info": {"Swarm": {"NodeID": "n0"}},
        }
        assert method == "GET"
        return answers[path]


def test_the_labels_are_skeps() -> None:
    """The agent imports nothing of skep, so that they are written twice."""
    assert (NAME_LABEL, VOLUME_LABEL) == (labels.NAME_LABEL, labels.VOLUME_LABEL)


NAMED = {"skep.name": "data"}
HAS = {"skep.volume.data": "true"}


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (Engine(None, n0=HAS), False),
        (Engine(NAMED, n0=HAS, n1=None), True),
        (Engine(NAMED, n0={}, n1=HAS), False),
        (Engine(NAMED, n0=HAS, n1=HAS), True),
        (Engine(NAMED, n0={}, n1={"skep.volume.other": "true"}), True),
        (Engine({}, n0={}, n1=HAS), True),
    ],
    ids=["no volume", "its hive", "a copy that was left", "both, in a move", "on every hive", "not skep's"],
)
def test_who_has_a_volume(engine: Engine, expected: bool) -> None:  # noqa: FBT001 - the answer
    """A hive that has its files does; not with those that stayed when the volume moved, which are of then."""
    assert has_volume(engine, "data") is expected
