"""A node of the swarm whose host is no hive of the stage any more: it left the stage, or is its repository only now."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from model.errors import HostError, SkepError
from model.keys.digest import Inputs
from model.keys.record import FactRecord, HostRecord, SwarmRecord
from model.labels import NAME_LABEL, belongs_to, labels_of
from model.log import Log
from model.stage import Host
from tasks.hosts.decommission import leave_swarm
from tasks.hosts.volume_data import refused_volumes
from tasks.names import NODE_LABELS, host_task, setup_task, swarm_task, swarm_tasks
from tasks.run.context import Run
from tasks.step import Finding, Names, Step, Work

if TYPE_CHECKING:
    from docker import DockerClient

    from remote.ssh.connection import Connection

LEFT = "left_swarm"
"""The name of the set-up step that takes a host out of the swarm."""


class FormerMember(Step):
    """A host that leaves the swarm: its tasks move to the hives, it loses its vote, its node goes.

    Args:
        run: The run.
        short: The host's short name.

    """

    def __init__(self, run: Run, short: str) -> None:
        stage = run.stage
        self._run, self._short = run, short
        self._is_host = short in stage.shorts
        self.host = short
        self.task = setup_task(short, LEFT)
        # Those who stay are all there before, and known by their labels to the services that move.
        self.after = (
            *((host_task(short),) if self._is_host else ()),
            *swarm_tasks(stage),
            *(setup_task(hive.short, step) for hive in stage.hives for step in (NODE_LABELS, "trust")),
        )
        self.doc = f"{short} out of the swarm"

    def inputs(self) -> Inputs:
        """Return the node."""
        return {"node": self._run.state.record(swarm_task(self._short), SwarmRecord).node}

    def ensure(self, work: Work) -> FactRecord:
        """Take the node out of the swarm in order; then have the host forget the swarm, if it answers."""
        run, short = self._run, self._short
        if refused := refused_volumes(run):
            raise HostError(f"{short} stays in the swarm: {', '.join(refused)} says why")
        record = run.state.read(host_task(short), HostRecord)
        host = (
            run.stage.host(short)
            if self._is_host
            else Host(
                short,
                record.name if record is not None else short,
                record.address if record is not None else "",
                is_hive=False,
                is_repository=False,
            )
        )
        leave_swarm(run, host, work.inputs["node"], work.log)
        if record is not None:
            self._forget_swarm(host, record, work.log)
        for step in (swarm_task(short), setup_task(short, NODE_LABELS)):
            run.state.forget(step)
        return FactRecord(id=work.inputs["node"])

    def _forget_swarm(self, host: Host, record: HostRecord, log: Log) -> None:
        """Have the host's engine leave a swarm that no longer knows it. A host that is gone has nothing to forget."""
        from remote.engine.client import connect
        from remote.swarm.membership import leave

        connections = self._run.connections
        connection: Connection = (
            connections.to(host) if self._is_host else connections.to_former(host.short, record)
        )
        try:
            connection.open()
            with closing(connect(host.short, connection.docker_socket)) as engine:
                leave(host, engine)
        except SkepError as error:
            log(f"{host.short} does not know yet that it left the swarm: {error}")
        else:
            log(f"{host.short} left the swarm")

    def real(self, key: str) -> str | None:
        """Look for the node."""
        del key
        swarm = self._run.live_state.swarm
        record = self._run.state.read(swarm_task(self._short), SwarmRecord)
        if swarm.error or record is None or record.node not in swarm.nodes:
            return None
        return f"{self._short} is still a node of the swarm, and no hive of the stage"

    def inspect(self, changed: Names) -> Finding | None:
        """Say what becomes of it."""
        del changed
        return Finding("change", "it leaves the swarm: its tasks move to the hives, and its node is removed")


def former_members(run: Run) -> Iterator[FormerMember]:
    """Yield a step for each host that is a node of the swarm, as far as state/ knows, and no hive of the stage."""
    for short in _former(run):
        yield FormerMember(run, short)


def former_member_tasks(run: Run) -> Iterator[str]:
    """Yield the tasks of `former_members`."""
    for short in _former(run):
        yield setup_task(short, LEFT)


def _former(run: Run) -> list[str]:
    """Return the members of the swarm that are no hives of the stage, as far as state/ knows."""
    hives = {hive.short for hive in run.stage.hives}
    return [short for short in run.state.members() if short not in hives]


def note_former_members(run: Run, cluster: str, client: "DockerClient", log: Log) -> None:
    """Write the record of each node whose host is no hive, where state/ does not know of it: the next run acts.

    Raises:
        HostError: The swarm can't be asked.

    """
    from remote.engine.client import engine_errors

    hives, known = {hive.short for hive in run.stage.hives}, run.state.members()
    with engine_errors("the swarm", "listing its nodes"):
        nodes = client.api.nodes()
    for node in nodes:
        labels = labels_of(node["Spec"])
        short = labels.get(NAME_LABEL, "")
        if short and belongs_to(labels, run.stage.labels) and short not in hives and short not in known:
            log(f"{short} is a node of the swarm, and no hive of the stage: the next run takes it out")
            run.state.write(swarm_task(short), SwarmRecord(cluster=cluster, node=node["ID"]))
