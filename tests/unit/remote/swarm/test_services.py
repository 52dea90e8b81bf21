"""Services of the swarm, as an engine tells of them."""

from typing import Any

import pytest
from docker.errors import APIError, NotFound

from model.errors import ServiceError
from model.swarm.scaled import scale_labels
from model.swarm.spread import with_extra
from remote.swarm import services
from remote.swarm.services import ensure_service, find_service, replace_service, set_labels
from remote.swarm.spec import spec_digest

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
    """A manager that finds a service as Docker does: by its id, its name, or the beginning of its id."""

    def __init__(self) -> None:
        self.api = self
        self.there = {OTHER: {**SPEC, "Name": "other"}}
        self.changed: list[str] = []

    def inspect_service(self, said: str) -> dict[str, Any]:
        """Return one."""
        exact = [n for n, spec in self.there.items() if said in (n, spec["Name"])]
        found = exact or [number for number in self.there if number.startswith(said)]
        if not found:
            raise NotFound(said)
        if len(found) > 1:
            text = f"service {said} is ambiguous ({len(found)} matches found)"
            raise APIError(text, explanation=text)
        return {"ID": found[0], "Version": {"Index": 1}, "Spec": self.there[found[0]]}

    def remove_service(self, number: str) -> None:
        """Remove one."""
        del self.there[number]

    def create_service(self, _template: Any, name: str, labels: Any, *_: Any, **__: Any) -> dict[str, str]:
        """Make one, unless it is to be refused."""
        if "bad" in labels:
            text = "invalid spec"
            raise APIError(text, explanation=text)
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


def test_tasks_that_a_killed_rebalance_has_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """They end, and nothing else changes: it keeps its key, and a number that it was scaled to."""
    engine: Any = Engine()
    scaled = {**SPEC, "Labels": {**SPEC["Labels"], **scale_labels(3, keep=True)}}
    scaled["Mode"] = {"Replicated": {"Replicas": 3}}
    scaled["Labels"]["skep.spec"] = spec_digest(scaled)
    engine.there = {"s1": with_extra(scaled, 2)}
    written: list[Any] = []

    def write(_client: object, found: Any, spec: Any) -> None:
        written.append(spec)
        engine.there[found["ID"]] = spec

    monkeypatch.setattr(services, "write_service", write)
    assert ensure_service(engine, SPEC, lambda _line: None) == ("s1", False)
    assert written == [scaled]


def test_several_ids_that_begin_like_a_name_are_none_of_it() -> None:
    """Docker calls such a name ambiguous; no service is called so."""
    engine: Any = Engine()
    engine.there["s46zzz"] = {**SPEC, "Name": "third"}
    assert find_service(engine, "s46") is None


def test_a_service_whose_new_mode_is_refused_is_there_again() -> None:
    """It has to be removed first: if the engine then does not take the new one, the old one comes back."""
    engine: Any = Engine()
    found = engine.inspect_service("other")
    with pytest.raises(ServiceError, match="invalid spec"):
        replace_service(engine, found, {**found["Spec"], "Mode": {"Global": {}}, "Labels": {"bad": ""}})
    assert [spec["Name"] for spec in engine.there.values()] == ["other"]
    assert engine.there["new"]["Labels"] == SPEC["Labels"]
