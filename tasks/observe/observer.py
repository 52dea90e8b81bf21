"""The observer of a run, which takes the live state when it is first asked for."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.observe.live_state import LiveState


class Observer:
    """Takes the live state once, and anew after `look_again`. Thread-safe.

    Args:
        take: Begins to take the live state of the whole stage.

    Attributes:
        enabled: Whether doit's tasks are compared with the live state; `doit list` does not.

    """

    def __init__(self, take: Callable[[], "LiveState"]) -> None:
        self.enabled = False
        self._take = take
        self._guard = threading.Lock()
        self._current: LiveState | None = None
        self._former: list[LiveState] = []

    @property
    def live_state(self) -> "LiveState":
        """The live state of the stage."""
        with self._guard:
            if self._current is None:
                self._current = self._take()
            return self._current

    def look_again(self) -> None:
        """Have the next question answered by a new live state. Who waits for the one before still gets its answer."""
        with self._guard:
            if self._current is not None:
                self._former.append(self._current)
                self._current = None

    def close(self) -> None:
        """Wait for no live state any more; none is begun for that."""
        for state in (*self._former, self._current):
            if state is not None:
                state.close()
