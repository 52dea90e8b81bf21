"""Whether services fit onto the swarm's nodes: placement constraints and reservations. Pure."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from model.swarm.constraints import ENGINE_LABEL, NODE_LABEL, Constraint, parse_constraint

_GIB = 2**30


@dataclass(frozen=True)
class Node:
    """A node of the swarm.

    Args:
        name: Its host's name in site.toml.
        facts: `node.id`, `node.hostname` and so on to its value.
        labels: Its labels.
        engine_labels: Its engine's labels.
        cpus: How many processors it has.
        memory: How much memory, in bytes.
        engine: Its engine's version; empty if that is not known.

    """

    name: str
    facts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    engine_labels: Mapping[str, str] = field(default_factory=dict)
    cpus: float = 0.0
    memory: int = 0
    engine: str = ""


@dataclass(frozen=True)
class SchedulingRequest:
    """The demands of a service on the nodes.

    Args:
        service: Its name.
        constraints: The constraints on the nodes of its tasks.
        tasks: How many tasks; None is one on each node.
        max_per_node: How many of them on one node; None is without limit.
        cpus: The CPUs that one task reserves.
        memory: The bytes of memory that one task reserves.
        one_per_node: Whether a node runs at most one task of it, since it publishes ports of the node itself.
        start_first: Whether an update starts a new task before the old one ends.

    """

    service: str
    constraints: tuple[str, ...] = ()
    tasks: int | None = 1
    max_per_node: int | None = None
    cpus: float = 0.0
    memory: int = 0
    one_per_node: bool = False
    start_first: bool = False


def meets_constraint(constraint: str, node: Node) -> bool:
    """Return whether a node meets a constraint, as the swarm reads it; a malformed one is met by none."""
    try:
        wanted = parse_constraint(constraint)
    except ValueError:
        return False
    held = held_value(wanted, node)
    if wanted.key.lower() == "node.ip":
        return _is_in(held, wanted.value) == (wanted.operator == "==")
    return (held.lower() == wanted.value.lower()) == (wanted.operator == "==")


def held_value(constraint: Constraint, node: Node) -> str:
    """Return what a node has of what a constraint compares; empty for a label that it does not have."""
    lower = constraint.key.lower()
    if lower.startswith(NODE_LABEL):
        return node.labels.get(constraint.label, "")
    if lower.startswith(ENGINE_LABEL):
        return node.engine_labels.get(constraint.key[len(ENGINE_LABEL) :], "")
    return node.facts.get(lower, "")


def _is_in(address: str, network: str) -> bool:
    """Return whether an address is in a network, or equals an address."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def eligible_nodes(request: SchedulingRequest, nodes: Iterable[Node]) -> list[Node]:
    """Return the nodes that meet all constraints of a service."""
    return [
        node
        for node in nodes
        if all(meets_constraint(constraint, node) for constraint in request.constraints)
    ]


def unschedulable(
    services: Sequence[SchedulingRequest],
    nodes: Sequence[Node],
    others: Sequence[SchedulingRequest] = (),
    drained: Sequence[Node] = (),
) -> Iterator[str]:
    """Yield the reasons why services can't run on these nodes; each line begins with a service's path.

    The reasons are certain. A service without one may still not fit, since a task can't be divided.

    Args:
        services: The services.
        nodes: The nodes that take tasks.
        others: Services that run there as well, of which only the reservations count.
        drained: Nodes that take no tasks at present.

    """
    everybody = [*services, *others]
    eligible = {request.service: eligible_nodes(request, nodes) for request in everybody}
    for request in services:
        yield from _unplaceable(request, eligible[request.service], nodes)
        yield from _counted(request, eligible[request.service], eligible_nodes(request, drained))
    yield from _together([request for request in everybody if eligible[request.service]], eligible)


def _unplaceable(
    request: SchedulingRequest, eligible: Sequence[Node], nodes: Sequence[Node]
) -> Iterator[str]:
    """Yield the reason why a service could not run even as the only one."""
    path = f"services.{request.service}"
    if request.tasks == 0:
        return
    if not eligible:
        unmet = [
            c for c in request.constraints if not any(meets_constraint(c, node) for node in nodes)
        ] or request.constraints
        label = any(NODE_LABEL in constraint.lower() for constraint in unmet)
        yield (
            f"{path}.placement.constraints: no hive meets {' and '.join(unmet)} ({_there(unmet, nodes)}): change it"
            f"{', or give a hive the label (node_labels of the stage)' if label else ''}"
        )
        return
    for what, wanted, there in (
        ("mem_reservation", request.memory, {node.name: float(node.memory) for node in eligible}),
        ("cpu_reservation", request.cpus, {node.name: node.cpus for node in eligible}),
    ):
        if wanted > max(there.values()) or (request.tasks is None and wanted > min(there.values())):
            short = [name for name, has in there.items() if wanted > has]
            yield (
                f"{path}.{what}: one task reserves {_amount(what, wanted)}, and {', '.join(short)} "
                f"{'has' if len(short) == 1 else 'have'} {_amount(what, min(there.values()))}: reserve less, or give "
                "the hosts more"
            )


