"""From a resource that is stale back to the roots: what a person changed, or what happened to the real thing."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from model.keys.digest import Difference
from tasks.explain.status import FAILED, NEVER, UP_TO_DATE, Standing, Standings, place

ROLES = "roles/"


@dataclass(frozen=True)
class Chain:
    """One root of a resource's staleness, with all between the two.

    Args:
        links: From the resource's own name to the root, in words.
        tasks: The tasks among them, beginning with the resource's own.

    """

    links: tuple[str, ...]
    tasks: tuple[str, ...]

    def __str__(self) -> str:
        return " ← ".join(self.links)


def chains(standings: Standings, name: str, drift: str | None = None) -> list[Chain]:
    """Return every root of a resource's staleness; none if it is up to date and so is all that it is made from.

    Args:
        standings: How the resources stand.
        name: The resource's task.
        drift: What the live look says of it, if it was asked.

    """
    found = dict.fromkeys(_walk(standings, name, ()))
    step = standings[name].step
    return [Chain((step.name, *chain.links), chain.tasks) for chain in [*found, *_drifted(name, drift)]]


def _drifted(name: str, drift: str | None) -> list[Chain]:
    """Return the root that lies in the real thing."""
    return [Chain((drift,), (name,))] if drift else []


def _walk(standings: Standings, name: str, above: tuple[str, ...]) -> Iterator[Chain]:
    """Yield the roots of a resource, without its own name at the front."""
    if name in above:
        return
    tasks = (*above, name)
    standing = standings[name]
    if standing.verdict == NEVER:
        yield Chain(("not made yet, as far as state/ knows",), tasks)
        return
    for change in standing.changes:
        yield Chain(_root_of(standings, standing, change), tasks)
    if standing.missing:
        maker = standings.unmade(name)
        below = list(_walk(standings, maker, tasks)) if maker is not None else []
        if maker is not None:
            doc = standings[maker].step.doc
            yield from (Chain((doc, *chain.links), chain.tasks) for chain in below)
        if not below:
            yield Chain((f"{standing.missing} is not there yet",), tasks)
    for text in (*standing.problems, *standing.notes):
        yield Chain((text,), tasks)
    if standing.verdict == FAILED and not (standing.changes or standing.missing or standing.problems):
        yield Chain(("its last run failed",), tasks)
    for dep in standings.follows(name):
        if dep == standing.missing:
            continue
        doc = standings[dep].step.doc
        yield from (
            Chain((doc, *chain.links), chain.tasks) for chain in _walk(standings, dep, tasks) if chain.links
        )


def _root_of(standings: Standings, standing: Standing, change: Difference) -> tuple[str, ...]:
    """Return the links from an input that changed to what made it change."""
    source = standings.source(standing, change.new)
    if source is not None:
        # It is made already, and this one is not: its log says why it was.
        doc = standings[source].step.doc
        past = standings.was_because(source)
        if past is None:
            return (doc, change.sentence(place(standing.step, change.name)))
        when, reason = past
        return (doc, f"made anew at {time.strftime('%H:%M:%S', time.localtime(when))}: {reason}")
    sentence = change.sentence(place(standing.step, change.name))
    if change.name.startswith(ROLES):
        return (f"role {change.name.split('/')[1]}", sentence)
    return (sentence,)


def is_settled(standings: Standings, name: str) -> bool:
    """Return whether neither a resource nor anything that it is made from is stale."""
    return standings[name].verdict == UP_TO_DATE and not standings.follows(name)
