"""Labels by which skep tells, of a service in the swarm, what was done to it (model/labels.py). Pure."""

import copy
from collections.abc import Mapping
from typing import Any

SPEC = "skep.spec"
"""The digest of the specification with which skep saw it run."""
ONE_OFF = "skep.one-off"
"""It was made for one task."""
AT_WORK = ("skep.moving", "skep.taken-out.")
"""Begin the labels of services that a run has changed for a while, and stopped: for a volume's move, a network's
renewal."""
BACKUP_STOP = "skep.stopped-for-backup"
"""It is stopped while its files are saved: the number of tasks that it has again after that."""

SPREAD = "skep.spread"
"""It has more tasks for a while, so that the swarm places them where few are: the number that it goes back to."""


def is_at_work(spec: Mapping[str, Any]) -> bool:
    """Return whether a run has changed a service for a while."""
    return any(label.startswith(AT_WORK) for label in spec.get("Labels") or {})


def as_before_backup(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a service's specification, with its own number of tasks if a backup has stopped it."""
    number = str((spec.get("Labels") or {}).get(BACKUP_STOP, ""))
    if not number.isdecimal() or (spec["Mode"].get("Replicated") or {}).get("Replicas") != 0:
        return spec
    return _with_replicas(spec, int(number))


def without_extra(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a service's specification, with its own number of tasks if `doit rebalance` gave it more for a while."""
    number = str((spec.get("Labels") or {}).get(SPREAD, ""))
    replicas = ((spec.get("Mode") or {}).get("Replicated") or {}).get("Replicas", 0)
    return _with_replicas(spec, int(number)) if number.isdecimal() and replicas > int(number) else spec


def _with_replicas(spec: Mapping[str, Any], replicas: int) -> Mapping[str, Any]:
    """Return a service's specification with another number of tasks."""
    changed: dict[str, Any] = copy.deepcopy({**spec})
    changed["Mode"]["Replicated"]["Replicas"] = replicas
    return changed
