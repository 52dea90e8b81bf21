"""Which revision a service runs, as its labels say: a generation has the numbers, so that people know what made it.

The revisions themselves are the swarm's (Docker configs), and go with it: their images are in the site's registry, and
their secrets and networks are known by ids of that swarm.
"""

from typing import Any

from agent.host.engine_socket import EngineSocket

REVISION_LABEL, PINNED_LABEL = "skep.generation", "skep.pinned"
"""As in skep's `model/labels.py`, which the agent can't import."""


def revision_of(engine: EngineSocket, service: str) -> dict[str, int | None]:
    """Return which revision a service runs.

    Args:
        engine: A manager's engine.
        service: The service.

    Returns:
        `number`, the revision that it runs, or None if none was kept yet; `pinned`, the one that `doit rollback` has it
        stay at, or None.

    Raises:
        AgentError: The engine does not answer, or the swarm has no leader.

    """
    found: dict[str, Any] = engine.ask("GET", f"/services/{service}", allowed=(404,)) or {}
    # Docker's API has null for no labels.
    labels = found.get("Spec", {}).get("Labels") or {}
    numbers = {name: str(labels.get(name, "")) for name in (REVISION_LABEL, PINNED_LABEL)}
    known = {name: int(text) if text.isdecimal() else None for name, text in numbers.items()}
    return {"number": known[REVISION_LABEL], "pinned": known[PINNED_LABEL]}
