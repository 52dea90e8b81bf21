"""The hosts that a recovered swarm says are fenced: they were cut off, and must leave their old swarm first. Pure."""

from collections.abc import Mapping
from typing import Any

from model.labels import FENCED_LABEL, labels_of


def fenced_by(swarm: Mapping[str, Any]) -> dict[str, str]:
    """Return the hosts that a swarm says are fenced, each with the node that it was.

    Args:
        swarm: The swarm, as an engine describes it.

    """
    return {
        name.removeprefix(FENCED_LABEL): node
        for name, node in labels_of(swarm).items()
        if name.startswith(FENCED_LABEL)
    }


def with_fences(labels: Mapping[str, str], fences: Mapping[str, str | None]) -> dict[str, str]:
    """Return a swarm's labels with hosts that are fenced.

    Args:
        labels: The labels that it has.
        fences: Host to the node that it was; None where it is fenced no more.

    """
    wanted = {**labels, **{f"{FENCED_LABEL}{short}": node for short, node in fences.items()}}
    return {name: value for name, value in wanted.items() if value is not None}
