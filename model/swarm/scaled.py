"""Services that `doit scale` gave another number of tasks than site.toml: for how long that holds. Pure."""

import time
from collections.abc import Mapping

from model.labels import SCALED_LABEL, SCALED_UNTIL_LABEL

KEPT = "kept"
"""The value of the label where runs leave it alone until the service's definition changes."""


def scale_labels(replicas: int, *, until: float | None = None, keep: bool = False) -> dict[str, str]:
    """Return the labels of a service that was scaled.

    Args:
        replicas: The number of tasks.
        until: Until when runs leave it alone, in seconds since 1970.
        keep: Whether they leave it alone until its definition changes.

    """
    lasts = (
        {SCALED_UNTIL_LABEL: KEPT if until is None else f"{until:.0f}"} if keep or until is not None else {}
    )
    return {SCALED_LABEL: str(replicas), **lasts}


def scale_words(labels: Mapping[str, str]) -> str:
    """Return how a service was scaled and for how long, in words; empty if it was not."""
    if SCALED_LABEL not in labels:
        return ""
    until = labels.get(SCALED_UNTIL_LABEL, "")
    lasts = "the next run"
    if until == KEPT:
        lasts = "its definition changes"
    elif until.isdecimal():
        lasts = time.strftime("%Y-%m-%d %H:%M", time.localtime(int(until)))
    return f"scaled to {labels[SCALED_LABEL]} until {lasts}"


def is_scale_over(labels: Mapping[str, str], now: float) -> bool:
    """Return whether a service was scaled, and a run is to take that back."""
    until = labels.get(SCALED_UNTIL_LABEL, "")
    return SCALED_LABEL in labels and until != KEPT and not (until.isdecimal() and now < int(until))
