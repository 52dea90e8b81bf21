"""Hosts that are fenced: the swarm was recovered without them, and what they know of it is old.

A fenced host leaves its old swarm in its own task in build_infra, which comes before all set-up; then it joins anew.
They come back one at a time: two of three old managers would elect a leader before anybody can log in to them. The
fence is kept in `state/`, and by the recovered swarm itself, for other checkouts (docs/decisions, 97).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from model.errors import HostError, SkepError
from model.log import Log
from model.stage import Host
from tasks.run.context import Run


class OldContainersError(HostError):
    """A host has left its old swarm, and what that had started there may run on."""


def fenced_node(run: Run, short: str) -> str:
    """Return the node that a host must be no more; empty if it is not fenced."""
    return run.state.fences().get(short) or run.live_state.swarm.fenced.get(short, "")


@contextmanager
def back_in_turn(run: Run, host: Host, task: str, log: Log) -> Iterator[str]:
    """Wait within for a fenced host's turn to come back, and give the node that it must be no more.

    Args:
        run: The run.
        host: The host. One that is not fenced waits for nobody, and gets an empty text.
        task: Its task.
        log: Takes a line for the log.

    """
    node = fenced_node(run, host.short)
    if not node:
        yield ""
        return
    with run.coordination.alone("back from a fence", task, lambda holder: log(f"waiting for {holder}")):
        yield node


def leave_old_swarm(run: Run, host: Host, node: str, log: Log) -> None:
    """Have a fenced host that answers leave its old swarm, and lift its fence.

    Args:
        run: The run.
        host: The host.
        node: The node that it must be no more; one that is another node by now stays that.
        log: Takes a line for the log.

    Raises:
        HostError: It does not leave.

    """
    try:
        leave(run, host, node, log)
    except OldContainersError as error:
        # Set-up mends its engine, which then ends those that run: nothing starts them again.
        log(f"containers of the old swarm may be left: {error}")
    try:
        if host.short in run.live_state.swarm.fenced:
            from remote.swarm import recovery

            manager, client = run.connections.manager()
            recovery.say_fenced(manager.short, client, {host.short: None})
    except SkepError as error:
        log(f"the swarm still calls {host.short} fenced, until the next run: {error}")
    run.state.lift_fence(host.short)


def leave(run: Run, host: Host, node: str, log: Log) -> None:
    """Have a host that answers leave its old swarm, with all that this had started there.

    Raises:
        OldContainersError: It has left, and its containers may run on.
        HostError: It does not leave.

    """
    from remote.swarm import old_swarm

    old_swarm.leave_unheard(host.short, run.connections.to(host), node, log)
    run.connections.forget_engine(host)
    try:
        old_swarm.remove_containers(host.short, run.connections.engine(host), node, log)
    except SkepError as error:
        raise OldContainersError(str(error)) from error
