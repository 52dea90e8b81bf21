"""The versions of Docker Engine that the keys of services need. Pure.

An older engine on a node takes the task all the same, and leaves out what it does not know.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from model import site as types
from model.swarm.scheduling import Node, meets_constraint

Version = tuple[int, int]
API: Version = (1, 41)
"""The API version that a manager must have: with it skep counts tasks, and the swarm has jobs."""
_RELEASE_OF_API = "20.10"
_SINCE: Mapping[str, Version] = {
    "cap_add": (20, 10),
    "cap_drop": (20, 10),
    "ulimits": (20, 10),
    "standalone": (20, 10),  # its capabilities
    "sysctls": (19, 3),
    "init": (18, 9),
}
"""Key of a service to the first version of a node's engine that knows it."""


def version(text: str) -> Version | None:
    """Return the first two numbers of a version; None if there are none."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def manager_problems(host: str, api: str) -> Iterator[str]:
    """Yield a line if a manager's engine is too old.

    Args:
        host: The manager.
        api: The version of the API that its engine speaks.

    """
    spoken = version(api)
    if spoken is not None and spoken < API:
        yield (
            f"{host}: its Docker Engine speaks API {api}; services need {API[0]}.{API[1]}, which Docker Engine "
            f"{_RELEASE_OF_API} has: install it or a later one"
        )


def node_problems(
    services: Mapping[str, types.Service], constraints: Mapping[str, Sequence[str]], nodes: Sequence[Node]
) -> Iterator[str]:
    """Yield the keys of services that the engine of a node they may run on does not know.

    Args:
        services: Name to service.
        constraints: Name to where it may run.
        nodes: The nodes that take tasks.

    """
    for name, service in services.items():
        may = [node for node in nodes if all(meets_constraint(each, node) for each in constraints[name])]
        for key, first in _SINCE.items():
            if not getattr(service, key):
                continue
            old = [node for node in may if (has := version(node.engine)) is not None and has < first]
            if old:
                listed = ", ".join(f"{node.name} ({node.engine})" for node in old)
                yield (
                    f"services.{name}.{key}: needs Docker Engine {first[0]}.{first[1]:02}, and is left out by that of "
                    f"{listed}: install a later one there, or say by constraints where it may run"
                )
