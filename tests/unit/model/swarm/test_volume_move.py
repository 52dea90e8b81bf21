"""The journal of a volume's move, and the specifications of services that stop for it."""

import base64

import pytest

from model.errors import ServiceError
from model.json_types import Json
from model.swarm.volume_move import (
    VolumeMove,
    journal_labels,
    journal_name,
    moves_in,
    refuse_moving,
    started_spec,
    stopped_spec,
    wanted,
)

STAGE = {"skep.site": "example", "skep.stage": "private"}
MOVE = VolumeMove("data", "hive0", "hive1", {"web": {"replicas": 3}}, incarnation="one")


def config(data: bytes, labels: dict[str, str]) -> Json:
    """Return a Docker config as the swarm lists it."""
    return {"Spec": {"Labels": labels, "Data": base64.b64encode(data).decode()}}


def test_a_journal_is_read_as_it_was_written() -> None:
    """From, to and what was wanted come out of the config again; a second config says that the copy is whole."""
    begun = config(MOVE.data, journal_labels(STAGE, "data"))
    copied = config(b"copied", journal_labels(STAGE, "data", copied=True))
    other = config(b"text", {**STAGE, "skep.name": "config.page"})

    assert moves_in([other]) == {}
    assert moves_in([begun, other]) == {"data": MOVE}
    assert moves_in([copied, begun]) == {
        "data": VolumeMove(
            "data", "hive0", "hive1", {"web": {"replicas": 3}}, is_copied=True, incarnation="one"
        )
    }
    # What says that it is whole is nothing by itself.
    assert moves_in([copied]) == {}


def test_journals_have_names_that_docker_takes() -> None:
    """A volume's name may be longer than a config's; the journals of one volume, and two volumes', differ."""
    names = {
        journal_name(volume, copied=copied, backup=backup)
        for volume in ("a" * 100, "b")
        for copied, backup in ((False, False), (True, False), (False, True))
    }

    assert len(names) == 6
    assert max(map(len, names)) <= 64


def test_a_service_that_is_stopped_for_it_is_left_alone() -> None:
    """`doit scale`, `restart`, `rollback` and `run` would have tasks write to the data meanwhile."""
    stopped = {"Spec": {"Labels": {**STAGE, "skep.moving": MOVE.label}}}
    with pytest.raises(ServiceError) as caught:
        refuse_moving("web", stopped)
    assert str(caught.value) == (
        "service web: is stopped while volume data is moved: doit move_volume data to=hive1 goes on with it"
    )
    refuse_moving("web", {"Spec": {"Labels": STAGE}})


def test_it_can_be_given_up_until_the_copy_is_whole() -> None:
    """The message names both ways at first, afterwards only the one forward."""
    assert "doit move_volume data to=hive1" in MOVE.refusal()
    assert "doit move_volume data to=hive0" in MOVE.refusal()
    copied = VolumeMove("data", "hive0", "hive1", {}, is_copied=True).refusal()
    assert "doit move_volume data to=hive1" in copied
    assert "to=hive0" not in copied


@pytest.mark.parametrize(
    "spec",
    [
        {"Mode": {"Replicated": {"Replicas": 3}}, "TaskTemplate": {}},
        {"Mode": {"Replicated": {"Replicas": 0}}, "TaskTemplate": {}},
        {"Mode": {"Global": {}}, "TaskTemplate": {}},
        {"Mode": {"Global": {}}, "TaskTemplate": {"Placement": {"MaxReplicas": 1}}},
        {"Mode": {"Global": {}}, "TaskTemplate": {"Placement": {"Constraints": ["node.labels.a==b"]}}},
    ],
)
def test_a_service_is_as_before_when_it_is_started(spec: Json) -> None:
    """Stopped it wants no task; started, also after being stopped twice, it has the specification that it had."""
    stopped = stopped_spec(spec)
    assert stopped_spec(stopped) == stopped
    if "Replicated" in spec["Mode"]:
        assert stopped["Mode"]["Replicated"]["Replicas"] == 0
    else:
        assert stopped["TaskTemplate"]["Placement"]["Constraints"][-1] == "node.labels.skep.stopped==true"

    started = started_spec(stopped, wanted(spec))
    if spec["TaskTemplate"] == {}:
        # The engine makes no difference between no placement and an empty one.
        assert started["TaskTemplate"].pop("Placement", {}) == {}
    assert started == spec
