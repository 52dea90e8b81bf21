"""Which specification a service is restored to when its change failed."""

import base64
import json
from typing import Any

import pytest

from model.errors import ServiceError
from model.labels import IMAGE_LABEL, NETWORKS_LABEL, REVISION_LABEL, SPEC_LABEL
from remote.swarm.restore import restore_service
from remote.swarm.spec import spec_digest

STAGE = {"skep.site": "example", "skep.stage": "private"}


def spec(image: str, *, seen: bool = False, mode: str = "Replicated", **labels: str) -> dict[str, Any]:
    """Return a specification, with the mark of one that was seen to run if it was."""
    made: dict[str, Any] = {
        "Name": "web",
        "Mode": {mode: {}},
        "TaskTemplate": {"ContainerSpec": {"Image": image}},
        "Labels": {**STAGE, "skep.key": f"key of {image}", **labels},
    }
    if seen:
        made["Labels"]["skep.spec"] = spec_digest(made)
    return made


class Engine:
    """A manager with one service, and its revisions."""

    def __init__(self, now: dict[str, Any], before: dict[str, Any] | None, *kept: dict[str, Any]) -> None:
        self.api = self
        self.service = {"ID": "s", "Version": {"Index": 1}, "Spec": now, "PreviousSpec": before}
        self.kept = kept
        self.networks_of_revisions: dict[str, str] = {}
        self.calls: list[tuple[str, str, dict[str, str]]] = []

    def inspect_service(self, _name: str) -> dict[str, Any]:
        """Return it."""
        return self.service

    def configs(self, *, filters: object) -> list[dict[str, Any]]:
        """List the revisions."""
        assert filters
        return [
            {
                "ID": str(number),
                "CreatedAt": "",
                "Spec": {
                    "Labels": {
                        REVISION_LABEL: str(number),
                        IMAGE_LABEL: "",
                        SPEC_LABEL: "",
                        NETWORKS_LABEL: json.dumps(self.networks_of_revisions),
                    },
                    "Data": base64.b64encode(json.dumps({**kept, "Labels": {}}).encode()).decode(),
                },
            }
            for number, kept in enumerate(self.kept, 1)
        ]

    def networks(self) -> list[dict[str, str]]:
        """List one."""
        return [{"Id": "n1", "Name": "front"}]

    def update_service(
        self, _id: str, _version: int, template: Any, _name: str, labels: Any, *_: Any, **__: Any
    ) -> None:
        """Note it."""
        self.calls.append(("update", template["ContainerSpec"]["Image"], labels))

    def remove_service(self, _id: str) -> None:
        """Note it."""
        self.calls.append(("remove", "", {}))

    def create_service(self, template: Any, _name: str, labels: Any, *_: Any, **__: Any) -> dict[str, str]:
        """Note it."""
        self.calls.append(("create", template["ContainerSpec"]["Image"], labels))
        return {"ID": "new"}


def restore(engine: Any) -> str | None:
    """Restore the service."""
    return restore_service(engine, "web", STAGE, list, lambda _: None)


def test_the_specification_before_is_restored() -> None:
    """A paused update: the specification before is put back whole, its key and revision with it."""
    before = spec("old", seen=True, **{REVISION_LABEL: "3"})
    engine = Engine(spec("new"), before)

    assert restore(engine) == "revision 3"
    assert engine.calls == [("update", "old", before["Labels"])]


def test_a_revision_where_that_never_ran_well() -> None:
    """Two changes that failed one after the other: the newest revision is put back, without the key of either."""
    engine = Engine(spec("worse"), spec("bad"), spec("one"), spec("two"))

    assert restore(engine) == "revision 2"
    assert engine.calls == [("update", "two", {**STAGE, REVISION_LABEL: "2"})]


def test_a_revision_whose_network_is_gone_is_not_tried() -> None:
    """The error says which it is; the service stays as it is."""
    engine = Engine(spec("worse"), spec("bad"), spec("one"))
    engine.networks_of_revisions = {"n7": "back"}

    with pytest.raises(
        ServiceError, match=r"revision 1 joins back, .* put \[networks.back\] back in site.toml"
    ):
        restore(engine)
    assert engine.calls == []


def test_a_rollback_of_the_swarms_own_is_left() -> None:
    """After its own rollback the service is what it was: to change it again would restart it."""
    engine = Engine(spec("old", seen=True), None, spec("old"))

    assert restore(engine) == ""
    assert engine.calls == []


def test_a_mark_of_something_else_does_not_count() -> None:
    """A specification that somebody changed since it was seen to run is not taken for one that did."""
    changed = spec("old", seen=True)
    changed["TaskTemplate"]["ContainerSpec"]["Image"] = "changed"
    engine = Engine(spec("new"), changed)

    assert restore(engine) is None
    assert engine.calls == []


def test_a_first_deployment_has_nothing_to_go_back_to() -> None:
    """The service has neither a former specification nor a revision, and is left as it is."""
    engine = Engine(spec("new"), None)

    assert restore(engine) is None
    assert engine.calls == []


def test_another_mode_is_made_anew() -> None:
    """A service that was removed for its mode comes back with the old one."""
    engine = Engine(spec("new", mode="Global"), None, spec("old"))

    assert restore(engine) == "revision 1"
    assert [call[:2] for call in engine.calls] == [("remove", ""), ("create", "old")]


@pytest.mark.parametrize("mode", ["ReplicatedJob", "GlobalJob"])
def test_a_job_is_left(mode: str) -> None:
    """To put a job back would run the old one again."""
    engine = Engine(spec("new", mode=mode), None, spec("old"))

    assert restore(engine) is None
    assert engine.calls == []
