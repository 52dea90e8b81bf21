"""Services' revisions as the swarm has them: a generation has them, so that people know what made it, and from what.

Those of its own service, and beside them those of all services, also of such that have no data: with the last hive they
would be lost.
A revision is a specification that the service ran well with, without secrets, in a Docker config. Nothing brings them
back by itself: their images were in the site's registry, and their secrets and networks are known by ids of that swarm.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from agent.errors import AgentError
from agent.host.engine_socket import EngineSocket

NAME_LABEL, REVISION_LABEL, PINNED_LABEL = "skep.name", "skep.generation", "skep.pinned"
"""As in skep's `model/labels.py`, which the agent can't import."""


def revisions_of(engine: EngineSocket, service: str) -> dict[str, Any]:
    """Return which revision a service runs, and all that the swarm keeps of it.

    Args:
        engine: A manager's engine.
        service: The service.

    Returns:
        `number`, the revision that it runs, or None if none was kept yet; `pinned`, the one that `doit rollback` has it
        stay at, or None; `kept`, each revision with its `number`, `made` (when), the config's `labels`, and `spec`,
        or None where they can't be had: that costs no generation.

    Raises:
        AgentError: The engine does not answer, or the swarm has no leader.

    """
    found = engine.ask("GET", f"/services/{service}", allowed=(404,))
    labels = _labels(found or {})
    return {
        "number": _number(labels, REVISION_LABEL),
        "pinned": _number(labels, PINNED_LABEL),
        "kept": _kept(engine, service),
    }


def all_revisions(engine: EngineSocket) -> dict[str, list[dict[str, Any]]] | None:
    """Return all that the swarm keeps of its services' revisions, by service; None where they can't be had.

    Args:
        engine: A manager's engine.

    Returns:
        Service to its revisions, each as in `kept` of `revisions_of`.

    """
    listed = _listed(engine, [REVISION_LABEL])
    if listed is None:
        return None
    names = sorted({each["labels"].get(NAME_LABEL, "") for each in listed} - {""})
    return {name: [each for each in listed if each["labels"].get(NAME_LABEL) == name] for name in names}


def _kept(engine: EngineSocket, service: str) -> list[dict[str, Any]] | None:
    """Return a service's revisions, the oldest first; None if the swarm does not list them."""
    return _listed(engine, [f"{NAME_LABEL}={service}", REVISION_LABEL])


def _listed(engine: EngineSocket, labels: list[str]) -> list[dict[str, Any]] | None:
    """Return the revisions with labels, the oldest first; None if the swarm does not list them."""
    try:
        configs = engine.ask("GET", "/configs", filters={"label": labels})
    except AgentError:
        return None
    kept = [
        {
            "number": _number(_labels(each), REVISION_LABEL),
            "made": each["CreatedAt"],
            "labels": dict(_labels(each)),
            "spec": json.loads(base64.b64decode(each["Spec"]["Data"])),
        }
        for each in configs
    ]
    return sorted(kept, key=lambda each: int(each["number"] or 0))


def _labels(thing: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the labels of an object of Docker's API, which has null for none."""
    return thing.get("Spec", {}).get("Labels") or {}


def _number(labels: Mapping[str, str], name: str) -> int | None:
    """Return a label's number; None if there is none."""
    text = labels.get(name, "")
    return int(text) if text.isdecimal() else None
