"""The address that a hive has in its swarm. Pure."""

from collections.abc import Mapping
from typing import Any


def is_displaced(swarm: Mapping[str, Any], address: str) -> bool:
    """Return whether a hive is in a swarm that knows it by another address than it has now.

    Args:
        swarm: The engine's own description of its membership.
        address: The hive's address.

    """
    if swarm.get("LocalNodeState") in {None, "", "inactive"}:
        return False
    return swarm.get("NodeAddr") not in {None, "", address}
