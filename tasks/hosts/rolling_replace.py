"""Take hosts down, to make them anew or to stop them, one at a time: never the majority of the swarm.

A host whose key changed can't be changed in place; one with `Found.must_stop` can, but not while it runs. A hive is
drained first, so that services go on elsewhere; where its disk goes with it, it leaves the swarm in order. The next
host goes when the one before it is back: `tasks/hosts/rolling_order.py` puts them into an order in doit's graph.

A task holds the turn while it takes its own host down, and waits meanwhile for the swarm alone, always for a bounded
time: for majorities, nodes and services. A host that the swarm misses already needs no turn. So nobody who holds it
waits for somebody who waits for it.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from model.errors import HostError, ProviderError, SkepError
from model.keys.record import SwarmRecord
from model.log import Log
from model.stage import Host
from model.swarm.time_to_run import time_to_run
from providers.base import Resource
from remote.mother.wait import telling, wait_for, wait_until_none
from tasks.alarms.silenced import silence_host, silenced_host
from tasks.hosts.volumes_on import volumes_on
from tasks.names import SWARM, infra_task, setup_task, swarm_task
from tasks.run.context import Run
from tasks.run.silent_hives import silent_hives

if TYPE_CHECKING:
    from docker import DockerClient

Before = dict[str, int] | None
"""Service to the number of its tasks that ran before a host was taken down; None if nobody knows."""
TURN = "taking a host down"
"""The lock of the one host that is taken down."""
SETTLE_TIMEOUT = 120
"""Seconds for which services that did not run as specified get to do so, before the next host goes."""
SERVICES_TIMEOUT = 300
"""Seconds that services get to run again when a host is back; longer if site.toml gives one of them more."""


@contextlib.contextmanager
def one_at_a_time(run: Run, resource: Resource, log: Log) -> Iterator[None]:
    """Hold a host's turn within, if it has to be replaced or stopped; other resources pass at once.

    Args:
        run: The run.
        resource: The resource that is ensured within.
        log: Takes a line for the log.

    Raises:
        ProviderError: It holds volumes that nobody named, or the swarm can't do without it.

    """
    found = run.live_state.things.get(resource.name) if resource.is_host else None
    if found is None or not found.goes_down(resource):
        yield
        return
    host = run.stage.host(resource.name)
    goes = found.is_replaced(resource)
    if goes and (problem := refusal(run, host)):
        raise ProviderError(problem)
    if run.progress.moves:
        yield  # all hosts move at once: no swarm is left that could do without one
        return
    with _turn(run, infra_task(resource.name), log):
        silence_host(run, host, log)  # until the task of its labels has seen it back
        # A former hive takes no tasks anew, so it is only drained to leave the swarm.
        leaves = goes and not run.provider.keeps_volumes
        before = (
            _give_up_place(run, host, log, goes=goes, drains=host.is_hive or leaves)
            if is_member(run, host)
            else {}
        )
        run.progress.replaced[host.short] = before
        yield


@contextlib.contextmanager
def stopped_one_at_a_time(run: Run, host: Host, log: Log, *, restarts: bool) -> Iterator[None]:
    """Hold a member's turn within, to start its engine anew when the swarm can do without it; then wait for a hive.

    One whose engine is no manager, or does not answer, needs no turn: it may be the one that another waits for.

    Args:
        run: The run.
        host: The member of the swarm.
        log: Takes a line for the log.
        restarts: Whether it is certain that the engine is started anew, so that the hive is drained.

    Raises:
        ProviderError: The swarm can't do without it.
        HostError: It, or a service, is not back afterwards.

    """
    if not is_missed_by_swarm(run, host):
        yield
        run.live_state.renew(host)
        return
    with _turn(run, setup_task(host.short, "docker"), log), silenced_host(run, host, log):
        before = _give_up_place(run, host, log, goes=False, drains=restarts and host.is_hive)
        yield
        run.connections.forget_engine(host)
        run.live_state.renew(host)
        if not host.is_hive:
            return  # it has yet to leave the swarm; who goes next waits for the swarm's majority
        if restarts:
            _make_active(run, host, log)
        wait_until_back(run, host, before, log)


def is_member(run: Run, host: Host) -> bool:
    """Return whether a host is to be in the swarm, or is still: one that was a hive votes until it has left."""
    return host.is_hive or run.state.read(swarm_task(host.short), SwarmRecord) is not None


def is_missed_by_swarm(run: Run, host: Host) -> bool:
    """Return whether a member is a manager now, so that the swarm would miss it.

    Where no other manager tells, as while the leader's engine is started anew, the member's own engine does: one that
    is a manager waits for its turn. One that does not answer, or is no manager, has nothing to lose.
    """
    from remote.engine.client import engine_errors
    from remote.swarm import nodes as swarm_nodes

    if run.state.read(swarm_task(host.short), SwarmRecord) is None:
        return False
    try:
        # Now: to wait for a manager would be in vain where this member's engine has to be started for it.
        beside, client = run.connections.manager(except_=host, patience=0)
        swarm_nodes.check_back(beside.short, client, host)
    except SkepError:
        if SWARM in run.may_replace:
            return False  # one that lost its majority is replaced: no turn would come
        try:
            engine = run.connections.engine(host)
            with engine_errors(host.short, "asking whether it is a manager"):
                swarm = engine.info()["Swarm"]
        except SkepError:
            return False
        return swarm.get("LocalNodeState") == "active" and bool(swarm.get("ControlAvailable"))
    return True


@contextlib.contextmanager
def _turn(run: Run, task: str, log: Log) -> Iterator[None]:
    """Hold the turn within; while it is another task's, say whose, and what that one is at."""

    def waiting(holder: str) -> None:
        at = run.progress.logs.get(holder)
        log(f"waiting for {holder or 'another host'}, which has the turn{f': {at.last}' if at else ''}")

    with run.coordination.alone(TURN, task, waiting):
        yield