def _there(constraints: Iterable[str], nodes: Sequence[Node]) -> str:
    """Return what the nodes have of what constraints compare, in the constraints' own words."""
    found: list[str] = []
    for text in constraints:
        try:
            constraint = parse_constraint(text)
        except ValueError as error:
            found.append(str(error))
            continue
        holders: dict[str, list[str]] = {}
        for node in nodes:
            holders.setdefault(held_value(constraint, node), []).append(node.name)
        for value, names in sorted(holders.items()):
            where = ", ".join(names)
            found.append(
                f"{constraint.key} == {value} ({where})" if value else f"no {constraint.key} on {where}"
            )
    return f"there is {', '.join(dict.fromkeys(found))}" if nodes else "there is no hive that takes tasks"


def _counted(request: SchedulingRequest, eligible: Sequence[Node], drained: Sequence[Node]) -> Iterator[str]:
    """Yield the reason why a service's number of tasks does not fit, or one more during an update.

    A lack of room for one more is not reported while nodes are drained, since those come back.
    """
    most, why = (
        (1, 'ports with mode = "host"')
        if request.one_per_node
        else (request.max_per_node, "max_replicas_per_node")
    )
    if not most or not eligible:
        return
    path = f"services.{request.service}"
    tasks = len(eligible) if request.tasks is None else request.tasks
    room = most * len(eligible)
    if tasks > room:
        yield f"{path}.replicas: {tasks} don't fit: {_runs(eligible)} at most {most} ({why})"
    elif request.start_first and tasks and tasks == room and not drained:
        yield (
            f'{path}.update_config.order: "start-first" needs room for one task more than {tasks}, and '
            f"{_runs(eligible)} at most {most} ({why}): no update would ever be done; take "
            '"stop-first", or leave room'
        )


def _together(services: Sequence[SchedulingRequest], eligible: Mapping[str, Sequence[Node]]) -> Iterator[str]:
    """Yield the sets of nodes whose resources are exceeded by the services that can run only there."""
    for names in dict.fromkeys(
        frozenset(node.name for node in eligible[request.service]) for request in services
    ):
        nodes = {
            node.name: node
            for request in services
            for node in eligible[request.service]
            if node.name in names
        }
        bound = [
            request for request in services if {node.name for node in eligible[request.service]} <= names
        ]
        for what, there in (
            ("mem_reservation", float(sum(node.memory for node in nodes.values()))),
            ("cpu_reservation", sum(node.cpus for node in nodes.values())),
        ):
            each = {
                request.service: _reserved(request, what, len(eligible[request.service])) for request in bound
            }
            if sum(each.values()) > there and (len(bound) > 1 or (bound[0].tasks or 0) > 1):
                share = ", ".join(
                    f"{name} {_amount(what, amount)}" for name, amount in each.items() if amount
                )
                yield (
                    f"services.{next(name for name, amount in each.items() if amount)}.{what}: on "
                    f"{', '.join(sorted(names))} more is reserved ({share}) than the {_amount(what, there)} that there "
                    "are: reserve less, or let something run elsewhere"
                )


def _reserved(request: SchedulingRequest, what: str, eligible: int) -> float:
    """Return the sum of the reservations of a service's tasks."""
    one = request.memory if what == "mem_reservation" else request.cpus
    return one * (eligible if request.tasks is None else request.tasks)


def _amount(what: str, amount: float) -> str:
    """Return an amount with its unit."""
    if what == "mem_reservation":
        return f"{amount / _GIB:.2f} GiB"
    return f"{amount:g} CPUs"


def _named(nodes: Sequence[Node]) -> str:
    """Return the names of nodes."""
    return ", ".join(node.name for node in nodes)


def _runs(nodes: Sequence[Node]) -> str:
    """Return the names of nodes, followed by the verb "run"."""
    return f"{_named(nodes)} {'runs' if len(nodes) == 1 else 'each run'}"
