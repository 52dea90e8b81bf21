"""Tasks of a service that ended, and whether the swarm starts others in their place. Pure."""

from collections.abc import Collection, Sequence

from model.json_types import Json
from remote.swarm import jobs

COMPLETE = "complete"
CHECK_CANT_RUN = "its health check can't be run"
"""How a container's last words begin where its health check is not the program's answer."""
_ENDED = {COMPLETE, "failed", "rejected"}
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
    """Return whether fewer tasks than wanted run or are about to, and `restart_config` may be why.

    The swarm makes the next task as one ends, but a busy one takes its time: where the policy has each task followed by
    another, however long that takes, none is left alone.
    """
    if _always_goes_on(service, tasks):
        return False
    if jobs.is_job(service):
        done, wanted = jobs.progress(service, tasks)
        return done < wanted and not jobs.is_at_work(service, tasks)
    still = sum(task["Status"]["State"] not in jobs.ENDED and is_current(task, service) for task in tasks)
    # Of a global service the engine counts tasks that are there already.
    wanted = 1 if "Global" in service["Spec"]["Mode"] else service["ServiceStatus"]["DesiredTasks"]
    return bool(still < wanted)


def _always_goes_on(service: Json, tasks: Sequence[Json]) -> bool:
    """Return whether the restart policy has every task that ended followed by another one."""
    policy = service["Spec"]["TaskTemplate"].get("RestartPolicy") or {}
    condition = policy.get("Condition", "any")
    if policy.get("MaxAttempts") or condition == "none":
        return False
    # After a job's tasks that ended well none is missing.
    if condition == "any" or jobs.is_job(service):
        return True
    return not any(is_current(task, service) for task in by_themselves(tasks))


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
