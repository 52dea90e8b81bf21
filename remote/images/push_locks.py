"""Images that share layers are pushed one after another, until the registry has the shared layers.

Pushed at the same time, each would compress and send them all. The first does; to the others the registry then gives
them from the first's repository, and they go on while it still sends its own layers.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from model.json_types import Json

_SHORT = 12
"""Letters by which an engine names a layer in the events of a push."""
_DONE = ("Pushed", "Mounted from", "Layer already exists")
"""How the status of an event begins when the registry has a layer."""


class Mutex(Protocol):
    """A lock between the tasks of one run, such as `threading.Lock`."""

    def acquire(self) -> bool:
        """Take it."""

    def release(self) -> None:
        """Let it go."""

    def __enter__(self) -> bool:
        """Take it."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Let it go."""


@contextmanager
def push_lock(lock: Callable[[str], Mutex], layers: Sequence[str]) -> Iterator[Callable[[Json], None]]:
    """Lock an image's layers while the image is pushed, so that nobody else sends one of them.

    Args:
        lock: Returns the lock of a name.
        layers: The digests of the layers.

    Yields:
        The function that takes each event of the push, and releases the layers that the registry has.

    """
    names = {layer.rpartition(":")[2] for layer in layers}
    # In an order that is the same for all: no two wait for each other.
    locks = {name[:_SHORT]: lock(f"pushing {name}") for name in sorted(names)}
    held: list[str] = []

    def release(event: Json) -> None:
        if event.get("id") in held and str(event.get("status", "")).startswith(_DONE):
            held.remove(event["id"])
            locks[event["id"]].release()

    try:
        for name, layer_lock in locks.items():
            layer_lock.acquire()
            held.append(name)
        yield release
    finally:
        for name in held:
            locks[name].release()
