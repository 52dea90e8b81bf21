"""A stage's resources as a graph: what is made from what, each with its status. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tasks.explain.recorded_status import FOLLOWS, RecordedStatus
from tasks.explain.status import FAILED, NEVER, STALE, UP_TO_DATE

WORST_FIRST = (FAILED, STALE, NEVER, FOLLOWS, UP_TO_DATE)


@dataclass(frozen=True)
class ResourceNode:
    """A resource, or the steps of one host's set-up as one.

    Args:
        key: Its task; of several, their beginning.
        phase: Its phase.
        name: What it is called within its phase.
        status: Its status; of several, the worst.
        count: How many resources it stands for.
        reasons: Why it is not up to date.

    """

    key: str
    phase: str
    name: str
    status: str
    count: int = 1
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResourceEdge:
    """Two nodes of which one comes after the other.

    Args:
        before: The key of the first.
        after: The key of the second.
        is_made_from: Whether the second is made from the first; else it only waits for it.

    """

    before: str
    after: str
    is_made_from: bool


@dataclass(frozen=True)
class ResourceGraph:
    """Resources and their order.

    Args:
        nodes: The nodes, in the order of the phases.
        edges: The edges, without those that others imply.

    """

    nodes: tuple[ResourceNode, ...]
    edges: tuple[ResourceEdge, ...]

    @property
    def phases(self) -> dict[str, list[ResourceNode]]:
        """Phase to its nodes, in order."""
        phases: dict[str, list[ResourceNode]] = {}
        for node in self.nodes:
            phases.setdefault(node.phase, []).append(node)
        return phases


def resource_graph(
    statuses: Mapping[str, RecordedStatus], before: Mapping[str, Collection[str]], *, every_step: bool
) -> ResourceGraph:
    """Return the graph of some resources.

    Args:
        statuses: Task to its status, in the order of the phases. Others are left out of the graph.
        before: Task to the tasks that have to be done before it.
        every_step: Whether each step of a host's set-up has a node; else a host has one for all of them.

    """
    made_from = {name: set(status.made_from) & statuses.keys() for name, status in statuses.items()}
    waits_for = {name: made_from[name] | (set(before.get(name, ())) & statuses.keys()) for name in statuses}
    kept = {(dep, name): True for name, deps in _reduced(made_from).items() for dep in deps}
    for name, deps in _reduced(waits_for).items():
        for dep in deps:
            kept.setdefault((dep, name), False)
    key_of = {name: name if every_step else _host_key(status) for name, status in statuses.items()}
    members: dict[str, list[RecordedStatus]] = {}
    for name, status in statuses.items():
        members.setdefault(key_of[name], []).append(status)
    edges: dict[tuple[str, str], bool] = {}
    for (dep, name), is_made_from in kept.items():
        ends = key_of[dep], key_of[name]
        if ends[0] != ends[1]:
            edges[ends] = edges.get(ends, False) or is_made_from
    return ResourceGraph(
        tuple(_node(key, some) for key, some in members.items()),
        tuple(ResourceEdge(*ends, is_made_from) for ends, is_made_from in edges.items()),
    )


def _host_key(status: RecordedStatus) -> str:
    """Return the key of the node that a resource belongs to where a host's set-up is one."""
    phase = status.task.partition(":")[0]
    return f"{phase}:{status.host}" if phase == "setup_hosts" and status.host else status.task


def _node(key: str, members: list[RecordedStatus]) -> ResourceNode:
    """Return a node for one resource, or for several."""
    phase, _, name = key.partition(":")
    status = min((each.status for each in members), key=WORST_FIRST.index)
    if len(members) == 1:
        return ResourceNode(key, phase, name or phase, status, 1, members[0].reasons)
    reasons = tuple(
        f"{each.task}: {each.status}{f', {each.reasons[0]}' if each.reasons else ''}"
        for each in members
        if each.status != UP_TO_DATE
    )
    return ResourceNode(key, phase, name, status, len(members), reasons)


def _reduced(before: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Return an order without the pairs that others imply: what comes before something else that comes before."""
    far: dict[str, set[str]] = {}

    def all_before(start: str) -> set[str]:
        path = [start]
        while path:
            name = path[-1]
            missing = [dep for dep in before[name] if dep not in far]
            if name in far or not missing:
                path.pop()
                far.setdefault(name, {*before[name], *(each for dep in before[name] for each in far[dep])})
            else:
                path += missing
        return far[start]

    return {
        name: {dep for dep in deps if not any(dep in all_before(other) for other in deps if other != dep)}
        for name, deps in before.items()
    }
