"""Services that are spread unevenly over the hives, as after an outage: which ones, and which of them are free to move.

Pure. The swarm moves no task by itself when a hive comes back; a forced update has it place each task anew, on the hive
with the fewest tasks of the service, then with the fewest in all.
https://docs.docker.com/engine/swarm/how-swarm-mode-works/services/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from model.json_types import Json
from model.site import Service
from model.stage import Stage
from model.swarm.scheduling import meets_constraint
from model.swarm.scheduling_node import scheduling_node
from tasks.operate.site_reading import EngineReading, SiteReading, SwarmReading
from tasks.operate.site_view import SiteView, short_names

UNEVEN = 2
"""The difference between the hive with the most tasks and the one with the fewest from which on it is uneven."""


@dataclass(frozen=True)
class Move:
    """A service whose tasks are to be placed anew.

    Args:
        service: The service.
        hosts: Each hive on which it may run, to the number of its tasks there.
        reason: Why it is uneven, in words.

    """

    service: str
    hosts: Mapping[str, int]
    reason: str


@dataclass(frozen=True)
class Balance:
    """What can be done about an uneven spread.

    Args:
        moves: The services to be placed anew.
        staying: Services that are spread unevenly and are not free to move, with the reason.
        totals: Each hive's tasks in all.

    """

    moves: tuple[Move, ...]
    staying: Mapping[str, str]
    totals: Mapping[str, int]


def balance(stage: Stage, reading: SiteReading, only: str = "") -> Balance:
    """Return which services to place anew.

    Args:
        stage: The stage.
        reading: The readings of its hosts and of the swarm.
        only: A service; empty for all.

    """
    if not isinstance(reading.swarm, SwarmReading):
        return Balance((), {}, {})
    view = SiteView(stage, reading, short_names(stage, reading.swarm))
    ready = dict(_ready(view))
    totals = {short: _tasks(reading, short) for short in ready}
    moves, staying = [], {}
    planned = dict(totals)
    for name, service in stage.services.items():
        found = view.swarm.services.get(name)
        if found is None or only not in ("", name) or service.is_global or service.is_job:
            continue
        hosts = {short: 0 for short, node in ready.items() if _may_run(found, node, short)}
        for short, _ in view.running(name):
            if short in hosts:
                hosts[short] += 1
        reason = _unevenness(hosts, planned)
        if not reason:
            continue
        if bound := _bound(service, found):
            staying[name] = bound
            continue
        moves.append(Move(name, hosts, reason))
        _move(hosts, planned)
    return Balance(tuple(moves), staying, totals)


def _unevenness(hosts: Mapping[str, int], totals: Mapping[str, int]) -> str:
    """Return why a service's tasks are spread unevenly; empty if they are not."""
    if len(hosts) < 2 or not sum(hosts.values()):  # noqa: PLR2004 - nowhere else to go
        return ""
    most, fewest = max(hosts, key=lambda short: hosts[short]), min(hosts, key=lambda short: hosts[short])
    if hosts[most] - hosts[fewest] >= UNEVEN:
        return f"{hosts[most]} of its tasks on {most}, {hosts[fewest]} on {fewest}"
    # Evenly by itself, but on a hive that has more than its share of all.
    by_total = sorted(hosts, key=lambda short: totals[short])
    for crowded in reversed(by_total):
        for empty in by_total:
            is_fewer = hosts[empty] < hosts[crowded]
            if hosts[crowded] and is_fewer and totals[crowded] - totals[empty] >= UNEVEN:
                return f"{totals[crowded]} tasks in all on {crowded}, {totals[empty]} on {empty}"
    return ""


def _move(hosts: Mapping[str, int], totals: dict[str, int]) -> None:
    """Note where the tasks of a service are expected when they have been placed anew."""
    count = sum(hosts.values())
    for short, number in hosts.items():
        totals[short] -= number
    placed = dict.fromkeys(hosts, 0)
    for _ in range(count):
        short = min(hosts, key=lambda each: (placed[each], totals[each]))
        placed[short] += 1
        totals[short] += 1


def _bound(service: Service, found: Json) -> str:
    """Return why a service's tasks must stay where they are; empty if they may move."""
    if service.named_volumes or any(mount.type == "bind" for mount in service.volumes):
        return "its data is on the hosts that it runs on"
    if "host" in service.port_modes:
        return "it publishes ports of its hosts"
    limit = (found["Spec"]["TaskTemplate"].get("Placement") or {}).get("MaxReplicas", 0)
    return f"max_replicas_per_node is {limit}" if limit else ""


def _ready(view: SiteView) -> Iterator[tuple[str, Json]]:
    """Yield each hive that takes tasks and answers, with its node."""
    for identity, node in view.swarm.nodes.items():
        short = view.short_names[identity]
        is_active = (
            node["Spec"].get("Availability", "active") == "active" and node["Status"].get("State") == "ready"
        )
        if is_active and not view.is_silent(short):
            yield short, node


def _may_run(found: Json, node: Json, short: str) -> bool:
    """Return whether a service's constraints let it run on a node."""
    wanted = (found["Spec"]["TaskTemplate"].get("Placement") or {}).get("Constraints") or ()
    return all(meets_constraint(constraint, scheduling_node(node, short, None)) for constraint in wanted)


def _tasks(reading: SiteReading, short: str) -> int:
    """Return how many containers of services run on a host."""
    engine = reading.engines.get(short)
    if not isinstance(engine, EngineReading):
        return 0
    return sum(container.get("State") == "running" for container in engine.containers)
