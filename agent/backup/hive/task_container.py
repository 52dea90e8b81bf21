"""The container of a service that its data is saved from, restored through and verified with."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from agent.errors import AgentError
from agent.host.engine_socket import EngineSocket

SERVICE_LABEL = "com.docker.swarm.service.name"
NAME_LABEL, VOLUME_LABEL = "skep.name", "skep.volume."
"""On a volume: its name in site.toml. On a hive's node, with such a name behind it: `true` if its data is there."""
_RUNNING = "running"


def container_here(engine: EngineSocket, service: str, hives: Sequence[str]) -> str | None:
    """Return the container of a service's lowest running task, if that is on this host.

    All hives are managers: each one asks its own engine, and exactly one of them has the task. Of a service that runs
    on each hive it is the task on the first one.

    Args:
        engine: This host's engine.
        service: The service.
        hives: The hives' names, the first one first; those that are not among them come last.

    Raises:
        AgentError: The engine does not answer, or the swarm has no leader.

    """
    filters = {"service": [service], "desired-state": [_RUNNING]}
    found = engine.ask("GET", "/tasks", filters=filters, allowed=(404,)) or []
    tasks = [task for task in found if task["Status"]["State"] == _RUNNING]
    if not tasks:
        return None
    lowest_slot = min(task.get("Slot", 0) for task in tasks)
    lowest = _first([task for task in tasks if task.get("Slot", 0) == lowest_slot], engine, hives)
    if lowest["NodeID"] != engine.ask("GET", "/info")["Swarm"]["NodeID"]:
        return None
    return str(lowest["Status"]["ContainerStatus"]["ContainerID"])


def _first(tasks: Sequence[Any], engine: EngineSocket, hives: Sequence[str]) -> Any:
    """Return the task on the first hive that has one."""
    if len(tasks) == 1:
        return tasks[0]
    names = {node["ID"]: node["Description"]["Hostname"] for node in engine.ask("GET", "/nodes")}
    order = {name: i for i, name in enumerate(hives)}
    return min(tasks, key=lambda task: (order.get(names.get(task["NodeID"], ""), len(order)), task["NodeID"]))


def containers_here(engine: EngineSocket, service: str) -> list[str]:
    """Return all containers of a service on this host that may write: of running tasks, and of those that begin to.

    Raises:
        AgentError: The engine does not answer, or the swarm has no leader.

    """
    node = engine.ask("GET", "/info")["Swarm"]["NodeID"]
    tasks = engine.ask("GET", "/tasks", filters={"service": [service]}, allowed=(404,)) or []
    found = {
        str((task["Status"].get("ContainerStatus") or {}).get("ContainerID", ""))
        for task in tasks
        if task["NodeID"] == node and task["Status"]["State"] in {"starting", _RUNNING}
    }
    return sorted(found - {""})


def runs_somewhere(engine: EngineSocket, service: str) -> bool:
    """Return whether a hive has a running task of a service."""
    filters = {"service": [service], "desired-state": [_RUNNING]}
    found = engine.ask("GET", "/tasks", filters=filters, allowed=(404,)) or []
    return any(task["Status"]["State"] == _RUNNING for task in found)


def failures(engine: EngineSocket, service: str, since: int) -> list[str]:
    """Return why tasks of a service failed that were made after a version of the swarm, the oldest first."""
    tasks = engine.ask("GET", "/tasks", filters={"service": [service]}, allowed=(404,)) or []
    failed = [
        task
        for task in tasks
        if task["Status"]["State"] in {"failed", "rejected"} and task["Version"]["Index"] > since
    ]
    failed.sort(key=lambda task: int(task["Version"]["Index"]))
    return [str(task["Status"].get("Err") or task["Status"]["State"]) for task in failed]


def is_healthy(details: Mapping[str, Any]) -> bool:
    """Return whether a container runs, and is healthy if it has a health check."""
    state = details["State"]
    health = (state.get("Health") or {}).get("Status", "")
    return bool(state["Running"]) and health in {"", "none", "healthy"}


def volume_directory(engine: EngineSocket, volume: str) -> str | None:
    """Return where a volume's files are on this host; None if it has no such volume.

    Raises:
        AgentError: They are on a device or server that is not mounted now.

    """
    found = engine.ask("GET", f"/volumes/{volume}", allowed=(404,))
    if found is None:
        return None
    if found.get("Options") and not os.path.ismount(found["Mountpoint"]):
        raise AgentError(
            f"volume {volume}: its device is mounted only while a container uses it, and none does: start the service"
        )
    return str(found["Mountpoint"])


def has_volume(engine: EngineSocket, volume: str) -> bool:
    """Return whether this host has a volume's data, and not a copy that it left when it went to another hive.

    Raises:
        AgentError: The engine does not answer, or the swarm has no leader; its device is not mounted now.

    """
    if volume_directory(engine, volume) is None:
        return False
    name = (engine.ask("GET", f"/volumes/{volume}").get("Labels") or {}).get(NAME_LABEL)
    if not name:
        return True
    # In the middle of a move it is the hive whose copy is whole that has the label.
    having = {
        str(node["ID"])
        for node in engine.ask("GET", "/nodes")
        if (node["Spec"].get("Labels") or {}).get(f"{VOLUME_LABEL}{name}") == "true"
    }
    return not having or engine.ask("GET", "/info")["Swarm"]["NodeID"] in having


def users_of(engine: EngineSocket, volume: str, except_: str) -> list[str]:
    """Return who has a volume mounted on this host: services, and containers of no service.

    Args:
        engine: This host's engine.
        volume: The volume.
        except_: The service that does not count.

    """
    filters = {"volume": [volume], "status": ["running", "paused", "restarting"]}
    found = engine.ask("GET", "/containers/json", filters=filters)
    users = [((each.get("Labels") or {}).get(SERVICE_LABEL), each["Names"][0]) for each in found]
    return sorted(
        {
            f"service {service}" if service else f"container {name.lstrip('/')}"
            for service, name in users
            if service != except_
        }
    )


def is_plain(engine: EngineSocket, volume: str) -> bool:
    """Return whether a volume's files lie in the engine's own directory, and are not mounted from elsewhere."""
    found = engine.ask("GET", f"/volumes/{volume}", allowed=(404,))
    return found is not None and not found.get("Options")
