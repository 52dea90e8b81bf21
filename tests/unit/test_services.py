"""Services of the swarm, as an engine tells of them."""

from typing import Any

import pytest
from docker.errors import NotFound

from model.errors import ServiceError
from remote.services import ensure_service, find_service, set_labels

OTHER = "s46xk2v9rwq0"
"""The id of a service called `other`: it begins like the name of another one."""
SPEC: dict[str, Any] = {
    "Name": "s46",
    "Labels": {"skep.site": "example", "skep.key": "k"},
    "TaskTemplate": {"ContainerSpec": {"Image": "i"}},
    "Mode": {"Replicated": {"Replicas": 1}},
    "UpdateConfig": {},
    "RollbackConfig": {},
    "EndpointSpec": {},
}


class Engine:
    """A manager that finds a service as Docker does: by its id, its name, or what its id begins with."""

    def __init__(self) -> None:
        self.api = self
        self.there = {OTHER: {**SPEC, "Name": "other"}}
        self.changed: list[str] = []

    def inspect_service(self, said: str) -> dict[str, Any]:
        """Return one."""
        for matches in (str.__eq__, str.startswith):
            for number, spec in self.there.items():
                if matches(number, said) or spec["Name"] == said:
                    return {"ID": number, "Version": {"Index": 1}, "Spec": spec}
        raise NotFound(said)

    def create_service(self, _template: Any, name: str, labels: Any, *_: Any, **__: Any) -> dict[str, str]:
        """Make one."""
        self.there["new"] = {**SPEC, "Name": name, "Labels": labels}
        return {"ID": "new"}

    def update_service(self, number: str, *_: Any, **__: Any) -> None:
        """Note it."""
        self.changed.append(number)


def test_an_id_that_begins_like_a_name_is_another_service() -> None:
    """A service that is not there is made, whatever the ids of others begin with; none of those is touched."""
    engine: Any = Engine()
    assert find_service(engine, "s46") is None
    with pytest.raises(ServiceError, match="service s46: was removed by somebody else"):
        set_labels(engine, "s46", {"a": "b"})
    assert ensure_service(engine, SPEC, lambda _line: None) == ("new", True)
    assert engine.changed == []
    assert find_service(engine, "s46") == {"ID": "new", "Version": {"Index": 1}, "Spec": engine.there["new"]}
