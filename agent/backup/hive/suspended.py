"""Services that are not saved for now, since their data is still to be restored.

A backup of an empty or half restored service would be the newest one. So a hive of a lost site that is made again makes
none, and no hive makes one of a service whose restoration has not ended.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.backup.config import HiveConfig
from agent.backup.hive import journal
from agent.backup.notes import BEFORE_RESTORE
from agent.errors import AgentError

WHY = "its data is still to be restored (doit restore site)"
HALF = "it is half restored"


def suspend(config: HiveConfig, services: Sequence[str], root: Path = journal.STATE) -> dict[str, Any]:
    """Back up no service whose data is still to be restored, until it is resumed.

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
        forgive(name, WHY, root)
    note.write([name for name in before if name not in going])
    return {"resumed": going}


def forgive(service: str, why: str, root: Path) -> None:
    """Have a service's backup not count as failed, if the reason begins so."""
    status = journal.status(service, root)
    if (status.read() or {}).get("error", "").startswith(why):
        status.clear()


def check_not_suspended(service: str, kind: str, root: Path) -> None:
    """Raise if a service is not to be saved now.

    Args:
        service: The service.
        kind: Why it is saved: what a restoration is to take away is saved, half restored or not.
        root: The directory for what outlives a job.

    Raises:
        AgentError: It is suspended, or half restored.

    """
    if service in (journal.suspended(root).read() or ()):
        raise AgentError(WHY)
    if kind != BEFORE_RESTORE and (why := half_restored(service, root)):
        raise AgentError(why)


def half_restored(service: str, root: Path) -> str:
    """Return that a service is half restored, and how that goes on; empty if it is not."""
    noted = journal.restoring(service, root).read()
    if noted is None:
        return ""
    return f"{HALF}: doit restore {service} {going_on(noted)} confirm=SITE goes on with it"


def going_on(noted: Mapping[str, Any]) -> str:
    """Return the words that go on with a restoration that did not end: `at=ID`, and the one part if it had one."""
    only = "".join(f" script={name}" for name in noted.get("scripts", ()))
    return f"at={str(noted.get('generation', noted['id']))[:8]}{only}"
