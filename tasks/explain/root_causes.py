"""From a stale resource back to the root causes: a person's edits, or changes of the real thing."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from model.keys.digest import Difference
from tasks.explain.status import FAILED, NEVER, UP_TO_DATE, ResourceStatus, StatusTable, place

ROLES = "roles/"


@dataclass(frozen=True)
class RootCause:
    """One root of a resource's staleness, with all between the two.

    Args:
        links: From the resource's own name to the root, in words.
        tasks: The tasks among them, beginning with the resource's own.

    """

    links: tuple[str, ...]
    tasks: tuple[str, ...]

    def __str__(self) -> str:
        return " ← ".join(self.links)


def root_causes(table: StatusTable, name: str, drift: str | None = None) -> list[RootCause]:
    """Return every root of a resource's staleness; none if it is up to date and so is all that it is made from.

    Args:
        table: The resources' status.
        name: The resource's task.
        drift: Why the real thing is not as recorded, if that was asked and is so.

    """
    found = dict.fromkeys(_walk(table, name, ()))
    step = table[name].step
    return [RootCause((step.name, *cause.links), cause.tasks) for cause in [*found, *_drifted(name, drift)]]


def _drifted(name: str, drift: str | None) -> list[RootCause]:
    """Return the root that lies in the real thing."""
    return [RootCause((drift,), (name,))] if drift else []


def _walk(table: StatusTable, name: str, above: tuple[str, ...]) -> Iterator[RootCause]:
    """Yield the roots of a resource, without its own name at the front."""
    if name in above:
        return
    tasks = (*above, name)
    status = table[name]
    if status.status == NEVER:
        yield RootCause(("not made yet, as far as state/ knows",), tasks)
        return
    for change in status.changes:
        yield RootCause(_root_of(table, status, change), tasks)
    if status.missing:
        maker = table.unmade(name)
        below = list(_walk(table, maker, tasks)) if maker is not None else []
        if maker is not None:
            doc = table[maker].step.doc
            yield from (RootCause((doc, *cause.links), cause.tasks) for cause in below)
        if not below:
            yield RootCause((f"{status.missing} is not there yet",), tasks)
    for text in (*status.problems, *status.notes):
        yield RootCause((text,), tasks)
    if status.status == FAILED and not (status.changes or status.missing or status.problems):
        yield RootCause(("its last run failed",), tasks)
    for dep in table.follows(name):
        if dep == status.missing:
            continue
        doc = table[dep].step.doc
        yield from (
            RootCause((doc, *cause.links), cause.tasks) for cause in _walk(table, dep, tasks) if cause.links
        )


def _root_of(table: StatusTable, status: ResourceStatus, change: Difference) -> tuple[str, ...]:
    """Return the links from a changed input to the cause of the change."""
    source = table.source(status, change.new)
    if source is not None:
        # It is made already, and this one is not: its log says why it was.
        doc = table[source].step.doc
        past = table.was_because(source)
        if past is None:
            return (doc, change.sentence(place(status.step, change.name)))
        when, reason = past
        return (doc, f"redone at {time.strftime('%H:%M:%S', time.localtime(when))}: {reason}")
    sentence = change.sentence(place(status.step, change.name))
    if change.name.startswith(ROLES):
        return (f"role {change.name.split('/')[1]}", sentence)
    return (sentence,)


def is_settled(table: StatusTable, name: str) -> bool:
    """Return whether neither a resource nor anything that it is made from is stale."""
    return table[name].status == UP_TO_DATE and not table.follows(name)
