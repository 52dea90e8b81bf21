"""A swarm's services and tasks, listed once for all who wait for something there."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from docker import DockerClient

from model.json_types import Json


@dataclass(frozen=True)
class SwarmTasks:
    """A snapshot of a swarm's services and tasks.

    Args:
        services: The services by name, as the engine lists them with `ServiceStatus`.
        tasks: A service's id to its tasks.
        began: When the listing began, by the clock of `time.monotonic`.
        ended: When it ended, by the same clock.

    """

    services: Mapping[str, Json] = field(default_factory=dict)
    tasks: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    began: float = -inf
    ended: float = -inf


class SwarmPoller:
    """Lists a swarm's services and tasks for all who wait for something there. Thread-safe.

    Fifty services that are waited for cost as many calls as one: two listings for each round.

    Args:
        client: A manager's engine.

    """

    def __init__(self, client: DockerClient) -> None:
        self.client = client
        self._lock = threading.Lock()
        self._snapshot = SwarmTasks()
        self.cost = 0.0
        """Seconds that the last listing took."""

    def since(self, moment: float) -> SwarmTasks:
        """Return a snapshot that was begun at this moment or later, by the clock of `time.monotonic`.

        Raises:
            APIError: The engine refused.
            OSError: It does not answer.

        """
        with self._lock:
            if self._snapshot.began < moment:
                self._snapshot = self._list()
            return self._snapshot

    def _list(self) -> SwarmTasks:
        """Take a snapshot."""
        began = time.monotonic()
        services = {service["Spec"]["Name"]: service for service in self.client.api.services(status=True)}
        tasks: dict[str, list[Json]] = {}
        for task in self.client.api.tasks():
            tasks.setdefault(task.get("ServiceID", ""), []).append(task)
        ended = time.monotonic()
        self.cost = ended - began
        return SwarmTasks(services, tasks, began, ended)
