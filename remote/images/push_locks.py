"""Images that share layers are pushed in turns, as far as the registry does not have the shared ones yet.

Pushed at the same time, each would compress and send them all. The first does; to the others the registry then gives
them from the first's repository, and they go on while it still sends what is its own.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from model.json_types import Json

_SHORT = 12
"""Letters by which an engine names a layer in what it says of a push."""
_THERE = ("Pushed", "Mounted from", "Layer already exists")
"""How what it says begins when the registry has a layer."""


@contextmanager
def turn(lock: Callable[[str], threading.Lock], layers: Sequence[str]) -> Iterator[Callable[[Json], None]]:
    """Wait until nobody else is sending any of an image's layers; give what is to hear the events of its push.

    Args:
        lock: Returns the lock of a name.
        layers: The digests of the layers.

    """
    names = {layer.rpartition(":")[2] for layer in layers}
    # In an order that is the same for all: no two wait for each other.
    held = {name[:_SHORT]: lock(f"pushing {name}") for name in sorted(names)}
    mine: list[str] = []

    def heard(event: Json) -> None:
        if event.get("id") in mine and str(event.get("status", "")).startswith(_THERE):
            mine.remove(event["id"])
            held[event["id"]].release()

    try:
        for name, each in held.items():
            each.acquire()
            mine.append(name)
        yield heard
    finally:
        for name in mine:
            held[name].release()
