"""Services that are spread unevenly over the hives, as after an outage: which ones, and which of them are free to move.

Pure. The swarm moves no task by itself when a hive comes back. It places tasks that are added where the fewest are, and
ends those that are too many where the most are; a forced update has it place each task anew.
https://docs.docker.com/engine/swarm/how-swarm-mode-works/services/
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from model.json_types import Json
from model.labels import PINNED_LABEL, labels_of
from model.site import Service
from model.stage import Stage
from model.swarm.scheduling import meets_constraint
from model.swarm.scheduling_node import scheduling_node
from model.swarm.spread import spread_words
from tasks.operate.placing import even, outcomes, surplus
from tasks.operate.site_reading import EngineReading, SiteReading, SwarmReading
from tasks.operate.site_view import THERE, SiteView, short_names

UNEVEN = 2
"""The difference between the hive with the most tasks and the one with the fewest from which on it is uneven."""
START_FIRST = "start-first"


@dataclass(frozen=True)
class Move:
    """A service whose tasks are to be placed anew.

    Args:
        service: The service.
        hosts: Each hive on which it may run, to the number of its tasks there.
        reason: Why it is uneven, in words.
        stop_first: Why each old task ends before the new one begins; empty if the new one runs first.
        extra: The tasks that move, where these alone can: as many are added first, and as many end then. 0 if all of
            its tasks have to be replaced.

    """

    service: str
    hosts: Mapping[str, int]
    reason: str
    stop_first: str = ""
    extra: int = 0


@dataclass(frozen=True)
class Balance:
    """What can be done about an uneven spread.

    Args:
        moves: The services to be placed anew.
        staying: Services that are spread unevenly and are not free to move, with the reason.
        totals: Each hive's tasks in all.
        half_done: Services with more tasks than their own, as of a rebalance that was killed, in words.
        unsettled: Services of which another number of tasks runs than is wanted, as while old ones end.

    """

    moves: tuple[Move, ...]
    staying: Mapping[str, str]
    totals: Mapping[str, int]
    unsettled: frozenset[str] = frozenset()
    half_done: Mapping[str, str] = field(default_factory=dict)


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
    moves, staying, unsettled, half_done = [], {}, set(), {}
    planned = dict(totals)
    for name, service in stage.services.items():
        found = view.swarm.services.get(name)
        if found is None or only not in ("", name) or service.is_global or service.is_job:
            continue
        if words := spread_words(found["Spec"]):
            half_done[name] = words
            continue
        running = [short for short, _ in view.running(name)]
        if len(running) != _wanted(found):
            unsettled.add(name)
        nodes = {short: node for short, node in ready.items() if _may_run(found, node, short)}
        hosts = {short: running.count(short) for short in nodes}
        extra = 0 if _has_slots(found) else surplus(hosts)
        stop_first = _why_stop_first(view, service, found, nodes, extra)
        spreads = outcomes(hosts, planned, start_first=not stop_first) if sum(hosts.values()) else []
        reason = _unevenness(hosts, planned, spreads)
        if not reason:
            continue
        if bound := _bound(stage, service, found, len(running)):
            staying[name] = bound
            continue
        extra = 0 if stop_first else extra
        moves.append(Move(name, hosts, reason, stop_first, extra))
        expected = even(hosts) if extra else spreads[0]
        for short, count in hosts.items():
            planned[short] += expected[short] - count
    return Balance(tuple(moves), staying, totals, frozenset(unsettled), half_done)


def _unevenness(hosts: Mapping[str, int], totals: Mapping[str, int], spreads: list[dict[str, int]]) -> str:
    """Return why a service's tasks are to be placed anew; empty if they are spread well, or would not be better.

    Args:
        hosts: Each hive on which it may run, to the number of its tasks there.
        totals: Each hive's tasks in all.
        spreads: The spreads that may come of it.

    """
    if len(hosts) < 2 or not spreads:  # noqa: PLR2004 - nowhere else to go
        return ""
    most, fewest = max(hosts, key=lambda short: hosts[short]), min(hosts, key=lambda short: hosts[short])
    if hosts[most] - hosts[fewest] >= UNEVEN:
        return f"{hosts[most]} of its tasks on {most}, {hosts[fewest]} on {fewest}"
    # Evenly by itself, but on hives that have more than their share of all. Whatever the swarm's order is, it has to
    # become better by it: else it would be moved to and fro.
    if sum(hosts.values()) >= len(hosts) or any(
        _weight(hosts, totals, after) >= _weight(hosts, totals, hosts) for after in spreads
    ):
        return ""
    crowded = max((short for short in hosts if hosts[short]), key=lambda short: totals[short])
    empty = min((short for short in hosts if not hosts[short]), key=lambda short: totals[short])
    return f"{totals[crowded]} tasks in all on {crowded}, {totals[empty]} on {empty}"


def _weight(hosts: Mapping[str, int], totals: Mapping[str, int], after: Mapping[str, int]) -> int:
    """Return how uneven the hives' totals are after a service was placed anew: the sum of their squares."""
    return sum((totals[short] - hosts[short] + after[short]) ** 2 for short in hosts)


