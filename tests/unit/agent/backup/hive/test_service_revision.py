"""The revision that a service runs, as a generation has it."""

from typing import Any

import pytest

from agent.backup.hive import service_revision
from agent.backup.hive.service_revision import revision_of
from agent.host.engine_socket import EngineSocket
from model import labels


class Engine(EngineSocket):
    """A manager's engine with service `web`; asked for anything else, as the swarm's configs, it fails.

    Args:
        labels: The service's labels; None for no service.

    """

    def __init__(self, labels: dict[str, str] | None) -> None:
        super().__init__()
        self.labels = labels

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Answer for the service."""
        assert (method, path, options["allowed"]) == ("GET", "/services/web", (404,))
        return {"ID": "s1", "Spec": {"Name": "web", "Labels": self.labels}} if self.labels else None


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
    """The revision that it runs and the pin, of the service alone; none of a service that has none, or is gone."""
    found = revision_of(Engine(of_service), "web")
    assert (found["number"], found["pinned"]) == expected


def test_the_labels_are_skeps() -> None:
    """The agent, which imports nothing of skep, calls them as skep does."""
    assert (service_revision.REVISION_LABEL, service_revision.PINNED_LABEL) == (
        labels.REVISION_LABEL,
        labels.PINNED_LABEL,
    )