def refusal(run: Run, host: Host) -> str:
    """Return why a host may not be replaced: its volumes would go with it, and nobody said that they may."""
    if run.provider.keeps_volumes or host.short in run.may_replace:
        return ""
    held = volumes_on(run.stage, run.state, host, run.live_state.host(host))
    if not held:
        return ""
    return (
        f"{host.short}: has to be replaced, and volume {', '.join(held)} would be lost with it: save the data that "
        f"you need, then type: doit replace={host.short}"
    )


def _give_up_place(run: Run, host: Host, log: Log, *, goes: bool, drains: bool = True) -> Before:
    """Wait until the swarm can do without a member, and drain it; where its disk goes with it, remove its node.

    Args:
        run: The run.
        host: The hive.
        log: Takes a line for the log.
        goes: Whether it is replaced, and not only stopped for a while.
        drains: Whether its tasks are to end before.

    Returns:
        The number of tasks of each service that ran before, and are to run again. None if nobody knows, since a run
        that was killed drained it.

    Raises:
        ProviderError: Without it the swarm would lose its majority, or a hive before it has not come back.

    """
    from remote.swarm import nodes as swarm_nodes

    others = [
        hive
        for hive in run.stage.hives
        if hive != host and run.state.read(swarm_task(hive.short), SwarmRecord) is not None
    ]
    if not others:
        stays = not goes or run.provider.keeps_volumes
        after = "start with it" if stays else "are deployed again"
        log(f"{host.short}: is the whole swarm: its services end with it, and {after}")
        return _settle(run, host, log) if stays and drains else {}
    back = [hive.name for hive in others if hive.short in run.progress.replaced]

    def manager() -> "tuple[Host, DockerClient]":
        beside, client = run.connections.manager(except_=host)
        if beside == host:
            raise HostError(f"no other manager than {host.short} answers")
        return beside, client

    def may_go() -> bool:
        beside, client = manager()
        stays = not goes or run.provider.keeps_volumes
        swarm_nodes.check_expendable(
            beside.short,
            client,
            host,
            back,
            stays=stays,
            silent=silent_hives(run.connections, run.stage.hives, host),
        )
        return True

    action = "replaced" if goes else "stopped"
    log(f"{host.short}: has to be {action}; waiting until the swarm can do without it")
    try:
        with run.coordination.idle("the swarm to do without the host"):
            wait_for(
                telling(may_go, "the swarm", log),
                "the swarm",
                swarm_nodes.JOIN_TIMEOUT,
                retry=SkepError,
                kind=ProviderError,
            )
    except ProviderError as error:
        raise ProviderError(f"{host.short} is not {action}: {error}") from error
    if not drains:
        return {}
    beside, client = manager()
    if swarm_nodes.is_set_aside(beside.short, client, host):
        # What can run only here waits for it: there is nothing to wait for before it goes.
        log(f"{host.short} was drained by a run that did not end")
        expected = None
    else:
        expected = _settle(run, host, log)
    beside, client = manager()
    swarm_nodes.set_aside(beside.short, client, host, log)
    if goes and not run.provider.keeps_volumes:
        swarm_nodes.remove_node(beside.short, client, host, log)
    return expected


