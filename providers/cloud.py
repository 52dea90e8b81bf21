"""What the providers of all clouds do alike beside their hosts: one maker for each thing, and what drift is called."""

import threading
from collections.abc import Set as AbstractSet

from model.firewall import Rule
from model.stage import Stage
from providers.base import Resource

_guard = threading.Lock()
_locks: dict[tuple[str, ...], threading.Lock] = {}


def lock_of(provider: str, stage: Stage, resource: Resource) -> threading.Lock:
    """Return the lock for one resource: an API makes two of what two threads make at once."""
    with _guard:
        return _locks.setdefault((provider, stage.site_name, stage.name, resource.name), threading.Lock())


def rules_drift(there: AbstractSet[Rule], wanted: AbstractSet[Rule]) -> str:
    """Return how a firewall's rules differ from those that are wanted, or nothing. Pure."""
    said = [
        *(f"closed: {rule}" for rule in sorted(wanted - there)),
        *(f"open: {rule}" for rule in sorted(there - wanted)),
    ]
    return f"the firewall is another ({', '.join(said)})" if said else ""
