"""What a swarm's services and tasks are like, asked for by many at a time and listed once for all of them."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from docker import DockerClient

from model.json_types import Json


@dataclass(frozen=True)
class SwarmTasks:
    """One look.

    Args:
        services: Service to what the swarm says of it, with `ServiceStatus`.
        tasks: A service's id to its tasks.
        began: When it was begun, by the clock of `time.monotonic`.
        ended: When it was ended.

    """

    services: Mapping[str, Json] = field(default_factory=dict)
    tasks: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    began: float = -inf
    ended: float = -inf


class SwarmPoller:
    """Looks at a swarm for all who wait for something there. Thread-safe.

    Fifty services that are waited for cost as many calls as one: two listings for each round.

    Args:
        client: A manager's engine.

    """

    def __init__(self, client: DockerClient) -> None:
        self.client = client
        self._lock = threading.Lock()
        self._seen = SwarmTasks()
        self.cost = 0.0
        """Seconds that the last look took."""

    def since(self, moment: float) -> SwarmTasks:
        """Return a look that was begun at this moment or later, by the clock of `time.monotonic`.

        Raises:
            APIError: The engine refused.
            OSError: It does not answer.

        """
        with self._lock:
            if self._seen.began < moment:
                self._seen = self._look()
            return self._seen

    def _look(self) -> SwarmTasks:
        """Take a look."""
        began = time.monotonic()
        services = {service["Spec"]["Name"]: service for service in self.client.api.services(status=True)}
        tasks: dict[str, list[Json]] = {}
        for task in self.client.api.tasks():
            tasks.setdefault(task.get("ServiceID", ""), []).append(task)
        ended = time.monotonic()
        self.cost = ended - began
        return SwarmTasks(services, tasks, began, ended)
