"""The order in which one run takes hosts down, as further edges of doit's graph of tasks.

A host that has to be replaced or stopped waits by doit's graph until the one before it is set up again, and holds
neither a lock nor a thread meanwhile. The hosts that stay come first, since the swarm may need what is mended there;
then those that are down anyway, which the swarm does not miss; then the others, the repository before the hives.

All set-up waits for the vault's task, and so for the repository. Where hosts come before a repository that is itself a
hive, or nobody asked for the repository, their set-up does without that task: the vault is at hand.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from model.errors import SkepError
from model.stage import Host, Stage
from tasks.hosts import moving
from tasks.hosts.registry_host import waits_for_move
from tasks.names import VAULT, host_task, vault_task
from tasks.run.context import Run

SET_UP = "setup_hosts:"


@dataclass(frozen=True)
class RollingOrder:
    """The order of the hosts that a run takes down.

    Args:
        hosts: Their short names, in order.
        waits: Task to the tasks that it waits for beside those that it needs.
        released: Tasks that don't wait for the vault's task.
        set_up: The set-up tasks of the hives among them. The run has to do them too, whatever was asked for: the last
            of them makes a hive take tasks again, which was drained before it went.

    """

    hosts: Sequence[str] = ()
    waits: Mapping[str, Collection[str]] = field(default_factory=dict)
    released: Collection[str] = frozenset()
    set_up: Sequence[str] = ()


def rolling_order(run: Run, tasks: Mapping[str, Collection[str]], chosen: Collection[str]) -> RollingOrder:
    """Return the order of the hosts that a run takes down; empty where it takes none down.

    Args:
        run: The run.
        tasks: Every task to all tasks that come before it, directly or not.
        chosen: The tasks of this run.

    """
    try:
        things = run.live_state.things
    except SkepError:
        return RollingOrder()  # the tasks themselves fail with the reason
    wanted = {resource.name: resource for resource in run.provider.resources() if resource.is_host}
    may_go = [
        host
        for host in run.stage.hosts
        if host.short in wanted
        and (found := things.get(host.short)) is not None
        and found.goes_down(wanted[host.short])
        and not waits_for_move(run, host)
    ]
    goes = any(host_task(host.short) in chosen for host in may_go)
    if not goes or moving.moves_at_once(run) or moving.is_under_way(run):
        return RollingOrder()  # hosts that all move at once leave no swarm that could do without one
    try:
        _ = run.secrets.vault
        has_vault = True
    except (KeyError, SkepError):
        has_vault = False
    every, going = _with_set_up(tasks, chosen, may_go, has_vault=has_vault)
    down = {host.short for host in going if host.is_hive and _is_down(run, host)}
    return ordered(run.stage, tasks, every, going, down=down, has_vault=has_vault)


def _with_set_up(
    tasks: Mapping[str, Collection[str]],
    chosen: Collection[str],
    may_go: Sequence[Host],
    *,
    has_vault: bool,
) -> tuple[set[str], list[Host]]:
    """Return the tasks of a run with the set-up of the hives that it takes down, and the hosts that it takes down.

    Without a vault set-up needs the repository, which then may go down as well.

    Args:
        tasks: Every task to all tasks that come before it, directly or not.
        chosen: The tasks that were asked for, and those that they need.
        may_go: The hosts that would be taken down.
        has_vault: Whether the stage's own secrets are known already.

    """
    every = set(chosen)
    while True:
        going = [host for host in may_go if host_task(host.short) in every]
        more = {task for host in going if host.is_hive for task in _set_up(host, tasks)}
        if not has_vault:
            more = more.union(*(tasks[task] for task in more))
        if more <= every:
            return every, going
        every |= more


def _is_down(run: Run, host: Host) -> bool:
    """Return whether a hive is no ready member of the swarm."""
    return run.live_state.swarm_member(host, "", "") is not None or not any(
        (node.get("Description") or {}).get("Hostname") == host.name
        and (node.get("Status") or {}).get("State") == "ready"
        for node in run.live_state.swarm.nodes.values()
    )


def ordered(
    stage: Stage,
    tasks: Mapping[str, Collection[str]],
    chosen: Collection[str],
    going: Sequence[Host],
    *,
    down: Collection[str],
    has_vault: bool,
) -> RollingOrder:
    """Return the order of hosts that go down. Pure.

    Args:
        stage: The stage.
        tasks: Every task to all tasks that come before it, directly or not.
        chosen: The tasks of the run.
        going: The hosts.
        down: The short names of those that are down anyway.
        has_vault: Whether the stage's own secrets are known already.

    """
    repository = stage.repository
    first = [host for host in going if host.short in down and host != repository]
    rest = [host for host in going if host not in first and host != repository]
    middle = [repository] if repository in going else []
    # A repository that is no hive takes nobody's majority: the others' set-up may wait for it.
    others_first = repository not in going or (repository.is_hive and has_vault)
    order = [*first, *middle, *rest] if others_first else [*middle, *first, *rest]
    staying = {
        task for host in stage.hosts if host not in going for task in _set_up(host, tasks) if task in chosen
    }
    released = set()
    if middle and others_first:
        early = [host for host in stage.hosts if host in first or (host not in going and host != repository)]
        released = {task for host in early for task in _set_up(host, tasks)}
    set_up = [task for host in order if host.is_hive for task in _set_up(host, tasks)]
    if has_vault and host_task(repository.short) not in chosen:
        released |= {*set_up}  # nobody asked for the repository
    waits = {}
    for number, host in enumerate(order):
        before = {task for other in order[:number] for task in _set_up(other, tasks)}
        if number or others_first:
            before |= staying
        waits[host_task(host.short)] = sorted(before)
    return RollingOrder([host.short for host in order], waits, frozenset(released), set_up)


def _set_up(host: Host, tasks: Mapping[str, Collection[str]]) -> list[str]:
    """Return a host's set-up tasks, without those that wait for other hosts, as one that has it leave the swarm."""
    own = f"setup_hosts:{host.short}."
    return [
        task
        for task, before in tasks.items()
        if task.startswith(own)
        and all(
            other.startswith(own) or other.endswith(f".{VAULT}")
            for other in before
            if other.startswith(SET_UP)
        )
    ]


def apply(order: RollingOrder, stage: Stage, edges: Mapping[str, list[str]]) -> None:
    """Put an order into doit's graph.

    Args:
        order: The order.
        stage: The stage.
        edges: Task to the tasks that it waits for, which is changed.

    """
    vault = vault_task(stage)
    for task in order.released:
        edges[task][:] = [other for other in edges[task] if other != vault]
    for task, before in order.waits.items():
        edges[task].extend(other for other in before if other not in edges[task])
