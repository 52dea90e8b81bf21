"""Whether the services of a swarm run as they did, while its hives are taken down one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass

from docker import DockerClient

from model.json_types import Json
from model.labels import label_filter
from model.stage import Host
from model.swarm.host_node import is_of
from remote.engine.client import engine_errors
from remote.swarm.jobs import is_job

_NO_NODE = "no suitable node"
"""How the swarm's scheduler begins the reason of a task that it can place nowhere."""
_TASK_LABEL = "com.docker.swarm.task.id"


@dataclass(frozen=True)
class TaskCount:
    """How many tasks of a service run.

    Args:
        running: Those that run.
        desired: Those that the swarm wants to run.

    """

    running: int
    desired: int


def task_counts(beside: str, client: DockerClient, labels: Mapping[str, str]) -> dict[str, TaskCount]:
    """Return how many tasks of each service run; jobs, which end, are left out.

    Args:
        beside: A hive.
        client: Its engine, which is a manager.
        labels: The stage's labels.

    Raises:
        HostError: The swarm does not answer.

    """
    return {service["Spec"]["Name"]: _count(service) for service in _services(beside, client, labels)}


def shortfalls(
    beside: str,
    client: DockerClient,
    labels: Mapping[str, str],
    expected: Mapping[str, int],
    *,
    smaller: bool = False,
) -> list[str]:
    """Return a line for each service of which fewer tasks run than expected, with the swarm's own reason.

    Args:
        beside: A hive.
        client: Its engine, which is a manager.
        labels: The stage's labels.
        expected: Service to the number of its tasks. One that was scaled down since, or is gone, is not missed.
        smaller: Whether the swarm has fewer nodes now for good. Then a global service wants less, and a task that
            finds no node, since it is bound to a host or they are full, is not missed.

    Raises:
        HostError: The swarm does not answer.

    """
    lines = []
    for service in _services(beside, client, labels):
        name, count = service["Spec"]["Name"], _count(service)
        wanted = expected.get(name, 0)
        if smaller or "Global" not in service["Spec"].get("Mode", {}):
            # What a global service wants follows the nodes: while one is drained, it wants less.
            wanted = min(wanted, count.desired)
        if count.running >= wanted:
            continue
        reasons = _reasons(beside, client, service["ID"])
        if smaller:
            wanted -= sum(why.startswith(_NO_NODE) for why in reasons)
            reasons = [why for why in reasons if not why.startswith(_NO_NODE)]
        if count.running < wanted:
            why = next(iter(reasons), "")
            lines.append(f"service {name}: {count.running} of {wanted} tasks run{f' ({why})' if why else ''}")
    return lines


def tasks_are_real(beside: str, client: DockerClient, node: str, engine: DockerClient) -> bool:
    """Return whether each task that the swarm believes to run on a node has a container that runs there.

    Of a host that was just restarted the swarm believes the best until it hears from it.

    Args:
        beside: A hive.
        client: Its engine, which is a manager.
        node: The node's id.
        engine: The engine of the node itself.

    Raises:
        HostError: The swarm does not answer.

    """
    with engine_errors(beside, "listing the tasks of a node"):
        tasks = client.api.tasks(filters={"node": node, "desired-state": "running"})
        believed = {task["ID"] for task in tasks if task["Status"]["State"] == "running"}
        containers = engine.api.containers(filters={"label": _TASK_LABEL})
    return believed <= {container["Labels"][_TASK_LABEL] for container in containers}


def services_on(
    beside: str, client: DockerClient, labels: Mapping[str, str], host: Host, node_id: str = ""
) -> set[str]:
    """Return the services of which the swarm has tasks on a host.

    Args:
        beside: A hive.
        client: Its engine, which is a manager.
        labels: The stage's labels.
        host: The host.
        node_id: Its node, where that is known.

    Raises:
        HostError: The swarm does not answer.

    """
    with engine_errors(beside, f"listing the services on {host.short}"):
        nodes = [node["ID"] for node in client.api.nodes() if is_of(node, host, node_id)]
        found = {
            task["ServiceID"]
            for node in nodes
            for task in client.api.tasks(filters={"node": node, "desired-state": "running"})
        }
        services = client.api.services(filters=label_filter(labels))
    return {service["Spec"]["Name"] for service in services if service["ID"] in found}


def _services(beside: str, client: DockerClient, labels: Mapping[str, str]) -> list[Json]:
    """Return the stage's services that are no jobs, with their status."""
    with engine_errors(beside, "listing the swarm's services"):
        services = client.api.services(filters=label_filter(labels), status=True)
    return [service for service in services if not is_job(service)]


def _count(service: Json) -> TaskCount:
    """Return how many tasks of a service run."""
    status = service.get("ServiceStatus") or {}
    return TaskCount(status.get("RunningTasks", 0), status.get("DesiredTasks", 0))


def _reasons(beside: str, client: DockerClient, service: str) -> list[str]:
    """Return for each task of a service that should run why it does not, in the swarm's words."""
    with engine_errors(beside, "listing the tasks of a service"):
        tasks = client.api.tasks(filters={"service": service, "desired-state": "running"})
    waiting = [task["Status"] for task in tasks if task["Status"]["State"] != "running"]
    return [str(status.get("Err") or status.get("Message") or status["State"]) for status in waiting]
