"""Stops the collector before the disk of its files is full: rsyslog confirms lines that it can't write, and drops them.

It is started again when there is room. What hosts say meanwhile waits on them, and the registry beside it goes on.
"""

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

_PAUSE = 1.0
"""Seconds between two looks."""
_TIMEOUT = 60.0


class CollectorRoom:
    """Watches the disk that a unit writes to.

    Args:
        unit: The unit.
        directory: Where its files are.
        least: Bytes that must be free.
        mark: A file that is there while the unit is stopped for this.
        say: Takes a sentence.

    """

    def __init__(
        self, unit: str, directory: Path, least: int, mark: Path, say: Callable[[str], None]
    ) -> None:
        self._unit, self._directory, self._least, self._mark, self._say = unit, directory, least, mark, say

    def watch(self, stopped: threading.Event) -> None:
        """Look again and again, in a thread of its own, until it is stopped."""

        def look() -> None:
            while not stopped.wait(_PAUSE):
                self.look()

        threading.Thread(target=look, name="room", daemon=True).start()

    def look(self) -> None:
        """Stop the unit, or start it again, where that is due."""
        try:
            disk = os.statvfs(self._directory)
        except OSError:
            return
        free, was_stopped = disk.f_bavail * disk.f_frsize, self._mark.exists()
        if free < self._least and not was_stopped:
            self._mark.touch()
            self._say(
                f"{self._directory}: {free >> 20} MB are free: the collector takes no lines until there are more"
            )
            self._order("stop")
        elif was_stopped and free >= self._least + self._least // 4:
            self._say(f"{self._directory}: {free >> 20} MB are free: the collector takes lines again")
            self._order("start")
            self._mark.unlink(missing_ok=True)

    def _order(self, word: str) -> None:
        """Have systemd stop or start the unit."""
        subprocess.run(
            ["systemctl", word, self._unit], check=False, timeout=_TIMEOUT, stdin=subprocess.DEVNULL
        )
