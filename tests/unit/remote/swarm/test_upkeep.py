"""Whether services run as they did."""

from types import SimpleNamespace
from typing import Any

from remote.swarm import upkeep
from remote.swarm.upkeep import TaskCount

LABELS = {"skep.site": "example"}


def swarm(
    *services: dict[str, Any], tasks: list[dict[str, Any]] | None = None, here: tuple[str, ...] = ()
) -> Any:
    """Return the engine of a manager."""
    containers = [{"Labels": {"com.docker.swarm.task.id": task}} for task in here]
    api = SimpleNamespace(
        services=lambda **_: services, tasks=lambda **_: tasks or [], containers=lambda **_: containers
    )
    return SimpleNamespace(api=api)


def service(name: str, mode: str, running: int, desired: int) -> dict[str, Any]:
    """Return a service as a manager lists it."""
    status = {"RunningTasks": running, "DesiredTasks": desired}
    return {"ID": name, "Spec": {"Name": name, "Mode": {mode: {}}}, "ServiceStatus": status}


def test_jobs_do_not_count() -> None:
    """A job's tasks end: none is expected to run."""
    client = swarm(service("web", "Replicated", 1, 2), service("job", "ReplicatedJob", 0, 1))

    assert upkeep.task_counts("hive0", client, LABELS) == {"web": TaskCount(1, 2)}


def test_what_runs_no_more_is_named_with_its_reason() -> None:
    """A service of which fewer tasks run than before is named, with what the swarm says of a task that does not."""
    tasks = [
        {"ID": "1", "Status": {"State": "running", "Message": "started"}},
        {"ID": "2", "Status": {"State": "pending", "Message": "pending", "Err": "no suitable node"}},
    ]
    client = swarm(service("web", "Replicated", 1, 2), tasks=tasks)

    assert upkeep.shortfalls("hive0", client, LABELS, {"web": 2}) == [
        "service web: 1 of 2 tasks run (no suitable node)"
    ]
    assert upkeep.shortfalls("hive0", client, LABELS, {"web": 1, "gone": 3}) == []


def test_a_global_service_wants_less_while_a_node_is_drained() -> None:
    """What a global service wants follows its nodes, so what ran before counts; one that was scaled down is whole."""
    global_one, scaled = service("each", "Global", 2, 2), service("web", "Replicated", 1, 1)
    client = swarm(global_one, scaled)

    assert upkeep.shortfalls("hive0", client, LABELS, {"each": 3, "web": 2}) == [
        "service each: 2 of 3 tasks run"
    ]


def test_a_smaller_swarm_wants_less() -> None:
    """Where a node leaves for good, a global service has a task less; one that was bound to the node finds no other."""
    tasks = [{"ID": "1", "Status": {"State": "pending", "Err": "no suitable node (scheduling constraints…)"}}]
    client = swarm(service("each", "Global", 2, 2), service("db", "Replicated", 0, 1), tasks=tasks)

    assert upkeep.shortfalls("hive0", client, LABELS, {"each": 3, "db": 1}, smaller=True) == []

    tasks.append({"ID": "2", "Status": {"State": "preparing"}})
    client = swarm(service("db", "Replicated", 0, 2), tasks=tasks)
    assert upkeep.shortfalls("hive0", client, LABELS, {"db": 2}, smaller=True) == [
        "service db: 0 of 1 tasks run (preparing)"
    ]


def test_a_task_is_real_if_its_container_runs() -> None:
    """The swarm believes that a restarted host runs what it ran; its engine knows."""
    tasks = [{"ID": "1", "Status": {"State": "running"}}, {"ID": "2", "Status": {"State": "pending"}}]

    assert upkeep.tasks_are_real("hive1", swarm(tasks=tasks), "node", swarm(here=("1", "other")))
    assert not upkeep.tasks_are_real("hive1", swarm(tasks=tasks), "node", swarm(here=("other",)))
