"""Pushing a layer while the layers on top of it are built.

An engine compresses a layer before it sends it, which for a layer of packages takes as long as to install them. So a
layer goes to the registry as soon as it is committed, under a tag of its own; the image's push then meets it there. The
tag keeps it from being collected until the image has it (`remote.images.registry_gc`).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from docker import DockerClient

from model.errors import BuildError, SkepError
from model.json_types import Json
from model.log import Log
from remote.engine.client import engine_errors
from remote.images.push_locks import Mutex
from remote.images.registry import RegistryClient, SiteRegistry
from remote.images.registry_storage import PUSHED_LAYERS

WORTH = 4_000_000
"""Bytes of a layer for which it is worth while: smaller ones are sent with the image in no time."""


class EarlyPushes:
    """The pushes of one image's layers, each in a thread of its own that ends with doit.

    One that fails is only logged, since the image's own push sends what the registry lacks.

    Args:
        client: The repository host's engine.
        host: Its name, for messages.
        registry: The site's registry.
        lock: Returns the lock of a name, as all pushes share it.
        log: Takes a line for the log.

    """

    def __init__(
        self,
        client: DockerClient,
        host: str,
        registry: SiteRegistry,
        lock: Callable[[str], Mutex],
        log: Log,
    ) -> None:
        self._client, self._host, self._log = client, host, log
        self._address = registry
        self._registry = RegistryClient(client, host, registry, lock, self._say)
        self._threads: list[threading.Thread] = []
        self._is_over = threading.Event()

    def begin(self, layer: Json, parent: Json, key: str) -> None:
        """Begin to push a layer that was just committed, if it is worth while.

        Args:
            layer: The attributes of its image.
            parent: Those of the image that it is on.
            key: Its key, which is its tag.

        """
        if int(layer.get("Size", 0)) - int(parent.get("Size", 0)) < WORTH:
            return
        thread = threading.Thread(target=self._push, args=(str(layer["Id"]), key), daemon=True)
        self._threads.append(thread)
        thread.start()

    def end(self) -> None:
        """Wait until all have ended, which after the image's own push they have but for a moment."""
        for thread in self._threads:
            thread.join()
        self._is_over.set()

    @contextmanager
    def abandoned_on_error(self) -> Iterator[None]:
        """Let them go on, and say nothing more, if what is done within fails: then the task ends, and its log."""
        try:
            yield
        except BaseException:
            self._is_over.set()
            raise

    def _push(self, image: str, key: str) -> None:
        """Push a layer, and remove the name that the engine needs for it."""
        self._say(f"pushing layer {key[:12]} already")
        try:
            with engine_errors(self._host, f"pushing layer {key[:12]}", BuildError):
                try:
                    self._registry.push(image, PUSHED_LAYERS, key)
                finally:
                    self._client.images.remove(self._address.reference(PUSHED_LAYERS, key), noprune=True)
        except SkepError as error:
            self._say(f"layer {key[:12]} is pushed with the image: {error}")

    def _say(self, line: str) -> None:
        """Log a line, unless the task has ended."""
        if not self._is_over.is_set():
            self._log(line)
