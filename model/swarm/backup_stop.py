"""A service that a backup has stopped, to save its files (`consistency = "stop"`). Pure."""

from model.errors import ServiceError
from model.json_types import Json
from model.labels import BACKUP_STOP_LABEL, labels_of
from model.moments import engine_moment

LEFT_STOPPED = "a backup has stopped it, and has not started it again"
"""What is wrong with a service whose backup was lost with its hive."""
_LONGEST = 6 * 3600.0
"""Seconds for which a backup may keep a service stopped. After an hour there is the alarm `BackupHolds`; but a first
backup of much data may be at work for longer."""


def is_stopped_for_backup(spec: Json) -> bool:
    """Return whether a backup has stopped a service; one that was started meanwhile is not.

    Args:
        spec: Its specification, as the swarm has it.

    """
    is_stopped = ((spec.get("Mode") or {}).get("Replicated") or {}).get("Replicas") == 0
    return is_stopped and str(labels_of(spec).get(BACKUP_STOP_LABEL, "")).isdecimal()


def is_left_stopped(service: Json, now: float) -> bool:
    """Return whether a backup has stopped a service for so long that it was probably lost with its hive.

    Args:
        service: The service, as the swarm has it.
        now: The time, in seconds since 1970.

    """
    since = engine_moment(str(service.get("UpdatedAt", "")))
    return is_stopped_for_backup(service["Spec"]) and since is not None and now - since > _LONGEST


def refuse_stopped_for_backup(name: str, found: Json, now: float) -> None:
    """Refuse to have tasks of a service run while a backup keeps it stopped: they would spoil that.

    Args:
        name: Its name.
        found: The service, as the swarm has it.
        now: The time, in seconds since 1970.

    Raises:
        ServiceError: It is stopped, and its backup goes on.

    """
    if is_stopped_for_backup(found["Spec"]) and not is_left_stopped(found, now):
        raise ServiceError(
            f"service {name}: is stopped while its files are being saved; it goes on by itself, then type this again"
        )


def as_before_backup(spec: Json) -> Json:
    """Return a service's specification, with its own number of tasks if a backup has stopped it."""
    if not is_stopped_for_backup(spec):
        return spec
    number = int(labels_of(spec)[BACKUP_STOP_LABEL])
    return {**spec, "Mode": {"Replicated": {**spec["Mode"]["Replicated"], "Replicas": number}}}
