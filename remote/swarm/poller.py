"""A swarm's services, tasks and nodes, listed once for all who wait for something there."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from docker import DockerClient
from docker.errors import DockerException

from model.json_types import Json
from model.log import Log

SILENCE = 5
"""Seconds without an answer until those who wait are told whose it is."""


@dataclass(frozen=True)
class SwarmTasks:
    """A snapshot of a swarm's services, tasks and nodes.

    Args:
        services: The services by name, as the engine lists them with `ServiceStatus`.
        tasks: A service's id to its tasks.
        away: The hosts whose nodes the swarm does not see as ready, each with its reason, in words.
        began: When the listing began, by the clock of `time.monotonic`.
        ended: When it ended, by the same clock.

    """

    services: Mapping[str, Json] = field(default_factory=dict)
    tasks: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    away: Sequence[str] = ()
    began: float = -inf
    ended: float = -inf


class SwarmPoller:
    """Lists a swarm's services, tasks and nodes for all who wait for something there. Thread-safe.

    Fifty services that are waited for cost as many calls as one: three listings for each round.

    Args:
        client: A manager's engine.
        host: Its host's name.

    """

    def __init__(self, client: DockerClient, host: str) -> None:
        self.client, self.host = client, host
        self._lock = threading.Lock()
        self._snapshot = SwarmTasks()
        self._failed: tuple[Exception, float] | None = None
        self.cost = 0.0
        """Seconds that the last listing took."""

    def since(self, moment: float, log: Log) -> SwarmTasks:
        """Return a snapshot that was begun at this moment or later, by the clock of `time.monotonic`.

        Args:
            moment: The moment.
            log: Takes a line when the engine has not answered for some seconds; it may still do so.

        Raises:
            APIError: The engine refused.
            OSError: It does not answer.

        """
        came = time.monotonic()
        if self._snapshot.began >= moment:
            return self._snapshot
        silence = threading.Timer(
            SILENCE, log, [f"{self.host}: its Docker Engine has not answered for {SILENCE} s"]
        )
        silence.daemon = True
        silence.start()
        try:
            with self._lock:
                if self._failed is not None and self._failed[1] > came:
                    # Who waited while another one asked in vain does not ask again: that may take minutes each time.
                    raise self._failed[0]
                if self._snapshot.began < moment:
                    self._snapshot = self._ask()
                return self._snapshot
        finally:
            silence.cancel()

    def _ask(self) -> SwarmTasks:
        """Take a snapshot, and keep the error if that fails."""
        try:
            return self._list()
        except (DockerException, OSError) as error:
            self._failed = error, time.monotonic()
            raise

    def _list(self) -> SwarmTasks:
        """Take a snapshot."""
        began = time.monotonic()
        services = {service["Spec"]["Name"]: service for service in self.client.api.services(status=True)}
        tasks: dict[str, list[Json]] = {}
        for task in self.client.api.tasks():
            tasks.setdefault(task.get("ServiceID", ""), []).append(task)
        away = sorted(filter(None, map(_absence, self.client.api.nodes())))
        ended = time.monotonic()
        self.cost = ended - began
        return SwarmTasks(services, tasks, away, began, ended)


def _absence(node: Json) -> str:
    """Return that a node's host does not answer the swarm, in words; empty if it does."""
    status = node["Status"]
    if status["State"] == "ready":
        return ""
    name = (node.get("Description") or {}).get("Hostname") or node["ID"]
    why = status.get("Message")
    return f"{name} does not answer: the swarm sees it as {status['State']}{f' ({why})' if why else ''}"
