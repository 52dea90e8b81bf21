"""The readings of a site, in the forms in which its status is judged. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from model.json_types import Json
from model.labels import SERVICE_LABEL, TASK_ID_LABEL
from model.stage import Stage
from remote.backup.paused_containers import PAUSED
from tasks.operate.site_reading import EngineReading, SiteReading, SwarmReading

RUNNING = "running"
"""The state of a container, and of a task, that runs."""
THERE = {RUNNING, PAUSED}
"""The states of a container that runs, or goes on where it is."""
WANTED = {RUNNING, "complete", "ready", "accepted"}
"""The states that the swarm wishes for a task that is to run, or, of a job, to have run."""


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

    def running(self, service: str) -> list[tuple[str, Json]]:
        """Return each container of a service that runs or is paused, with its host's short name.

        Where the swarm is known, without those that it wants no more.
        """
        return [(short, container) for short, container, is_wanted in self._containers(service) if is_wanted]

    def unwanted(self, service: str) -> list[str]:
        """Return the host of each container that runs although the swarm wants it no more, and can't have it ended.

        That is so on a host which the swarm does not reach, and we do: what ran there was started elsewhere meanwhile.
        """
        down = {
            self.short_names[identity]
            for identity, node in self.swarm.nodes.items()
            if (node.get("Status") or {}).get("State") != "ready"
        }
        return [short for short, _, is_wanted in self._containers(service) if not is_wanted and short in down]

    def _containers(self, service: str) -> Iterator[tuple[str, Json, bool]]:
        """Yield each container of a service that is there, with its host and whether the swarm wants it."""
        found = self.swarm.services.get(service)
        wanted = {
            str(task["ID"])
            for task in (self.swarm.tasks.get(str(found["ID"]), ()) if found else ())
            if task.get("DesiredState") in WANTED
        }
        is_known = not isinstance(self.reading.swarm, str)
        for short, engine in self.reading.engines.items():
            if not isinstance(engine, EngineReading):
                continue
            for container in engine.containers:
                labels = container.get("Labels") or {}
                if container.get("State") in THERE and labels.get(SERVICE_LABEL) == service:
                    yield short, container, not is_known or labels.get(TASK_ID_LABEL) in wanted

    def is_saved(self, short: str, container: Json) -> bool:
        """Return whether a backup has paused a container, to save its files."""
        engine = self.reading.engines.get(short)
        return (
            isinstance(engine, EngineReading)
            and container.get("State") == PAUSED
            and container["Id"] in engine.saved
        )

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
