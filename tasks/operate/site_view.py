"""The readings of a site, in the forms in which its status is judged. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from model.json_types import Json
from model.labels import SERVICE_LABEL
from model.stage import Stage
from tasks.operate.site_reading import EngineReading, SiteReading, SwarmReading

RUNNING = "running"
"""The state of a container, and of a task, that runs."""


@dataclass(frozen=True)
class SiteView:
    """The readings, in the forms that are asked for below.

    Args:
        stage: The stage.
        reading: The readings.
        short_names: Node's id to its host's short name.

    """

    stage: Stage
    reading: SiteReading
    short_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def swarm(self) -> SwarmReading:
        """The swarm; without any content where nothing is known of it."""
        return SwarmReading() if isinstance(self.reading.swarm, str) else self.reading.swarm

    def running(self, service: str) -> Iterator[tuple[str, Json]]:
        """Yield each container of a service that runs, with its host's short name."""
        for short, engine in self.reading.engines.items():
            if isinstance(engine, EngineReading):
                for container in engine.containers:
                    labels = container.get("Labels") or {}
                    if container.get("State") == RUNNING and labels.get(SERVICE_LABEL) == service:
                        yield short, container

    def is_silent(self, short: str) -> bool:
        """Return whether a host's engine gave no answer."""
        return not isinstance(self.reading.engines.get(short), EngineReading)


def short_names(stage: Stage, swarm: SwarmReading) -> dict[str, str]:
    """Return each node's id with its host's short name; of another's host its id."""
    names = {host.name: host.short for host in stage.hosts}
    return {
        identity: names.get((node.get("Description") or {}).get("Hostname", ""), identity[:12])
        for identity, node in swarm.nodes.items()
    }