def _bound(stage: Stage, service: Service, found: Json, running: int) -> str:
    """Return why a service's tasks must stay where they are; empty if they may move."""
    local = [name for name in service.named_volumes if stage.volumes[name].stays_behind]
    if local or any(mount.type == "bind" for mount in service.volumes):
        return "its data is on the hosts that it runs on"
    if "host" in service.port_modes:
        return "it publishes ports of its hosts"
    if PINNED_LABEL in labels_of(found):
        return "it is rolled back, and pinned (doit rollback)"
    if (_placement(found)).get("Preferences"):
        return "its placement preferences say where it runs"
    if (found.get("UpdateStatus") or {}).get("State") == "updating":
        return "it is being updated"
    wanted = _wanted(found)
    return f"{running} of its {wanted} tasks run (doit status)" if running < wanted else ""


def _wanted(found: Json) -> int:
    """Return how many tasks the swarm wants of a replicated service."""
    return int((found["Spec"]["Mode"].get("Replicated") or {}).get("Replicas", 1))


def _has_slots(found: Json) -> bool:
    """Return whether the tasks of a service go by their numbers, which must stay 1, 2, 3: all are replaced then."""
    return ".Task.Slot" in json.dumps(found["Spec"]["TaskTemplate"])


def _why_stop_first(
    view: SiteView, service: Service, found: Json, nodes: Mapping[str, Json], extra: int
) -> str:
    """Return why a new task may not begin before the old one ends; empty if it may.

    Args:
        view: The readings.
        service: The service.
        found: The same as the swarm has it.
        nodes: The nodes on which it may run.
        extra: How many tasks would begin first; 0 if each of them does in its turn.

    """
    if service.update_config.order == START_FIRST:
        return ""
    wanted = _wanted(found)
    if wanted == 1:
        return 'it has one task, and update_config.order is not "start-first"'
    limit, at_once = (
        _placement(found).get("MaxReplicas", 0),
        extra or service.update_config.parallelism or wanted,
    )
    if limit and wanted + at_once > limit * len(nodes):
        return f"max_replicas_per_node is {limit}"
    reserved = (found["Spec"]["TaskTemplate"].get("Resources") or {}).get("Reservations") or {}
    if reserved and not any(_has_room(view, node, reserved) for node in nodes.values()):
        return "no hive has room for what one task more reserves"
    return ""


def _has_room(view: SiteView, node: Json, wanted: Mapping[str, int]) -> bool:
    """Return whether a node has room for what a task reserves, beside those that it has."""
    there = (node.get("Description") or {}).get("Resources") or {}
    own = [
        (task.get("Spec", {}).get("Resources") or {}).get("Reservations") or {}
        for tasks in view.swarm.tasks.values()
        for task in tasks
        if task.get("NodeID") == node["ID"] and task.get("DesiredState") == "running"
    ]
    return all(
        int(there.get(what) or 0) - sum(int(each.get(what) or 0) for each in own)
        >= int(wanted.get(what) or 0)
        for what in ("NanoCPUs", "MemoryBytes")
    )


def _placement(found: Json) -> Json:
    """Return where a service's tasks may run, as the swarm has it."""
    placement: Json = found["Spec"]["TaskTemplate"].get("Placement") or {}
    return placement


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
    wanted = _placement(found).get("Constraints") or ()
    return all(meets_constraint(constraint, scheduling_node(node, short, None)) for constraint in wanted)


def _tasks(reading: SiteReading, short: str) -> int:
    """Return how many containers of services run on a host."""
    engine = reading.engines.get(short)
    if not isinstance(engine, EngineReading):
        return 0
    return sum(container.get("State") in THERE for container in engine.containers)
