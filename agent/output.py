"""What the agent tells: JSON lines on standard output, so that a machine far away can follow it."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_PROGRESS_PAUSE = 0.25
"""Seconds between two lines of progress."""
_WATCH_PAUSE = 0.5
"""Seconds between two looks at how far something is."""


class Output:
    """Standard output, a JSON object a line: `say` and `progress` meanwhile, `result` or `error` at last."""

    def __init__(self) -> None:
        self._last = 0.0

    def say(self, text: str) -> None:
        """Tell a sentence."""
        self._write({"say": text})

    def progress(self, doing: str, *, done: int = 0, of: int = 0, service: str = "") -> None:
        """Tell how far something is.

        Args:
            doing: What is done, as in `reading`.
            done: Bytes that are done.
            of: Bytes in all; 0 if that is not known.
            service: The service it is done for.

        """
        now = time.monotonic()
        if now - self._last >= _PROGRESS_PAUSE:
            self._last = now
            self._write({"progress": {"doing": doing, "service": service, "bytes": done, "of": of}})

    @contextmanager
    def watching(
        self,
        doing: str,
        done: Callable[[], int],
        *,
        of: int = 0,
        service: str = "",
        pause: float | None = None,
    ) -> Iterator[None]:
        """Tell again and again how far something is, while it is done.

        Args:
            doing: What is done, as in `dumping`.
            done: Returns the bytes that are done by now; called in a thread of its own, and never afterwards.
            of: Bytes in all; 0 if that is not known.
            service: The service it is done for.
            pause: Seconds between two looks; by default half a second.

        """
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_WATCH_PAUSE if pause is None else pause):
                self.progress(doing, done=done(), of=of, service=service)

        self.progress(doing, of=of, service=service)
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def end(self, result: Any) -> None:
        """Tell the result."""
        self._write({"result": result})

    def fail(self, sentence: str, kind: str) -> None:
        """Tell why there is none; `kind` is `host` or `busy`."""
        self._write({"error": sentence, "kind": kind})

    def _write(self, line: Mapping[str, Any]) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
