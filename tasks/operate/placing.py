"""The places that a swarm gives the tasks of a service when it adds some, or replaces them one after the other. Pure.

Its scheduler takes the node with the fewest tasks of the service, and of several that with the fewest in all
(manager/scheduler/scheduler.go of moby/swarmkit). Which task it replaces next is left to it. If there are too many, it
ends those of the nodes that have the most (manager/orchestrator/replicated/services.go).
"""

from collections.abc import Iterator, Mapping, Sequence

MOST = 6
"""The number of tasks up to which all orders are gone through."""

Counts = tuple[int, ...]


def even(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the even spread of as many tasks for which the fewest have to move."""
    least, more = divmod(sum(counts.values()), len(counts)) if counts else (0, 0)
    fullest = sorted(counts, key=lambda host: -counts[host])
    return {host: least + (place < more) for place, host in enumerate(fullest)}


def surplus(counts: Mapping[str, int]) -> int:
    """Return how many tasks have to move so that a service is spread evenly."""
    spread = even(counts)
    return sum(max(0, count - spread[host]) for host, count in counts.items())


def outcomes(
    counts: Mapping[str, int], totals: Mapping[str, int], *, start_first: bool
) -> list[dict[str, int]]:
    """Return the spreads that may come of replacing all tasks of a service; of many tasks, one that is likely.

    Args:
        counts: Host to the number of the service's tasks there.
        totals: Host to the number of all tasks there.
        start_first: Whether a new task begins before the old one ends.

    """
    hosts = list(counts)
    before = tuple(counts[host] for host in hosts)
    others = tuple(totals[host] - counts[host] for host in hosts)
    seen, found = set(), []
    ahead: list[tuple[Counts, Counts]] = [(before, tuple(0 for _ in hosts))]
    is_certain = sum(before) <= MOST
    while ahead:
        state = ahead.pop()
        if state in seen:
            continue
        seen.add(state)
        old, new = state
        if not any(old):
            found.append(dict(zip(hosts, new, strict=True)))
            continue
        following = list(_following(old, new, others, start_first=start_first))
        ahead += following if is_certain else following[:1]
    return found


def _following(
    old: Counts, new: Counts, others: Counts, *, start_first: bool
) -> Iterator[tuple[Counts, Counts]]:
    """Yield the states after one more task was replaced, those of the most crowded host first."""
    for at in sorted(range(len(old)), key=lambda index: -old[index]):
        if not old[at]:
            continue
        rest = _plus(old, at, -1)
        held = old if start_first else rest
        load = [(mine + own, other + mine + own) for mine, own, other in zip(held, new, others, strict=True)]
        least = min(load)
        for place, each in enumerate(load):
            if each == least:
                yield rest, _plus(new, place, 1)


def _plus(counts: Sequence[int], at: int, number: int) -> Counts:
    """Return numbers with one of them changed."""
    return tuple(count + number if index == at else count for index, count in enumerate(counts))