def _settle(run: Run, host: Host, log: Log) -> dict[str, int]:
    """Wait until the services run as the swarm is to run them; return the number of tasks of each that do.

    One that does not for long keeps no host from its change, which may be what it lacks: as more memory.
    """
    from remote.swarm import upkeep

    def lacking() -> list[str]:
        beside, client = run.connections.manager(except_=host)
        counts = upkeep.task_counts(beside.short, client, run.stage.labels)
        wanted = {
            name: count.desired for name, count in counts.items() if name not in run.progress.not_waited_for
        }
        return upkeep.shortfalls(beside.short, client, run.stage.labels, wanted)

    try:
        with run.coordination.idle("the services to run"):
            wait_until_none(lacking, f"the services to run before {host.short} goes", SETTLE_TIMEOUT, log)
    except HostError as error:
        log(f"{error}: not waited for any longer")
    try:
        beside, client = run.connections.manager(except_=host, patience=0)
        counts = upkeep.task_counts(beside.short, client, run.stage.labels)
    except HostError:
        return {}
    lame = {name for name, count in counts.items() if count.running < count.desired}
    run.progress.not_waited_for |= lame
    return {name: count.running for name, count in counts.items()}


def _make_active(run: Run, host: Host, log: Log) -> None:
    """Have a hive that was drained for its turn take tasks again; of its labels nothing else changes."""
    from remote.swarm import nodes as swarm_nodes

    record = run.state.read(swarm_task(host.short), SwarmRecord)
    if record is not None:
        beside, client = run.connections.manager(except_=host)
        swarm_nodes.ensure_node_labels(beside.short, client, record.node, {}, log, swarm_nodes.is_not_aside)


def wait_until_back(run: Run, host: Host, before: Before, log: Log) -> None:
    """Wait until a hive that this run took down is a ready manager, and the services run that ran before.

    Args:
        run: The run.
        host: The hive.
        before: Service to the number of its tasks that ran before. None if nobody knows, since a run that was killed
            took the hive down: then all services are waited for, and one that does not run is left to its own task.
        log: Takes a line for the log.

    Raises:
        HostError: It is not back, or a service does not run: the message says which, and the swarm's reason.

    """
    from remote.swarm import nodes as swarm_nodes
    from remote.swarm import upkeep

    def back() -> bool:
        beside, client = run.connections.manager(except_=host)
        swarm_nodes.check_back(beside.short, client, host)
        return True

    def lacking() -> list[str]:
        beside, client = run.connections.manager(except_=host)
        labels = run.stage.labels
        counts = upkeep.task_counts(beside.short, client, labels)
        wanted = {name: count.desired for name, count in counts.items()} if before is None else before
        if lines := upkeep.shortfalls(beside.short, client, labels, wanted):
            return lines
        node = run.state.record(swarm_task(host.short), SwarmRecord).node
        if upkeep.tasks_are_real(beside.short, client, node, run.connections.engine(host)):
            return []
        return [f"the swarm has not seen yet that tasks on {host.short} ended"]

    timeouts = [
        time_to_run(service, len(run.stage.hives), run.stage.site.images)
        for service in run.stage.services.values()
    ]
    patience = SETTLE_TIMEOUT if before is None else max([SERVICES_TIMEOUT, *timeouts])
    again = f"{host.short} to be a ready manager again"
    with run.coordination.idle("the services to run again"):
        wait_for(telling(back, again, log), again, swarm_nodes.JOIN_TIMEOUT, retry=SkepError)
        try:
            wait_until_none(
                lacking, f"the services to run again now that {host.short} is back", patience, log
            )
        except HostError as error:
            if before is not None:
                raise HostError(f"{error}; no further host is taken down; see docker service ps") from error
            log(f"{error}: left to the services' own tasks")
