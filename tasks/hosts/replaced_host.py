"""A host that a person wants anew: out of the swarm, removed with its disk; the next run makes it again.

For a host that is dead, broken, or to be another machine. All that was only on it is lost, so it has to be named.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.errors import HostError, SkepError
from model.log import Log
from model.stage import Host
from tasks.hosts.decommission import wait_for_services
from tasks.hosts.volumes_on import volumes_on
from tasks.run.context import Run

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True)
class HostReplacement:
    """The removal of a host whose place stays.

    Args:
        run: The run; it holds the stage, and observes.
        host: The host.

    """

    run: Run
    host: Host

    @property
    def answers(self) -> bool:
        """Whether the host answers."""
        return not self.run.live_state.host(self.host).error

    def volumes(self) -> list[str]:
        """Return the volumes whose data goes with the host; where it does not answer, those that may be on it."""
        if not self.run.provider.owns:
            return []  # the machine stays, with its disk
        return volumes_on(self.run.stage, self.run.state, self.host, self.run.live_state.host(self.host))

    def refusals(self, named: Collection[str]) -> list[str]:
        """Return why the host can't be replaced now.

        Args:
            named: The volumes that may be lost.

        """
        lines = []
        lost = [volume for volume in self.volumes() if volume not in named]
        if lost:
            where = "would be lost with it" if self.answers else "may be on it, and would be lost"
            lines.append(
                f"{self.host.short}: volume {', '.join(lost)} {where}: save the data that you need, then add "
                f"volumes={','.join(self.volumes())}"
            )
        if self.host.is_hive and len(self.run.stage.hives) > 1:
            try:
                self._check_expendable()
            except SkepError as error:
                lines.append(
                    f"{self.host.short}: the swarm can't do without it: {error}; bring the other hives back first"
                )
        return lines

    def take_down(self, log: Log) -> None:
        """Take the host out of the swarm, remove it with its disk, and forget it.

        To be repeated after a kill at any point: what is done already is found so.

        Raises:
            SkepError: The swarm or the provider refuses.

        """
        run, host = self.run, self.host
        if host.is_hive and len(run.stage.hives) > 1:
            self._leave_swarm(log)
        run.connections.to(host).close()
        run.provider.remove(host.short, log)
        for task in run.state.tasks_of_host(host.short):
            run.state.forget(task)
        run.connections.write_ssh_files()

    def _leave_swarm(self, log: Log) -> None:
        """Remove the host's node; where it answers, its tasks run elsewhere first."""
        from remote.swarm import nodes as swarm_nodes
        from remote.swarm import upkeep

        run, host = self.run, self.host
        self._check_expendable()
        beside, client = self._beside()
        if self.answers:
            counts = upkeep.task_counts(beside.short, client, run.stage.labels)
            before = {name: count.running for name, count in counts.items()}
            swarm_nodes.set_aside(beside.short, client, host, log)
            wait_for_services(run, host, before, log)
            beside, client = self._beside()
        swarm_nodes.remove_node(beside.short, client, host, log)

    def _check_expendable(self) -> None:
        """Raise unless the swarm keeps its majority without the host.

        Raises:
            HostError: It does not.

        """
        from remote.swarm import nodes as swarm_nodes

        beside, client = self._beside()
        if swarm_nodes.has_node(beside.short, client, self.host):
            swarm_nodes.check_expendable(beside.short, client, self.host, [])

    def _beside(self) -> "tuple[Host, DockerClient]":
        """Return another hive that is a manager.

        Raises:
            HostError: None answers.

        """
        beside, client = self.run.connections.manager(except_=self.host)
        if beside == self.host:
            raise HostError(f"no other manager than {self.host.short} answers")
        return beside, client
