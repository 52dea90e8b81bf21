"""Values that a run looks up once."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Values by key, each looked up once, by one thread at a time: all hosts of a run come to the same image."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[K, V] = {}

    def get(self, key: K, look_up: Callable[[], V]) -> V:
        """Return the value of a key, looked up if it is not known yet."""
        with self._lock:
            if key not in self._values:
                self._values[key] = look_up()
            return self._values[key]
