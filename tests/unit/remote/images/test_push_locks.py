"""Pushes of images that share layers."""

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from remote.images.push_locks import push_lock

BASE, WEB, API = (f"sha256:{letter * 64}" for letter in "abc")


class Locks:
    """Locks by name, as a run has them."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def __call__(self, name: str) -> threading.Lock:
        """Return the lock of a name."""
        return self._locks[name]

    def free(self) -> bool:
        """Return whether nobody holds any."""
        return not any(lock.locked() for lock in self._locks.values())


@pytest.mark.parametrize(
    "said",
    ["Pushed", "Layer already exists", "Mounted from base/debian-12"],
    ids=lambda said: said.split()[0],
)
def test_the_next_goes_on_when_what_they_share_is_there(said: str) -> None:
    """It waits while the shared layer is on its way, and not for what is the first one's own."""
    locks, went_on = Locks(), threading.Event()

    def second() -> None:
        with push_lock(locks, [BASE, API]):
            went_on.set()

    with ThreadPoolExecutor() as pool, push_lock(locks, [BASE, WEB]) as release:
        other = pool.submit(second)
        for status in ("Preparing", "Waiting", "Pushing"):
            release({"id": "a" * 12, "status": status})
        release({"id": "b" * 12, "status": "Pushing"})
        assert not went_on.is_set()
        assert locks("pushing " + "a" * 64).locked()
        release({"id": "a" * 12, "status": said})
        other.result(timeout=120)
        assert locks("pushing " + "b" * 64).locked()
    assert locks.free()


def test_what_share_nothing_do_not_wait() -> None:
    """Two at the same time, each inside the other."""
    locks = Locks()

    with push_lock(locks, [WEB]), push_lock(locks, [API]):
        pass

    assert locks.free()


def test_a_push_that_fails_is_waited_for_no_longer() -> None:
    """Whatever it had sent, its layers are free again; events without a layer, or said twice, mean nothing."""
    locks = Locks()

    def push() -> None:
        with push_lock(locks, [BASE, WEB]) as release:
            release({"status": "The push refers to repository [x]"})
            release({"id": "latest", "status": "Pushed"})
            release({"id": "a" * 12, "status": "Pushed"})
            release({"id": "a" * 12, "status": "Pushed"})
            raise OSError("broke")

    with pytest.raises(OSError, match="broke"):
        push()

    assert locks.free()


def test_no_two_wait_for_each_other() -> None:
    """Images with the same layers in another order, again and again: all come to their end."""
    locks = Locks()

    def push(layers: list[str]) -> None:
        for _ in range(200):
            with push_lock(locks, layers):
                pass

    with ThreadPoolExecutor(4) as pool:
        pushes = [pool.submit(push, layers) for layers in ([BASE, WEB, API], [API, WEB, BASE]) * 2]
        for each in pushes:
            each.result(timeout=120)
