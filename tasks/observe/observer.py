"""The observer of a run, which takes the live state when it is first asked for."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.observe.live_state import LiveState


class Observer:
    """Takes the live state once. Thread-safe.

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

    @property
    def live_state(self) -> "LiveState":
        """The live state of the stage."""
        with self._guard:
            if self._current is None:
                self._current = self._take()
            return self._current

    def look_anew(self) -> None:
        """Take the live state again: it is older than what is known by now, as after another run has ended."""
        with self._guard:
            before, self._current = self._current, None
        if before is not None:
            before.close()

    @property
    def is_looking(self) -> bool:
        """Whether the live state is there, or being taken: in a run and a plan, not in `doit list`."""
        return self._current is not None

    def close(self) -> None:
        """Wait for no live state any more; none is begun for that."""
        if self._current is not None:
            self._current.close()
