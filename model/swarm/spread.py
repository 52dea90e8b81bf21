"""A service that `doit rebalance` gives more tasks for a while, so that the swarm places them where few are. Pure."""

from model.json_types import Json
from model.labels import SPREAD_LABEL, labels_of


def spread_extra(spec: Json) -> int:
    """Return how many tasks a service has more than its own number, as a rebalance is at it or was killed; 0 if none.

    Args:
        spec: Its specification, as the swarm has it.

    """
    own = str(labels_of(spec).get(SPREAD_LABEL, ""))
    if not own.isdecimal():
        return 0
    replicas = int((spec["Mode"].get("Replicated") or {}).get("Replicas", 0))
    return max(0, replicas - int(own))


def with_extra(spec: Json, extra: int) -> Json:
    """Return a service's specification with so many tasks more, and a label with the number that it goes back to."""
    own = int(spec["Mode"]["Replicated"]["Replicas"])
    return {
        **spec,
        "Mode": {"Replicated": {**spec["Mode"]["Replicated"], "Replicas": own + extra}},
        "Labels": {**labels_of(spec), SPREAD_LABEL: str(own)},
    }


def without_extra(spec: Json) -> Json:
    """Return a service's specification with its own number of tasks, and without the label."""
    labels = {name: value for name, value in labels_of(spec).items() if name != SPREAD_LABEL}
    if extra := spread_extra(spec):
        replicated = spec["Mode"]["Replicated"]
        own = {**replicated, "Replicas": replicated["Replicas"] - extra}
        return {**spec, "Mode": {"Replicated": own}, "Labels": labels}
    return {**spec, "Labels": labels}


def spread_words(spec: Json) -> str:
    """Return that a service has more tasks for a while, in words; empty if it does not."""
    extra = spread_extra(spec)
    return f"has {extra} task{'' if extra == 1 else 's'} more for a while, of doit rebalance" if extra else ""
