"""A service's tasks: as the swarm has them, held against the containers that the hosts have. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from model.json_types import Json
from model.labels import SERVICE_LABEL, TASK_ID_LABEL, TASK_NAME_LABEL
from model.moments import engine_moment
from model.stage import Stage
from remote.backup.paused_containers import PAUSED, paused_by_others
from tasks.operate.site_reading import EngineReading, SiteReading, SwarmReading
from tasks.operate.site_view import RUNNING, THERE, WANTED, SiteView, short_names

UNKNOWN, LOST = "unknown", "lost"


@dataclass(frozen=True)
class ServiceTask:
    """A task of a service.

    Args:
        id: Its id.
        name: Its slot, `web.2`, or `web.hive0` for one of a global service.
        state: Its state: as the swarm says, unless its host does not answer (`unknown`), or has no container of it that
            runs (`lost`), or one that is paused (`paused`).
        is_wanted: Whether the swarm wants it to run, or to have run; else it is history.
        since: When it came into this state, in seconds since 1970; None if that is not known.
        host: Its host's short name; empty if it has none yet.
        container: The first letters of its container's id; empty if there is none.
        status: The engine's words on the container, `Up 3 hours (healthy)`.
        error: Why it does not run; empty where it is paused by a backup.

    """

    id: str
    name: str
    state: str
    is_wanted: bool
    since: float | None
    host: str
    container: str
    status: str
    error: str


def service_tasks(stage: Stage, reading: SiteReading, service: str) -> list[ServiceTask]:
    """Return a service's tasks: those that are wanted first, then the newest.

    Where no manager answers, they are those whose containers the hosts have.
    """
    view = SiteView(
        stage, reading, {} if isinstance(reading.swarm, str) else short_names(stage, reading.swarm)
    )
    containers = {
        str(container["Labels"].get(TASK_ID_LABEL, "")): (short, container)
        for short, engine in reading.engines.items()
        if isinstance(engine, EngineReading)
        for container in engine.containers
        if (container.get("Labels") or {}).get(SERVICE_LABEL) == service
    }
    if isinstance(reading.swarm, SwarmReading):
        found = reading.swarm.services.get(service)
        listed = reading.swarm.tasks.get(str(found["ID"]), ()) if found else ()
        tasks = [_of_swarm(view, service, task, containers.get(str(task["ID"]))) for task in listed]
    else:
        tasks = list(_of_containers(view, service, containers.values()))
    wanted = sorted((task for task in tasks if task.is_wanted), key=lambda task: task.name)
    return wanted + sorted(
        (task for task in tasks if not task.is_wanted), key=lambda task: -(task.since or 0.0)
    )


def _of_swarm(view: SiteView, service: str, task: Json, found: tuple[str, Json] | None) -> ServiceTask:
    """Return a task that the swarm lists."""
    short = view.short_names.get(str(task.get("NodeID", "")), "")
    state, since = str(task["Status"]["State"]), engine_moment(str(task["Status"].get("Timestamp", "")))
    error = str(task["Status"].get("Err") or "")
    if state == RUNNING:
        if short and view.is_silent(short):
            state, error = UNKNOWN, f"{short} does not answer"
        elif found is not None and found[1].get("State") == PAUSED:
            state, error = PAUSED, _why_paused(view, service, *found)
        elif found is None or found[1].get("State") != RUNNING:
            state, error = LOST, error or f"{short} has no container of it that runs"
    slot = task.get("Slot")
    container = str((task["Status"].get("ContainerStatus") or {}).get("ContainerID", ""))
    return ServiceTask(
        id=str(task["ID"]),
        name=f"{service}.{slot or short or task['ID'][:12]}",
        state=state,
        is_wanted=task.get("DesiredState") in WANTED,
        since=since,
        host=short,
        container=container[:12],
        status=str(found[1].get("Status", "")) if found else "",
        error=error,
    )


def _why_paused(view: SiteView, service: str, short: str, container: Json) -> str:
    """Return what is wrong with a container that is paused; empty if a backup has paused it."""
    return "" if view.is_saved(short, container) else paused_by_others(service, str(container["Id"]), short)


def _of_containers(
    view: SiteView, service: str, containers: Iterable[tuple[str, Json]]
) -> Iterator[ServiceTask]:
    """Yield the tasks that containers are of."""
    for short, container in containers:
        labels = container.get("Labels") or {}
        state = str(container.get("State", ""))
        yield ServiceTask(
            id=str(labels.get(TASK_ID_LABEL, "")),
            name=str(labels.get(TASK_NAME_LABEL, "")).rpartition(".")[0],
            state=state,
            is_wanted=state in THERE,
            since=float(container.get("Created", 0)) or None,
            host=short,
            container=str(container["Id"])[:12],
            status=str(container.get("Status", "")),
            error=_why_paused(view, service, short, container) if state == PAUSED else "",
        )
