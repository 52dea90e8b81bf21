"""Containers that are paused: by a backup that saves their files (`consistency = "pause"`), or by somebody."""

import json
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress

from model.json_types import Json
from remote.ssh.connection import Connection

PAUSED = "paused"
"""The state of a container, all of whose processes stand still until it goes on."""
NOTE = "/var/lib/skep/backup/held.json"
"""Where a hive's backup notes which containers it pauses, before it does."""
SAVED = "is paused while its files are saved, and goes on then"
_PATIENCE = 5.0
"""Seconds for reading the note."""


def paused_by_others(service: str, identity: str, short: str) -> str:
    """Return what is wrong with a container that no backup has paused, and the way out.

    Args:
        service: Its service.
        identity: The container's id.
        short: Its host's short name.

    """
    return (
        f"is paused, and by no backup: on {short}, docker unpause {identity[:12]} has it go on; doit restart {service} "
        "has a new one"
    )


def listed_containers(
    connection: Connection, listing: Callable[[], Sequence[Json]]
) -> tuple[Sequence[Json], frozenset[str]]:
    """Return a host's containers, and the ids of those that a backup has paused.

    Args:
        connection: The connection to the host.
        listing: Lists the containers.

    Raises:
        HostError: The host or its engine does not answer.

    """
    containers = listing()
    paused = {str(each["Id"]) for each in containers if each.get("State") == PAUSED}
    if not paused:
        return containers, frozenset()
    noted = _noted(
        connection.script(
            f"cat {shlex.quote(NOTE)} 2>/dev/null || :",
            timeout=_PATIENCE,
            label="reading what a backup has paused",
        )
    )
    # One that is not noted may just have been let go, and its note with it.
    return (containers if paused <= noted else listing()), noted


def _noted(text: str) -> frozenset[str]:
    """Return the ids of the containers that a backup's note names."""
    with suppress(ValueError):
        note = json.loads(text)
        if isinstance(note, dict):
            return frozenset(str(each) for each in note.get("paused") or ())
    return frozenset()
