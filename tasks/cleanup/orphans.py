"""Orphans: things with the stage's labels that are no longer in site.toml, as the live state has them.

A run leaves and names them, the plan shows them, and `doit prune` removes them (`tasks/cleanup/prune.py`).
"""

from collections.abc import Sequence

from tasks.explain.plan import LEFT, REMOVE, Item
from tasks.phase import Orphan
from tasks.phases import PHASES
from tasks.run.context import Run

NAMED = 6


def orphans(run: Run) -> list[Orphan]:
    """Return the orphans of all phases, in the order in which they can go."""
    found = [orphan for phase in PHASES.values() for orphan in phase.orphans(run)]
    return sorted(found, key=lambda orphan: orphan.order)


def items(run: Run) -> list[Item]:
    """Return the orphans as items of the plan."""
    return [
        Item(
            orphan.task,
            REMOVE if orphan.is_reported and not orphan.is_kept else LEFT,
            (orphan.note, *([orphan.held] if orphan.held else ())),
            host=orphan.host,
        )
        for orphan in orphans(run)
    ]


def line(found: Sequence[Orphan]) -> str:
    """Return one line that names the orphans; empty if none of them has to be reported."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for orphan in found:
        if orphan.is_reported:
            hosts.setdefault((orphan.kind, orphan.name), []).extend(
                [orphan.host] if orphan.is_on_host else []
            )
    names = [
        f"{kind} {name}" + (f" on {', '.join(where)}" if where else "")
        for (kind, name), where in hosts.items()
    ]
    if not names:
        return ""
    more = f"; and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"no longer in site.toml, but still there: {'; '.join(names[:NAMED])}{more} (see: doit prune)"
