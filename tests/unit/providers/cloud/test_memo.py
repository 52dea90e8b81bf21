"""Values that are looked up once."""

import threading
import time

import pytest

from providers.cloud.memo import Memo


def test_several_threads_look_up_once() -> None:
    """All get the same value, and each key has its own."""
    memo: Memo[str, object] = Memo()
    lookups: list[str] = []

    def look_up() -> object:
        lookups.append("asked")
        time.sleep(0.01)
        return object()

    values: list[object] = []
    threads = [threading.Thread(target=lambda: values.append(memo.get("a", look_up))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert len(lookups) == 1
    assert len(set(map(id, values))) == 1
    assert memo.get("b", look_up) is not values[0]


def test_a_failure_is_not_kept() -> None:
    """The next one who asks looks again."""
    memo: Memo[str, str] = Memo()

    def fail() -> str:
        raise ValueError("busy")

    with pytest.raises(ValueError, match="busy"):
        memo.get("a", fail)
    assert memo.get("a", lambda: "found") == "found"
