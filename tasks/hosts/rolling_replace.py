"""Make hosts anew, or stop them, one at a time: never the majority of the swarm, no volume that nobody named.

A host whose key changed can't be changed in place; one with `Found.must_stop` can, but not while it runs. A hive that
is replaced leaves the swarm in order first. The next hive goes when the one before it is back.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from model.errors import HostError, ProviderError, SkepError
from model.keys.record import SwarmRecord
from model.log import Log
from model.stage import Host
from providers.base import Resource
from remote.mother.wait import wait_for
from tasks.hosts.volumes_on import volumes_on
from tasks.names import swarm_task
from tasks.run.context import Run

if TYPE_CHECKING:
    from docker import DockerClient

TURN_TIMEOUT = 1800
"""Seconds for which a hive waits for the one before it to be back in the swarm."""


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
    goes = found is not None and bool(found.key) and found.key != resource.key
    if found is None or not (goes or found.must_stop):
        yield
        return
    host = run.stage.host(resource.name)
    if goes and (problem := refusal(run, host)):
        raise ProviderError(problem)
    if run.progress.moves:
        yield  # all hosts move at once: no swarm is left that could do without one
        return
    repository = run.stage.repository
    if goes and repository.is_hive and host != repository:
        # All set-up waits for the repository host: whoever is to come back after this one needs it.
        wait_for(
            lambda: not _is_to_be_replaced(run, repository),
            f"{repository.short} to be replaced before {host.short}",
            TURN_TIMEOUT,
            kind=ProviderError,
        )
    with run.coordination.lock("replacing a host"):
        if host.is_hive:
            _give_up_place(run, host, log, goes=goes)
        yield
        run.progress.replaced.add(host.short)


@contextlib.contextmanager
def stopped_one_at_a_time(run: Run, host: Host, log: Log) -> Iterator[None]:
    """Hold a host's turn within, to start its engine anew when the swarm can do without it.

    Args:
        run: The run.
        host: The host.
        log: Takes a line for the log.

    Raises:
        ProviderError: The swarm can't do without it.

    """
    with run.coordination.lock("replacing a host"):
        if host.is_hive:
            _give_up_place(run, host, log, goes=False)
        yield
        run.progress.replaced.add(host.short)
    # The live state is of before the restart.
    run.observer.look_again()


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


def _is_to_be_replaced(run: Run, host: Host) -> bool:
    """Return whether a host has to be replaced and was not yet in this run."""
    if host.short in run.progress.replaced:
        return False
    found = run.live_state.things.get(host.short)
    wanted = {resource.name: resource for resource in run.provider.resources()}[host.short]
    return found is not None and bool(found.key) and found.key != wanted.key


def _give_up_place(run: Run, host: Host, log: Log, *, goes: bool) -> None:
    """Wait until the swarm can do without a hive; where its disk goes with it, take it out of the swarm in order.

    Args:
        run: The run.
        host: The hive.
        log: Takes a line for the log.
        goes: Whether it is replaced, and not only stopped for a while.

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
        after = "are deployed again" if goes else "start with it"
        log(f"{host.short}: is the whole swarm: its services end with it, and {after}")
        return
    back = [hive.name for hive in others if hive.short in run.progress.replaced]

    def manager() -> "tuple[Host, DockerClient]":
        return run.connections.manager(except_=host)

    def may_go() -> bool:
        beside, client = manager()
        if beside == host:
            raise HostError(f"no other manager than {host.short} answers")
        swarm_nodes.check_expendable(beside.short, client, host, back)
        return True

    action = "replaced" if goes else "stopped"
    log(f"{host.short}: has to be {action}; waiting until the swarm can do without it")
    # Without others that are to come back nothing will change by waiting.
    patience = TURN_TIMEOUT if back else swarm_nodes.JOIN_TIMEOUT
    try:
        wait_for(may_go, "the swarm", patience, retry=SkepError, kind=ProviderError)
    except ProviderError as error:
        raise ProviderError(f"{host.short} is not {action}: {error}") from error
    if goes and not run.provider.keeps_volumes:
        beside, client = manager()
        swarm_nodes.remove_node(beside.short, client, host, log)
