"""Hosts that a stage no longer has: their volumes, and their removal in order.

A run that deploys something leaves them, but has no service run there any more. `doit prune` removes them, one after
the other. A hive stays unless the other managers keep their majority. Its tasks end and run elsewhere, it loses its
vote, its node is removed, and only then the host itself, with its disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.alarms.touched import Touched
from model.errors import HostError, ProviderError, SkepError
from model.keys.record import HostRecord
from model.log import Log
from model.stage import Host, Stage
from remote.mother.wait import wait_for, wait_until_none
from remote.ssh.connection import Connection
from tasks.hosts.volumes_on import maybe_on, stage_volumes
from tasks.names import host_task
from tasks.observe.states import SwarmState
from tasks.run.connections import Connections
from tasks.run.context import Run
from tasks.run.silent_hives import silent_hives
from tasks.run.state import State

if TYPE_CHECKING:
    from docker import DockerClient

MOVE_TIMEOUT = 120
"""Seconds that a leaving host's tasks get to run elsewhere."""


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


def former(stage: Stage, state: State, connections: Connections, short: str) -> FormerHost:
    """Return a host that the stage no longer has, with its volumes, by asking it.

    Args:
        stage: The stage.
        state: Its state directory.
        connections: To its hosts.
        short: The host's short name.

    """
    record = state.read(host_task(short), HostRecord)
    if record is None:
        return FormerHost(
            Host(short, "", "", is_hive=False, is_repository=False),
            tuple(maybe_on(stage, state, short, None)),
            "state/ does not say how to log in",
        )
    host = _host(short, record)
    try:
        return FormerHost(host, tuple(stage_volumes(stage, connections.to_former(short, record))))
    except SkepError as error:
        return FormerHost(host, tuple(maybe_on(stage, state, short, None)), str(error).splitlines()[0])


def _host(short: str, record: HostRecord) -> Host:
    """Return a former host, which may have been a hive."""
    return Host(short, record.name, record.address, is_hive=True, is_repository=False)


def remove(run: Run, short: str, log: Log) -> None:
    """Take a host out of the swarm, then remove it with its disk and its records.

    Args:
        run: The run.
        short: The host's short name.
        log: Takes a line for the person.

    Raises:
        SkepError: The swarm can't do without it, or nobody can tell; it is there as it was.

    """
    record = run.state.read(host_task(short), HostRecord)
    if record is not None:
        # Without any hive of the stage there is no swarm to leave.
        if any(run.state.host_record(hive) is not None for hive in run.stage.hives):
            leave_swarm(run, _host(short, record), "", log)
    else:
        _refuse_unknown_node(run.stage, run.live_state.swarm, short)
    Connection(short, run.connections.files).close()
    run.provider.remove(short, log)
    for task in run.state.tasks_of_host(short):
        run.state.forget(task)
    run.connections.write_ssh_files()


def leave_swarm(run: Run, host: Host, node: str, log: Log) -> None:
    """Take a host out of the swarm as soon as the swarm can do without it, and its tasks run elsewhere.

    One that the swarm sees as down has nothing to be drained.

    Args:
        run: The run.
        host: The host.
        node: Its node's id, where that is known; else it is found by its name and address.
        log: Takes a line for the log.

    Raises:
        ProviderError: The swarm can't do without it.

    """
    from remote.swarm import nodes as swarm_nodes
    from remote.swarm import upkeep

    def manager() -> "tuple[Host, DockerClient]":
        # Never the one that leaves: it would lose the right to be asked in the middle of it.
        beside, client = run.connections.manager(except_=host)
        if beside == host:
            raise HostError(f"no other manager than {host.short} answers")
        return beside, client

    def may_go() -> bool:
        beside, client = manager()
        if swarm_nodes.has_node(beside.short, client, host, node):
            swarm_nodes.check_expendable(
                beside.short,
                client,
                host,
                [],
                node,
                silent=silent_hives(run.connections, run.stage.hives, host),
            )
        return True

    try:
        wait_for(may_go, "the swarm", swarm_nodes.JOIN_TIMEOUT, retry=HostError, kind=ProviderError)
    except ProviderError as error:
        raise ProviderError(f"{host.short} does not leave the swarm: {error}") from error
    beside, client = manager()
    counts = upkeep.task_counts(beside.short, client, run.stage.labels)
    # A run that was killed drained it: nobody knows how many ran before.
    drained = swarm_nodes.is_set_aside(beside.short, client, host, node)
    before = {name: count.desired if drained else count.running for name, count in counts.items()}
    is_watched = run.silences.is_there
    there = upkeep.services_on(beside.short, client, run.stage.labels, host, node) if is_watched else ()
    touched = Touched(there, {host.short})
    with run.silences.lasting(f"{host.short} leaves the swarm", touched, log):
        swarm_nodes.set_aside(beside.short, client, host, log, node)
        _wait_for_services(run, host, before, log)
        beside, client = manager()
        swarm_nodes.remove_node(beside.short, client, host, log, node)


def _wait_for_services(run: Run, host: Host, before: Mapping[str, int], log: Log) -> None:
    """Wait until what ran on a drained host runs elsewhere, as far as it may: what comes next may stop others.

    A service that does not run again for long keeps no host.
    """
    from remote.swarm import upkeep

    def lacking() -> list[str]:
        beside, client = run.connections.manager(except_=host)
        return upkeep.shortfalls(beside.short, client, run.stage.labels, before, smaller=True)

    what = f"the services to run elsewhere than on {host.short}"
    try:
        with run.coordination.idle("the services to move"):
            wait_until_none(lacking, what, MOVE_TIMEOUT, log)
    except HostError as error:
        log(f"{error}: not waited for any longer")


def _refuse_unknown_node(stage: Stage, swarm: SwarmState, short: str) -> None:
    """Raise if a host that has no record may be a node of the swarm."""
    hostnames = sorted(
        str((node.get("Description") or {}).get("Hostname", "")) for node in swarm.nodes.values()
    )
    ours = {hive.name for hive in stage.hives}
    if swarm.error or (left := [name for name in hostnames if name not in ours]):
        why = swarm.error or f"the swarm still has {', '.join(left)}"
        raise HostError(
            f"{short} is not removed: state/ does not say which node of the swarm it is, and {why}; take it out of the "
            "swarm (docker node update --availability drain, docker node demote, docker node rm --force, each with "
            "its node's name), then prune again"
        )
