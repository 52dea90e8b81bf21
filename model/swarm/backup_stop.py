"""A service that a backup has stopped, to save its files (`consistency = "stop"`). Pure."""

from model.json_types import Json
from model.labels import BACKUP_STOP_LABEL, labels_of


def is_stopped_for_backup(spec: Json) -> bool:
    """Return whether a backup has stopped a service; one that was started meanwhile is not.

    Args:
        spec: Its specification, as the swarm has it.

    """
    is_stopped = (spec["Mode"].get("Replicated") or {}).get("Replicas") == 0
    return is_stopped and str(labels_of(spec).get(BACKUP_STOP_LABEL, "")).isdecimal()


def as_before_backup(spec: Json) -> Json:
    """Return a service's specification, with its own number of tasks if a backup has stopped it."""
    if not is_stopped_for_backup(spec):
        return spec
    number = int(labels_of(spec)[BACKUP_STOP_LABEL])
    return {**spec, "Mode": {"Replicated": {**spec["Mode"]["Replicated"], "Replicas": number}}}
