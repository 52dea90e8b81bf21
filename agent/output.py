"""What the agent tells: JSON lines on standard output, so that a machine far away can follow it."""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

_PROGRESS_PAUSE = 0.25
"""Seconds between two lines of progress."""


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

    def end(self, result: Any) -> None:
        """Tell the result."""
        self._write({"result": result})

    def fail(self, sentence: str, kind: str) -> None:
        """Tell why there is none; `kind` is `host` or `busy`."""
        self._write({"error": sentence, "kind": kind})

    def _write(self, line: Mapping[str, Any]) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
