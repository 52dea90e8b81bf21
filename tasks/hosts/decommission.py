"""Hosts that a stage no longer has: what is on them, and how they go in order.

A run that deploys something leaves them, but has no service run there any more. `doit prune` removes them. First the
swarm does without a hive: it stays unless the others keep their majority. Its tasks end and run elsewhere, it loses its
vote, its node is removed, and only then the host itself, with its disk. One host goes after the other.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.errors import HostError, ProviderError, SkepError
from model.keys.record import HostRecord, SwarmRecord
from model.log import Log
from model.stage import Host
from remote.mother.wait import wait_for
from remote.ssh.connection import Connection
from tasks.hosts.volumes_on import maybe_on, stage_volumes
from tasks.names import host_task, swarm_task
from tasks.run.context import Run

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True)
class FormerHost:
    """A host that the stage no longer has.

    Args:
        host: The host; without address or name where nothing is known of it any more.
        volumes: The stage's volumes that are on it; where it can't be asked, those that may be.
        doubt: Why it could not be asked; empty if it was.

    """

    host: Host
    volumes: tuple[str, ...]
    doubt: str = ""


def former(run: Run, short: str) -> FormerHost:
    """Return what there is on a host that the stage no longer has, by asking it.

    Args:
        run: The run.
        short: The host's short name.

    """
    record = run.state.read(host_task(short), HostRecord)
    if record is None:
        return FormerHost(
            Host(short, "", "", is_hive=False, is_repository=False),
            tuple(maybe_on(run, short, None)),
            "state/ does not say how to log in",
        )
    host = Host(short, record.name, record.address, is_hive=True, is_repository=False)
    try:
        return FormerHost(host, tuple(stage_volumes(run, _connection(run, short, record))))
    except SkepError as error:
        return FormerHost(host, tuple(maybe_on(run, short, None)), str(error).splitlines()[0])


def cordon(run: Run, log: Log) -> None:
    """Have no service run on nodes whose hosts are no longer hives of the stage.

    They know nothing of what the stage has become: where its registry is, say, so that nothing new would start there.

    Args:
        run: The run.
        log: Takes a line for the log.

    Raises:
        HostError: No manager answers, or the swarm refuses.

    """
    hives = {hive.short for hive in run.stage.hives}
    nodes = {
        record.node: short
        for short in run.state.members()
        if short not in hives and (record := run.state.read(swarm_task(short), SwarmRecord)) is not None
    }
    if nodes:
        from remote.swarm import nodes as swarm_nodes

        host, client = run.connections.manager()
        swarm_nodes.cordon(host.short, client, nodes, log)


def _connection(run: Run, short: str, record: HostRecord) -> Connection:
    """Return a connection to a host of which the ssh files of a run have nothing any more."""
    run.connections.write_ssh_files({short: record})
    return Connection(short, run.connections.files)


def remove(run: Run, short: str, log: Log) -> None:
    """Take a host out of the swarm, then remove it with its disk, and what is kept of it here.

    Args:
        run: The run.
        short: The host's short name.
        log: Takes a line for the person.

    Raises:
        SkepError: The swarm can't do without it, or nobody can tell; it is there as it was.

    """
    record = run.state.read(host_task(short), HostRecord)
    if record is not None:
        _leave_swarm(run, Host(short, record.name, record.address, is_hive=True, is_repository=False), log)
    else:
        _refuse_unknown_node(run, short)
    Connection(short, run.connections.files).close()
    run.provider.remove(short, log)
    for task in run.state.tasks_of_host(short):
        run.state.forget(task)
    run.connections.write_ssh_files()


def _leave_swarm(run: Run, host: Host, log: Log) -> None:
    """Have the swarm do without a hive, as soon as it can."""
    from remote.swarm import nodes as swarm_nodes

    if all(run.state.host_record(hive) is None for hive in run.stage.hives):
        return  # nothing of the stage is left

    def manager() -> "tuple[Host, DockerClient]":
        return run.connections.manager()

    def may_go() -> bool:
        beside, client = manager()
        if swarm_nodes.has_node(beside.short, client, host):
            swarm_nodes.check_expendable(beside.short, client, host, [])
        return True

    try:
        wait_for(may_go, "the swarm", swarm_nodes.JOIN_TIMEOUT, retry=HostError, kind=ProviderError)
    except ProviderError as error:
        raise ProviderError(f"{host.short} is not removed: {error}") from error
    beside, client = manager()
    swarm_nodes.remove_node(beside.short, client, host, log)


def _refuse_unknown_node(run: Run, short: str) -> None:
    """Raise if a host of which nothing is known may be a node of the swarm."""
    nodes = run.live_state.swarm.nodes.values()
    hostnames = sorted(str((node.get("Description") or {}).get("Hostname", "")) for node in nodes)
    ours = {hive.name for hive in run.stage.hives}
    if run.live_state.swarm.error or (left := [name for name in hostnames if name not in ours]):
        why = run.live_state.swarm.error or f"the swarm still has {', '.join(left)}"
        raise HostError(
            f"{short} is not removed: state/ does not say which node of the swarm it is, and {why}; take it out of the "
            "swarm (docker node update --availability drain, docker node demote, docker node rm --force, each with "
            "its node's name), then prune again"
        )
