"""Jobs: services whose tasks end by themselves. Pure.

The swarm runs a job again at every update of its service, be it of a label alone (seen with Engine 20.10): so nothing
is written on it once it has run.
"""

from collections.abc import Sequence

from model.json_types import Json
from remote.swarm.spec import JOBS

ENDED = {"complete", "failed", "rejected", "orphaned", "shutdown", "remove"}
"""The states in which a task stays."""


def is_job(service: Json) -> bool:
    """Return whether a service of the swarm is a job."""
    return bool(service["Spec"].get("Mode", {}).keys() & JOBS)


def progress(service: Json, tasks: Sequence[Json]) -> tuple[int, int]:
    """Return how many tasks of a job's last run ended well, and how many it wants.

    A job with one task on each node wants those that the swarm has made.
    """
    last = _last(service, tasks)
    done = sum(task["Status"]["State"] == "complete" for task in last)
    wanted = service["Spec"]["Mode"].get("ReplicatedJob", {}).get("TotalCompletions")
    if wanted is None:
        wanted = max(1, len({task.get("NodeID") or task["ID"] for task in last}))
    return done, wanted


def is_at_work(service: Json, tasks: Sequence[Json]) -> bool:
    """Return whether a job still has tasks that have not ended, or has none yet."""
    last = _last(service, tasks)
    return not last or any(task["Status"]["State"] not in ENDED for task in last)


def _last(service: Json, tasks: Sequence[Json]) -> list[Json]:
    """Return the tasks of a job's last run."""
    run = (service.get("JobStatus") or {}).get("JobIteration")
    return [task for task in tasks if task.get("JobIteration") == run]
