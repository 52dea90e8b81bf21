"""Processes that tests start: each ends with the block that started it."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def started(words: Sequence[str | Path], **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """Start a process, and kill it at the end of the block; with a session of its own, all that it started.

    `with subprocess.Popen(...)` waits there instead: for ever, where a test fails or its time is over.

    Args:
        words: The program and its arguments.
        options: As of `subprocess.Popen`.

    """
    process = subprocess.Popen(words, **options)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            if options.get("start_new_session"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
