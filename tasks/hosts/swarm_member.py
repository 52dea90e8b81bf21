"""A hive's place in the stage's swarm."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from model.keys.digest import Inputs
from model.keys.record import HostRecord, SwarmRecord
from model.stage import Host, Stage
from model.swarm.address_pools import DATA_PATH_PORT, differing_options, swarm_options
from tasks.alarms.silenced import silence_until_deployed
from tasks.hosts.former_member import note_former_members
from tasks.names import SWARM, host_task, setup_task, swarm_task
from tasks.run.connections import Connections
from tasks.run.context import Run
from tasks.run.state import State
from tasks.step import BLOCKED, REPLACE, Finding, Names, Step, Work

if TYPE_CHECKING:
    from docker import DockerClient

_FIXED = frozenset({"internal_cidr", "data_path_port"})
"""The inputs that a swarm keeps as it was made with them."""


class SwarmMember(Step):
    """A hive as a manager of the stage's swarm.

    Args:
        run: The run.
        host: The hive.
        steps: The names of its set-up steps.

    """

    ends_with_container = True

    def __init__(self, run: Run, host: Host, steps: Collection[str]) -> None:
        self._run, self._host = run, host
        self.host = host.short
        self.task = swarm_task(host.short)
        self.containers = (host_task(host.short),)
        before = [name for name in ("docker", "firewall", "hosts_file") if name in steps]
        self.after = (*self.containers, *(setup_task(host.short, name) for name in before))
        self.doc = f"{host.name} as a manager of the swarm"

    def inputs(self) -> Inputs:
        """Return the host, its address, and the parameters that a swarm is made with."""
        config = self._run.stage.config
        inputs = {
            "host": self._run.state.record(host_task(self.host), HostRecord).id,
            "address": self._host.address,
        }
        if config.internal_cidr is not None:
            inputs["internal_cidr"] = config.internal_cidr
        if config.data_path_port != DATA_PATH_PORT:
            inputs["data_path_port"] = str(config.data_path_port)
        return inputs

    def ensure(self, work: Work) -> SwarmRecord:
        """Make the swarm, or join it, and wait until the node is ready."""
        from remote.swarm import membership
        from remote.swarm import nodes as swarm_nodes

        run, host = self._run, self._host
        # Who is first makes the swarm, all others join it: found by looking, one at a time.
        options = swarm_options(run.stage.config)
        with run.coordination.alone(SWARM, self.task, lambda holder: work.log(f"waiting for {holder}")):
            if SWARM in run.may_replace:
                silence_until_deployed(run, run.stage.services, work.log)
                run.coordination.once(
                    "the old swarm",
                    lambda: membership.take_down(
                        _hives(run.stage, run.state, run.connections), run.stage.labels, options, work.log
                    ),
                )
            record = membership.ensure_member(
                host, self._others(), run.connections.engine(host), run.connections.engine, work.log, options
            )
        _, client = run.connections.manager(except_=host)
        run.coordination.once(
            "former members", lambda: note_former_members(run, record.cluster, client, work.log)
        )
        swarm_nodes.wait_until_ready(host.short, client, record.node, self._restart, work.log)
        # For what comes after it: the first look may have met a swarm that had no leader, or was another one.
        run.live_state.renew(host)
        return record

    def recall(self, work: Work) -> SwarmRecord | None:
        """Return the node that the hive is by its engine's own description."""
        if self.real(work.key) is not None:
            return None
        swarm = self._run.live_state.host(self._host).info.get("Swarm") or {}
        cluster, node = (swarm.get("Cluster") or {}).get("ID"), swarm.get("NodeID")
        return SwarmRecord(cluster=cluster, node=node) if cluster and node else None

    def _restart(self) -> None:
        """Start the hive's engine anew."""
        self._run.connections.forget_engine(self._host)
        self._run.connections.to(self._host).script(
            "systemctl restart docker", timeout=150, label="restarting Docker Engine"
        )

    def _others(self) -> dict[str, tuple[Host, bool]]:
        """Return the other hives that exist, each with whether it was in the swarm when it was last observed."""
        run, fences = self._run, self._run.state.fences()
        return {
            other.short: (other, run.state.read(swarm_task(other.short), SwarmRecord) is not None)
            for other in run.stage.hives
            if other != self._host and run.state.host_record(other) is not None and other.short not in fences
        }

    def real(self, key: str) -> str | None:
        """Compare with the recorded swarm and node."""
        del key
        if self.host in self._run.progress.replaced:
            return f"{self.host} was taken down in this run, and has to be ready again"
        record = self._run.state.read(self.task, SwarmRecord)
        cluster, node = (record.cluster, record.node) if record is not None else ("", "")
        return self._run.live_state.swarm_member(self._host, cluster, node)

    def shows(self, changed: Names) -> bool:
        """Return False for the parameters that a swarm keeps: it is the recorded one all the same."""
        return not set(changed) & _FIXED

    def inspect(self, changed: Names) -> Finding | None:
        """Tell a swarm that is replaced from one that was made otherwise than it is wanted, and stays so."""
        del changed
        swarm = self._run.live_state.host(self._host).info.get("Swarm") or {}
        cluster = swarm.get("Cluster")
        different = differing_options(swarm_options(self._run.stage.config), cluster) if cluster else ""
        if not different:
            return None
        if SWARM in self._run.may_replace:
            return Finding(REPLACE, f"the swarm was made with {different}; all services are deployed again")
        return Finding(
            BLOCKED, f"the swarm was made with {different}, and stays so; replace=swarm replaces it"
        )


def _hives(stage: Stage, state: State, connections: Connections) -> "dict[str, tuple[Host, DockerClient]]":
    """Return the hives that exist, each with its engine."""
    return {
        hive.short: (hive, connections.engine(hive))
        for hive in stage.hives
        if state.host_record(hive) is not None
    }
