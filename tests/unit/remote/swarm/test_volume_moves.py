"""What a move does in the swarm: its journal, services that stop and start, labels of nodes."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from model.errors import ServiceError
from model.stage import Host
from model.swarm.volume_move import VolumeMove, journal_name, moves_in
from remote.swarm import volume_moves
from tests.doubles.managers import quiet

STAGE = {"skep.site": "example", "skep.stage": "private"}
MOVE = VolumeMove("data", "hive0", "hive1", {"web": {"replicas": 3}})
HIVES = [
    Host(f"hive{n}", f"p-hive{n}.example", f"10.0.0.1{n}", is_hive=True, is_repository=False)
    for n in range(2)
]
LABEL = "skep.volume.data"


class Swarm:
    """A manager's engine with a service, two nodes, and configs; the first change of each thing comes too late."""

    def __init__(self) -> None:
        self.api = self
        self.service = {
            "ID": "s1",
            "Version": {"Index": 1},
            "Spec": {
                "Name": "web",
                "Labels": {**STAGE, "skep.spec": "digest"},
                "Mode": {"Replicated": {"Replicas": 3}},
                "TaskTemplate": {"ContainerSpec": {"Image": "web"}},
            },
        }
        self.hives = [
            {
                "ID": host.short,
                "Version": {"Index": 1},
                "Description": {"Hostname": host.name},
                "Spec": {
                    "Role": "manager",
                    "Labels": {"theirs": "1", **({LABEL: "true"} if number == 0 else {})},
                },
            }
            for number, host in enumerate(HIVES)
        ]
        self.made: dict[str, Any] = {}
        self._late = True

    def _changes(self) -> None:
        """Refuse the first change, as one that was made from what had changed since."""
        if self._late:
            self._late = False
            raise APIError("update out of sequence")

    def inspect_service(self, name: str) -> Any:
        """Return the service."""
        if name != "web":
            raise NotFound(name)
        return copy.deepcopy(self.service)

    def update_service(self, *words: Any, **more: Any) -> None:
        """Write the service."""
        self._changes()
        _, _, template, name, labels, mode, _ = words
        assert more == {"endpoint_spec": None, "rollback_config": None}
        self.service["Spec"] = {"Name": name, "Labels": labels, "Mode": mode, "TaskTemplate": template}

    def nodes(self) -> Any:
        """Return the nodes."""
        return copy.deepcopy(self.hives)

    def update_node(self, identity: str, _version: int, spec: Any) -> None:
        """Write a node."""
        self._changes()
        next(node for node in self.hives if node["ID"] == identity)["Spec"] = spec

    def create_config(self, name: str, data: bytes, labels: dict[str, str]) -> None:
        """Make a config, which has to be new."""
        import base64

        assert name not in self.made
        self.made[name] = {"Spec": {"Labels": labels, "Data": base64.b64encode(data).decode()}}

    def remove_config(self, name: str) -> None:
        """Remove a config."""
        if name not in self.made:
            raise NotFound(name)
        del self.made[name]


def test_a_journal_is_there_from_the_beginning_to_the_end() -> None:
    """Begun, copied, gone; what an older move left is no word on this one; to end it twice is no error."""
    swarm: Any = Swarm()
    volume_moves.note_copied(swarm, STAGE, "data")
    volume_moves.begin_move(swarm, STAGE, MOVE)
    assert moves_in(swarm.made.values()) == {"data": MOVE}
    volume_moves.note_copied(swarm, STAGE, "data")
    assert moves_in(swarm.made.values())["data"].is_copied
    volume_moves.forget_copied(swarm, "data")
    assert not moves_in(swarm.made.values())["data"].is_copied
    volume_moves.note_copied(swarm, STAGE, "data")

    volume_moves.end_move(swarm, "data")
    volume_moves.end_move(swarm, "data")
    assert swarm.made == {}


def test_a_backup_is_in_the_journal() -> None:
    """From the beginning, or in place of a copy that can't go on; it goes with the journal: no word on another."""
    swarm: Any = Swarm()
    brought = replace(MOVE, backups={"web": "aa000001"})
    volume_moves.begin_move(swarm, STAGE, brought)
    assert moves_in(swarm.made.values()) == {"data": brought}
    volume_moves.end_move(swarm, "data")
    assert swarm.made == {}

    volume_moves.begin_move(swarm, STAGE, MOVE)
    volume_moves.turn_to_backup(swarm, STAGE, brought)
    assert moves_in(swarm.made.values()) == {"data": brought}
    swarm.remove_config(journal_name("data"))
    volume_moves.begin_move(swarm, STAGE, MOVE)
    assert moves_in(swarm.made.values()) == {"data": MOVE}


def test_a_service_stops_and_starts_as_it_was() -> None:
    """Its digest stays, so that no run takes it for changed; markers are added; started twice it is left alone."""
    swarm: Any = Swarm()
    before = copy.deepcopy(swarm.service["Spec"])
    volume_moves.stop_service(swarm, "web", MOVE)
    stopped = swarm.service["Spec"]
    assert stopped["Mode"] == {"Replicated": {"Replicas": 0}}
    assert stopped["Labels"] == {**before["Labels"], "skep.moving": "data hive1"}
    # A backup held it, and was lost with its hive: a label that stayed would have a later scale=0 taken for its work.
    stopped["Labels"]["skep.stopped-for-backup"] = "3"
    assert volume_moves.are_stopped(swarm, MOVE)

    volume_moves.start_service(swarm, "web", {"replicas": 3}, {"skep.initialized.first": "key"})
    started = {**before, "Labels": {**before["Labels"], "skep.initialized.first": "key"}}
    assert swarm.service["Spec"] == started
    assert not volume_moves.are_stopped(swarm, MOVE)
    volume_moves.start_service(swarm, "web", {"replicas": 1}, {})
    assert swarm.service["Spec"] == started
    volume_moves.start_service(swarm, "gone", {"replicas": 1}, {})


def test_the_label_of_the_volume_goes_from_node_to_node() -> None:
    """Nothing else of a node changes; a hive without a node is an error only where it is to have the label."""
    swarm: Any = Swarm()
    volume_moves.set_node_label(swarm, HIVES[1], LABEL, quiet, held=True)
    volume_moves.set_node_label(swarm, HIVES[0], LABEL, quiet, held=False)
    assert [node["Spec"] for node in swarm.hives] == [
        {"Role": "manager", "Labels": {"theirs": "1"}},
        {"Role": "manager", "Labels": {"theirs": "1", LABEL: "true"}},
    ]

    swarm.hives.pop(0)
    volume_moves.set_node_label(swarm, HIVES[0], LABEL, quiet, held=False)
    with pytest.raises(ServiceError, match="hive0: is not in the swarm"):
        volume_moves.set_node_label(swarm, HIVES[0], LABEL, quiet, held=True)


def test_the_node_of_a_new_host_gets_its_labels() -> None:
    """Those that it lacks; the others stay, and other nodes too. A second time nothing is changed."""
    swarm: Any = Swarm()
    said: list[str] = []
    for _ in range(2):
        volume_moves.add_node_labels(swarm, HIVES[1], {**STAGE, "skep.name": "hive1"}, said.append)
    assert [node["Spec"]["Labels"] for node in swarm.hives] == [
        {"theirs": "1", LABEL: "true"},
        {"theirs": "1", **STAGE, "skep.name": "hive1"},
    ]
    assert said == ["hive1: its node has its labels"]
