"""The swarm as one of its managers sees it: tasks that services want, who changed them, managers, nodes.

What a service wants is reckoned as `doit status` does it (tasks/operate/service_status.py; a test holds both against
each other): of a global service the nodes that meet its constraints and are not drained, also those that are down.
"""

import socket
from collections.abc import Iterable, Mapping
from typing import Any

from agent.errors import AgentError
from agent.host.service_labels import ONE_OFF, as_before_backup, is_at_work
from agent.observe.engine_reader import EngineReader, EngineRefusedError
from agent.observe.exposition import Exposition
from agent.observe.observe_config import ObserveConfig
from agent.observe.service_drift import drift_figures

_NO_LEADER = "does not have a leader"
_NO_MANAGER = ("not a swarm manager", "not part of a swarm")


def swarm_figures(engine: EngineReader, config: ObserveConfig, figures: Exposition) -> None:
    """Add the swarm's figures, if this host is a manager.

    Args:
        engine: The engine.
        config: The site.
        figures: Where they are added.

    Raises:
        AgentError: The engine does not answer, or the swarm has no leader; of the managers it is told even then.

    """
    try:
        nodes = engine.read("/nodes")
        services = engine.read(
            "/services", filters={"label": [f"{key}={value}" for key, value in config.owner.items()]}
        )
    except EngineRefusedError as error:
        if any(words in str(error) for words in _NO_MANAGER):
            return
        if _NO_LEADER in str(error):
            figures.add("skep_swarm_managers", config.managers)
            figures.add("skep_swarm_managers_reachable", 0)
        raise AgentError(f"the swarm: {error}") from error
    managers = [node["ManagerStatus"] for node in nodes if node.get("ManagerStatus")]
    # A hive that was demoted or removed by hand is still one that the site is to have.
    figures.add("skep_swarm_managers", max(len(managers), config.managers))
    figures.add(
        "skep_swarm_managers_reachable", sum(each.get("Reachability") == "reachable" for each in managers)
    )
    ready = {
        (node.get("Description") or {}).get("Hostname", "")
        for node in nodes
        if (node.get("Status") or {}).get("State") == "ready"
    }
    for name, host in config.hosts.items():
        figures.add("skep_node_ready", int(name in ready), host=host)
    for service, wanted in wanted_tasks(services, nodes, config).items():
        figures.add("skep_service_tasks_wanted", wanted, service=service)
    drift_figures(services, config, figures)


def wanted_tasks(
    services: Iterable[Mapping[str, Any]], nodes: Iterable[Mapping[str, Any]], config: ObserveConfig
) -> dict[str, int]:
    """Return how many tasks each service wants; without jobs and one-off tasks, which are to end.

    Args:
        services: The stage's services, as the swarm lists them.
        nodes: The swarm's nodes.
        config: The site, whose services count also where the swarm does not have them.

    """
    wanted = {name: each.wanted for name, each in config.services.items() if each.wanted is not None}
    eligible = [node for node in nodes if node["Spec"].get("Availability", "active") == "active"]
    for service in services:
        spec = as_before_backup(service["Spec"])
        name, mode = str(spec["Name"]), spec["Mode"]
        if ONE_OFF in (spec.get("Labels") or {}):
            continue
        if is_at_work(spec):
            continue  # it wants what site.toml says: the run's silence covers it, and ends if the run went wrong
        if "Replicated" in mode:
            wanted[name] = int(mode["Replicated"].get("Replicas", 1))
        elif "Global" in mode:
            constraints = (spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or ()
            wanted[name] = sum(all(_meets(each, node) for each in constraints) for node in eligible)
        else:
            wanted.pop(name, None)
    return wanted


def _meets(constraint: str, node: Mapping[str, Any]) -> bool:
    """Return whether a node meets a constraint, as the swarm reads it; a malformed one is met by none.

    Its form and the comparison are those of moby/swarmkit, manager/constraint/constraint.go.
    """
    operator = "==" if "==" in constraint else "!="
    key, found, value = (part.strip() for part in constraint.partition(operator))
    if not (key and found and value):
        return False
    held = _held(key, node)
    if held is None:
        return False
    if key.lower() == "node.ip":
        return _is_in(held, value) == (operator == "==")
    return (held.lower() == value.lower()) == (operator == "==")


def _held(key: str, node: Mapping[str, Any]) -> str | None:
    """Return what a node has of what a constraint compares; None if there is no such key."""
    description = node.get("Description") or {}
    engine, platform = description.get("Engine") or {}, description.get("Platform") or {}
    lower = key.lower()
    for prefix, labels in (
        ("node.labels.", node["Spec"].get("Labels")),
        ("engine.labels.", engine.get("Labels")),
    ):
        if lower.startswith(prefix):
            return str((labels or {}).get(key[len(prefix) :], ""))
    facts = {
        "node.id": node["ID"],
        "node.hostname": description.get("Hostname", ""),
        "node.role": node["Spec"]["Role"],
        "node.ip": (node.get("Status") or {}).get("Addr", ""),
        "node.platform.os": platform.get("OS", ""),
        "node.platform.arch": platform.get("Architecture", ""),
    }
    return facts.get(lower)


def _is_in(address: str, network: str) -> bool:
    """Return whether an address is in a network, or equals an address. `ipaddress` would take much memory for this."""
    base, _, prefix = network.partition("/")
    family = socket.AF_INET6 if ":" in base else socket.AF_INET
    try:
        one, other = (socket.inet_pton(family, each) for each in (address, base))
    except OSError:
        return False
    bits = 8 * len(one)
    size = int(prefix) if prefix.isdecimal() else bits
    shift = max(0, bits - size)
    return int.from_bytes(one) >> shift == int.from_bytes(other) >> shift
