"""The places that a swarm gives the tasks of a service when it replaces them."""

import pytest

from tasks.operate.placing import MOST, even, outcomes, surplus


@pytest.mark.parametrize(
    ("counts", "totals", "start_first", "spreads"),
    [
        # The last of them meets one task on each. Seen on a real swarm: 1+1+1.
        ((3, 0, 0), (3, 0, 0), True, [(0, 1, 2), (0, 2, 1), (1, 1, 1)]),
        # One task: with start-first it never stays, with stop-first it goes where the fewest are.
        ((1, 0, 0), (1, 5, 3), True, [(0, 0, 1)]),
        ((1, 0, 0), (1, 5, 3), False, [(1, 0, 0)]),
        ((1, 0, 0), (5, 3, 1), False, [(0, 0, 1)]),
        # Which of two is replaced first decides where the other one goes.
        ((1, 1, 0), (5, 5, 0), True, [(0, 1, 1), (1, 0, 1)]),
    ],
)
def test_outcomes(
    counts: tuple[int, ...], totals: tuple[int, ...], spreads: list[tuple[int, ...]], *, start_first: bool
) -> None:
    """The node with the fewest tasks of the service, then with the fewest in all; in every order of the old ones."""
    hosts = [f"hive{number}" for number in range(3)]
    found = outcomes(
        dict(zip(hosts, counts, strict=True)), dict(zip(hosts, totals, strict=True)), start_first=start_first
    )

    assert sorted(tuple(each[host] for host in hosts) for each in found) == spreads


def test_many_tasks() -> None:
    """Of many tasks one likely spread is returned, at once."""
    hosts = {f"hive{number}": 0 for number in range(9)} | {"hive0": 20 * MOST}

    (found,) = outcomes(hosts, hosts, start_first=True)

    assert sum(found.values()) == 20 * MOST
    assert max(found.values()) - min(found.values()) <= 2


@pytest.mark.parametrize(
    ("counts", "spread", "moves"),
    [
        ((3, 0, 0), (1, 1, 1), 2),
        ((2, 2, 0), (2, 1, 1), 1),
        ((0, 5, 1), (2, 2, 2), 3),
        ((2, 1, 1), (2, 1, 1), 0),
        ((1, 1, 0), (1, 1, 0), 0),
        ((), (), 0),
    ],
)
def test_even(counts: tuple[int, ...], spread: tuple[int, ...], moves: int) -> None:
    """As few tasks as can be move; where it is even already, none."""
    hosts = {f"hive{number}": count for number, count in enumerate(counts)}

    assert sorted(even(hosts).values()) == sorted(spread)
    assert surplus(hosts) == moves
