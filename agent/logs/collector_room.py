"""Stops the collector before the disk of its files is full: rsyslog confirms lines that it can't write, and drops them.

Its unit refuses to start there as well, as at a boot. It is started again when there is room. What hosts say meanwhile
waits on them, and the registry beside it goes on.
"""

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_SELDOM = 10.0
"""Seconds between two looks at the unit where there is room."""
_TIMEOUT = 120.0
_STOPS_IN = {"active", "activating", "reloading"}
_REFUSED = "exec-condition"
"""The result of a unit that did not start as its `ExecCondition` does not hold."""


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
        self._is_stopped = mark.exists()
        self.is_full = self._is_stopped
        """Whether the unit takes nothing, for want of room."""
        self._seldom_at = 0.0

    def look(self) -> None:
        """Stop the unit, or start it again, where that is due: by what it does, whoever started it.

        Raises:
            OSError: The disk can't be looked at, or systemd not be asked.
            SubprocessError: systemd does not answer, or refuses.

        """
        disk = os.statvfs(self._directory)
        free = disk.f_bavail * disk.f_frsize
        if free < self._least:
            self.is_full = True
            if self._state()[0] in _STOPS_IN:
                self._stop(free)
        elif free >= self._least + self._least // 4 and time.monotonic() >= self._seldom_at:
            self._seldom_at = time.monotonic() + _SELDOM
            active, result = self._state()
            if active == "inactive" and (self._is_stopped or result == _REFUSED):
                self._systemctl("start")
                self._say(f"{self._directory}: {free >> 20} MB are free: the collector takes lines again")
            if self._is_stopped:
                self._mark.unlink(missing_ok=True)
                self._is_stopped = False
            self.is_full = False

    def _stop(self, free: int) -> None:
        """Stop the unit, and note that for the next process."""
        self._is_stopped = True
        with suppress(OSError):  # no room for that either
            self._mark.touch()
        self._systemctl("stop")
        self._say(
            f"{self._directory}: {free >> 20} MB are free: the collector takes no lines until there are more"
        )

    def _state(self) -> tuple[str, str]:
        """Return whether the unit is active, and how it ended, in systemd's words."""
        told = self._systemctl("show", "--property=ActiveState,Result")
        words = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
        return words.get("ActiveState", ""), words.get("Result", "")

    def _systemctl(self, *words: str) -> str:
        """Give an order about the unit, and return what is said."""
        done = subprocess.run(
            ["systemctl", *words, self._unit],
            check=True,
            timeout=_TIMEOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout
