"""Tasks of a service that ended, and whether the swarm starts others in their place. Pure."""

from collections.abc import Collection, Sequence

from model.json_types import Json
from remote.swarm import jobs

COMPLETE = "complete"
CHECK_CANT_RUN = "its health check can't be run"
"""How a container's last words begin where its health check is not the program's answer."""
_ENDED = {COMPLETE, "failed", "rejected"}
_GONE = {*_ENDED, "shutdown", "orphaned", "remove"}
_HINT = (
    "a service's program stays in the foreground, and what is to end is a job: "
    'mode = "replicated-job", or "global-job" for one on each hive'
)


def ended(service: Json, tasks: Sequence[Json], before: Collection[str]) -> list[Json]:
    """Return the tasks of a service's present specification that ended, but for some.

    Args:
        service: The service, as the swarm has it.
        tasks: All of its tasks.
        before: Ids of tasks that don't count.

    """
    return [
        task
        for task in tasks
        if task["Status"]["State"] in _ENDED and task["ID"] not in before and is_current(task, service)
    ]


def is_current(task: Json, service: Json) -> bool:
    """Return whether a task is of the service's present specification."""
    return bool(task["Spec"].get("ContainerSpec") == service["Spec"]["TaskTemplate"].get("ContainerSpec"))


def by_themselves(tasks: Sequence[Json]) -> list[Json]:
    """Return the tasks that ended with status 0."""
    return [task for task in tasks if task["Status"]["State"] == COMPLETE]


def is_left_alone(service: Json, tasks: Sequence[Json]) -> bool:
    """Return whether fewer tasks than wanted run or are about to: the swarm makes the next one as one ends."""
    if jobs.is_job(service):
        done, wanted = jobs.progress(service, tasks)
        return done < wanted and not jobs.is_at_work(service, tasks)
    still = sum(task["Status"]["State"] not in _GONE and is_current(task, service) for task in tasks)
    # Of a global service the engine counts tasks that are there already.
    wanted = 1 if "Global" in service["Spec"]["Mode"] else service["ServiceStatus"]["DesiredTasks"]
    return bool(still < wanted)


def why_they_end(count: int) -> str:
    """Return what tasks that end with status 0 mean, in words."""
    return f"its tasks end by themselves with status 0, {count} of them one after another: {_HINT}"


def why_no_other(service: Json, last: Json) -> str:
    """Return why no task follows the last one, in words."""
    policy = service["Spec"]["TaskTemplate"].get("RestartPolicy") or {}
    condition, attempts = policy.get("Condition", "any"), policy.get("MaxAttempts", 0)
    rule = f'condition = "{condition}"' + (f", max_attempts = {attempts}" if attempts else "")
    if last["Status"]["State"] == COMPLETE:
        return f"its task ended by itself with status 0, and restart_config ({rule}) starts no other: {_HINT}"
    return f"its task failed, and restart_config ({rule}) starts no other"
