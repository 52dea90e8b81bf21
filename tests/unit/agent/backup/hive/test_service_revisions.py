"""A service's revisions, as a generation has them."""

import base64
import json
from typing import Any

import pytest

from agent.backup.hive import service_revisions
from agent.backup.hive.service_revisions import all_revisions, revisions_of
from agent.errors import AgentError
from agent.host.engine_socket import EngineSocket
from model import labels


class Engine(EngineSocket):
    """A manager's engine with service `web`.

    Args:
        labels: The service's labels; None for no service.
        numbers: The revisions that the swarm keeps of it.

    """

    def __init__(self, labels: dict[str, str] | None, *numbers: int) -> None:
        super().__init__()
        self.labels, self.numbers = labels, numbers

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Answer for the service, and list its configs."""
        assert method == "GET"
        if path == "/services/web":
            assert options["allowed"] == (404,)
            return {"ID": "s1", "Spec": {"Name": "web", "Labels": self.labels}} if self.labels else None
        assert path == "/configs"
        assert options["filters"] == {"label": ["skep.name=web", "skep.generation"]}
        return [self._config(number) for number in self.numbers]

    def _config(self, number: int) -> dict[str, Any]:
        """Return a revision's config, as the API has it."""
        of = {"skep.name": "web", "skep.generation": str(number), "skep.image": f"web:{number}"}
        data = base64.b64encode(json.dumps({"Name": "web", "n": number}).encode()).decode()
        return {"CreatedAt": f"2026-11-{number:02}T01:00:00Z", "Spec": {"Labels": of, "Data": data}}


@pytest.mark.parametrize(
    ("of_service", "expected"),
    [
        ({"skep.generation": "12", "skep.pinned": "12"}, (12, 12)),
        ({"skep.generation": "13"}, (13, None)),
        ({"other": "label"}, (None, None)),
        (None, (None, None)),
    ],
)
def test_what_runs(of_service: dict[str, str] | None, expected: tuple[int | None, int | None]) -> None:
    """The revision that it runs and the pin; none of a service that has none, or that is gone."""
    found = revisions_of(Engine(of_service), "web")
    assert (found["number"], found["pinned"], found["kept"]) == (*expected, [])


def test_all_that_are_kept() -> None:
    """The oldest first by their numbers, with what makes each of them again."""
    found = revisions_of(Engine({"skep.generation": "12"}, 12, 9), "web")["kept"]
    assert [each["number"] for each in found] == [9, 12]
    assert found[0] == {
        "number": 9,
        "made": "2026-11-09T01:00:00Z",
        "labels": {"skep.name": "web", "skep.generation": "9", "skep.image": "web:9"},
        "spec": {"Name": "web", "n": 9},
    }


def test_those_of_all_services() -> None:
    """By service, also of such as have no data; in an order that is the same each night."""

    class All(Engine):
        def ask(self, method: str, path: str, **options: Any) -> Any:
            assert (method, path, options["filters"]) == ("GET", "/configs", {"label": ["skep.generation"]})
            foreign = {"CreatedAt": "2026", "Spec": {"Labels": {"skep.generation": "1"}, "Data": "e30="}}
            found = [self._config(2), self._config(1), self._config(3), foreign]
            found[0]["Spec"]["Labels"]["skep.name"] = "cron"
            return found

    found = all_revisions(All(None))
    assert found is not None
    assert list(found) == ["cron", "web"]
    assert [each["number"] for each in found["web"]] == [1, 3]
    assert found["cron"][0]["spec"] == {"Name": "web", "n": 2}


def test_they_can_not_be_listed() -> None:
    """No revisions cost no generation: what runs is known all the same."""

    class Silent(Engine):
        def ask(self, method: str, path: str, **options: Any) -> Any:
            if path == "/configs":
                msg = "the swarm has no leader"
                raise AgentError(msg)
            return super().ask(method, path, **options)

    assert all_revisions(Silent({})) is None
    assert revisions_of(Silent({"skep.generation": "12"}), "web") == {
        "number": 12,
        "pinned": None,
        "kept": None,
    }


def test_the_labels_are_skeps() -> None:
    """The agent, which imports nothing of skep, calls them as skep does."""
    assert (
        service_revisions.NAME_LABEL,
        service_revisions.REVISION_LABEL,
        service_revisions.PINNED_LABEL,
    ) == (
        labels.NAME_LABEL,
        labels.REVISION_LABEL,
        labels.PINNED_LABEL,
    )
