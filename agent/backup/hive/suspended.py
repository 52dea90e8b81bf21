"""Services that are not saved for now: their data is still to come back, and without it a backup would be of nothing.

A backup of an empty service would look like the newest one. So a hive of a lost site that is made again makes none.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.backup.config import HiveConfig
from agent.backup.hive import journal
from agent.errors import AgentError

WHY = "its data is still to be restored (doit restore site)"


def suspend(config: HiveConfig, services: Sequence[str], root: Path = journal.STATE) -> dict[str, Any]:
    """Have no backup made of services until they are resumed.

    Args:
        config: The hive's configuration.
        services: The services, beside those that are suspended already.
        root: The directory for what outlives a job.

    Raises:
        AgentError: One has no backups.

    """
    for name in services:
        config.service(name)
    note = journal.suspended(root)
    note.write(sorted({*(note.read() or ()), *services}))
    return {"suspended": note.read()}


def resume(services: Sequence[str], root: Path = journal.STATE) -> dict[str, Any]:
    """Have backups of services made again; that there was none meanwhile counts as no failure.

    Args:
        services: The services; none for all.
        root: The directory for what outlives a job.

    """
    note = journal.suspended(root)
    before = note.read() or []
    going = [name for name in before if not services or name in services]
    for name in going:
        status = journal.status(name, root)
        if (status.read() or {}).get("error") == WHY:
            status.clear()
    note.write([name for name in before if name not in going])
    return {"resumed": going}


def check_not_suspended(service: str, root: Path) -> None:
    """Raise if a service is suspended.

    Raises:
        AgentError: It is.

    """
    if service in (journal.suspended(root).read() or ()):
        raise AgentError(WHY)
