"""Places that go to who has the most waiting behind it."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from remote.mother.turns import Places, ranks
from tests.rig import wait_until


def test_the_highest_rank_goes_first_and_among_equals_who_came_first() -> None:
    """Whatever the order in which they came."""
    places, order = Places(1), list[str]()
    places.acquire(0)

    def take(name: str, rank: int) -> None:
        places.acquire(rank)
        order.append(name)
        places.release()

    with ThreadPoolExecutor(4) as pool:
        for number, (name, rank) in enumerate([("low", 1), ("high", 3), ("later", 3), ("middle", 2)], 1):
            pool.submit(take, name, rank)
            wait_until(partial(_wait, places, number), f"{name} to wait")
        assert not places.try_acquire()
        places.release()

    assert order == ["high", "later", "middle", "low"]
    assert places.try_acquire()
    assert not places.try_acquire()


def _wait(places: Places, number: int) -> bool:
    """Return whether that many wait for a place."""
    return len(places._waiting) == number


def test_the_rank_is_the_heaviest_chain_that_begins_with_a_task() -> None:
    """An image that takes long lets what it needs go before what a long row of small things needs."""
    before = {"a": [], "b": ["a"], "c": ["b"], "x": [], "image": ["x"], "end": ["c", "image"]}
    weights = {"a": 1, "b": 1, "c": 1, "x": 1, "image": 10, "end": 2}

    assert ranks(before, weights) == {"a": 5, "b": 4, "c": 3, "x": 13, "image": 12, "end": 2}


def test_a_chain_may_be_as_long_as_it_likes() -> None:
    """As of a hundred hosts that are replaced one after the other; a task that is named twice counts once."""
    before = {f"t{n}": [f"t{n - 1}"] * 2 if n else [] for n in range(5000)}

    found = ranks(before, dict.fromkeys(before, 1))

    assert [found["t0"], found["t4998"], found["t4999"]] == [5000, 2, 1]
