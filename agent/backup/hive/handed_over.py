"""A service that is stopped while what a restoration takes away is saved, and stays so while its files are changed."""

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from agent.backup.hive.death_watch import in_case_of_death
from agent.backup.hive.held import HANDED_OVER_TO, check_held, let_go, stop
from agent.backup.hive.journal import paused, restoring
from agent.backup.hive.restored import Restoration

Result = TypeVar("Result")


def stopped_for(restoration: Restoration, noted: Mapping[str, Any], do: Callable[[], Result]) -> Result:
    """Do something while a service is stopped; from then on it is a restoration's, which is noted.

    Where it can't be done, or this job is killed meanwhile, the service goes on as it was.

    Args:
        restoration: The service and its hive.
        noted: The restoration's note, with the number of the service's tasks as `replicas`.
        do: What is done.

    Raises:
        AgentError: The service can't be stopped, or somebody started it meanwhile; whatever `do` raises.

    """
    engine, service = restoration.engine, restoration.service
    journal = paused(restoration.state)
    content = {
        "by": os.getpid(),
        "stopped": service,
        "replicas": noted["replicas"],
        HANDED_OVER_TO: noted["id"],
    }
    journal.write(content)
    with in_case_of_death(lambda: let_go(engine, journal, content)):
        try:
            stop(engine, service)
            result = do()
            check_held(engine, content, service)
            restoring(service, restoration.state).write(noted)
        finally:
            let_go(engine, journal)
    return result
