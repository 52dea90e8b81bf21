"""`backup load`: a generation's dumps, given to the running service."""

import time
from typing import Any

from agent.backup.hive.dumps import load
from agent.backup.hive.restored import Restoration
from agent.backup.hive.task_container import container_here, failures, is_healthy
from agent.errors import AgentError

HEALTH_PATIENCE = 300.0
"""Seconds that a service which has just been started may take to run, and to be healthy."""
TRIES = 3
"""How many tasks may fail one after another before a start is given up."""


def load_generation(restoration: Restoration, generation: str, scripts: tuple[str, ...]) -> dict[str, Any]:
    """Give a generation's dumps to their `restore_command`s, in the service's lowest task on this hive.

    Args:
        restoration: The generation's service and hive; it was read before.
        generation: Its id in this hive's repository.
        scripts: The scripts; none for all.

    Raises:
        AgentError: The service does not run here, or a command fails: the message says which were loaded before.

    """
    identity = restoration.restic.identity(generation)
    service = restoration.config.service(restoration.service)
    known = {script.name: script for script in service.scripts}
    dumps = dict(restoration.loadable(identity, scripts))
    if not dumps:
        return {"loaded": []}
    container = healthy_container(restoration)
    loaded: list[str] = []
    for name, path in dumps.items():
        if name not in known:
            raise AgentError(
                f"script {name} is no longer in site.toml, so that nothing says how it is loaded"
            )
        try:
            load(restoration.engine, container, known[name], path, restoration.output, service.name)
        except AgentError as error:
            before = f" (loaded before: {', '.join(loaded)})" if loaded else ""
            raise AgentError(f"script {name}: {error}{before}") from error
        loaded.append(name)
    return {"loaded": loaded}


def healthy_container(restoration: Restoration, since: int | None = None) -> str:
    """Return the service's container here, when it is healthy.

    Args:
        restoration: The service and its hive.
        since: The version of the swarm after which its tasks count as tries of this start; None counts none.

    Raises:
        AgentError: It is not in time, or tasks failed one after another.

    """
    engine, service = restoration.engine, restoration.service
    ends = time.monotonic() + HEALTH_PATIENCE
    while True:
        container = container_here(engine, service, restoration.config.hives)
        if container is not None and is_healthy(engine.inspect(container)):
            return container
        if since is not None and len(failed := failures(engine, service, since)) >= TRIES:
            raise AgentError(f"service {service}: {TRIES} tasks failed one after another ({failed[-1]})")
        if time.monotonic() > ends:
            state = "is not healthy" if container else f"has no running task on {restoration.config.host}"
            raise AgentError(f"service {service} {state} after {HEALTH_PATIENCE:.0f} s")
        time.sleep(0.5)
