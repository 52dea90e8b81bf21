"""Named volumes: those that are as they are defined, and those that are not."""

from typing import Any

import pytest
from docker.errors import NotFound

from model.errors import ServiceError
from model.labels import INCARNATION_LABEL
from model.site import Volume
from remote.swarm.volumes import VolumeInspector, ensure_volume

SKEPS = {"skep.site": "example", "skep.stage": "private", "skep.name": "data", "skep.definition": "key"}


class Engine:
    """An engine with at most one volume."""

    def __init__(self, **own: str) -> None:
        self.api = self
        self.labels: dict[str, str] | None = {**SKEPS, **own, INCARNATION_LABEL: "first"} if own else None

    def inspect_volume(self, _name: str) -> dict[str, Any]:
        """Return the volume."""
        if self.labels is None:
            raise NotFound("no such volume")
        return {"Labels": self.labels}

    def remove_volume(self, _name: str) -> None:
        """Remove it."""
        self.labels = None

    def create_volume(
        self, _name: str, _driver: str, _options: object, labels: dict[str, str]
    ) -> dict[str, Any]:
        """Make it."""
        self.labels = labels
        return {"Labels": labels}

    def containers(self, **_filters: object) -> list[dict[str, Any]]:
        """Return that nobody uses it."""
        return []


def ensure(engine: Any, *, data: bool = True, **own: str) -> str:
    """Have the volume with these labels of its own."""
    look = VolumeInspector(has_data=lambda: data, elsewhere=lambda: "")
    volume = Volume(labels=own)
    return ensure_volume("hive0", engine, "data", volume, {**own, **SKEPS}, lambda _line: None, look)


def test_labels_are_a_part_of_the_definition() -> None:
    """Docker can't change them in place: a volume with data is left alone, with a word; an empty one is replaced."""
    engine = Engine(team="a")

    assert ensure(engine, team="a") == "first"
    with pytest.raises(ServiceError, match=r"^hive0: the definition of volume data changed, and it has data"):
        ensure(engine, team="b")
    assert engine.labels is not None
    assert engine.labels["team"] == "a"

    assert ensure(engine, data=False, team="b") != "first"
    assert engine.labels["team"] == "b"


def test_a_volume_without_labels_stays() -> None:
    """A volume from before labels counted is as it is defined, whatever skep's own labels say."""
    engine = Engine(**{"skep.key": "of another version"})

    assert ensure(engine) == "first"
