"""A command beside the observer, which looks in on it and never waits: one may hang in the kernel for ever."""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress

_MOST = 4096
"""Bytes of output that are kept."""


class BackgroundCommand:
    """A command that was started. `subprocess` would take 1 MB of memory for the same.

    Args:
        words: The command; its first word is a path.
        began: When, on the clock of whoever looks in.

    Raises:
        OSError: It can't be started.

    """

    def __init__(self, words: Sequence[str], began: float) -> None:
        self.began = began
        self.output, self.seconds = "", 0.0
        """Its output, and the processor time that it took; both when it has ended."""
        self._source, sink = os.pipe()
        os.set_blocking(self._source, False)
        actions = [
            (os.POSIX_SPAWN_DUP2, sink, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        try:
            self._process = os.posix_spawn(words[0], list(words), {"LC_ALL": "C"}, file_actions=actions)
        except OSError:
            os.close(self._source)
            raise
        finally:
            os.close(sink)
        self._has_ended = False

    def has_ended(self) -> bool:
        """Return whether it has ended; its output is whole then."""
        if self._has_ended:
            return True
        process, _, usage = os.wait4(self._process, os.WNOHANG)
        if process:
            self._has_ended = True
            self.seconds = usage.ru_utime + usage.ru_stime
            with suppress(BlockingIOError):
                self.output = os.read(self._source, _MOST).decode(errors="replace")
            os.close(self._source)
        return self._has_ended

    def kill(self) -> None:
        """End it; it may be a while until it has."""
        if not self._has_ended:
            os.kill(self._process, signal.SIGKILL)
