"""The observer's configuration, which skep writes on each host: `/etc/skep/observe.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from agent.errors import AgentError, reason_of

CONFIG = Path("/etc/skep/observe.json")
_NONE: Mapping[str, Any] = MappingProxyType({})


class ObservedService(NamedTuple):
    """A service of the site.

    Args:
        name: Its name.
        wanted: The tasks that site.toml wants, on all hosts; None for a job.
        may_end: Whether its tasks may end with status 0.
        is_saved: Whether there are backups of it.
        monitor_error: Lines of its logs that match one of these count, ...
        ignore_error: ... if they match none of these.
        grace: Seconds that a task has to end after it was told to.
        start: Seconds that the service may take until it runs.

    """

    name: str
    wanted: int | None = None
    may_end: bool = False
    is_saved: bool = False
    monitor_error: tuple[str, ...] = ()
    ignore_error: tuple[str, ...] = ()
    grace: float = 10.0
    start: float = 300.0


class ObserveConfig(NamedTuple):
    """A host, and the site as it is to be seen from there.

    Args:
        is_hive: Whether services run there.
        owner: The labels of all that belongs to the stage.
        hosts: Each host's full name, which is its node's, to its short one.
        services: The site's services.
        managers: How many managers the swarm is to have.
        schedule: When backups are made, as site.toml has it; empty without any.
        registry: The directory of the registry's images; empty on other hosts.
        containers: The engine's directory of containers, which has their logs.

    """

    is_hive: bool = True
    owner: Mapping[str, str] = _NONE
    hosts: Mapping[str, str] = _NONE
    services: Mapping[str, ObservedService] = _NONE
    managers: int = 0
    schedule: str = ""
    registry: str = ""
    containers: str = "/var/lib/docker/containers"


def observe_config(path: Path) -> ObserveConfig:
    """Return the configuration.

    Raises:
        AgentError: It is not there, or not whole.

    """
    try:
        content = json.loads(path.read_text())
        services = {name: _service(name, each) for name, each in content.pop("services").items()}
        return ObserveConfig(services=services, **{key: content[key] for key in content if key != "agent"})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AgentError(f"{path} can't be read: {reason_of(error)}; run doit setup_hosts") from error


def _service(name: str, content: Mapping[str, Any]) -> ObservedService:
    """Return a service."""
    lists = {key: tuple(content[key]) for key in ("monitor_error", "ignore_error")}
    wanted, may_end, is_saved = (content[key] for key in ("wanted", "may_end", "is_saved"))
    grace, start = float(content["grace"]), float(content["start"])
    return ObservedService(name, wanted, may_end, is_saved, grace=grace, start=start, **lists)
