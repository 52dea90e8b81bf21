"""Stops the collector before the disk of its files is full: rsyslog confirms lines that it can't write, and drops them.

Full is also a disk that has no room for more files, as each name has its own, and one that became read-only by a fault.

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
_LEAST_FILES = 1000
"""Files that may be made on the disk: each service and host has one, and another one when it is begun anew."""
_MOUNTS = Path("/proc/self/mountinfo")
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
        if lack := self._lack(disk, self._least, _LEAST_FILES):
            self.is_full = True
            if self._state()[0] in _STOPS_IN:
                self._stop(lack)
        elif time.monotonic() >= self._seldom_at and not self._lack(
            disk, self._least + self._least // 4, _LEAST_FILES + _LEAST_FILES // 4
        ):
            free = disk.f_bavail * disk.f_frsize
            self._seldom_at = time.monotonic() + _SELDOM
            active, result = self._state()
            if active == "inactive" and (self._is_stopped or result == _REFUSED):
                self._systemctl("start")
                self._say(f"{self._directory}: {free >> 20} MB are free: the collector takes lines again")
            if self._is_stopped:
                self._mark.unlink(missing_ok=True)
                self._is_stopped = False
            self.is_full = False

    def _lack(self, disk: os.statvfs_result, least: int, files: int) -> str:
        """Return what keeps the collector from writing, and until when; empty if nothing does.

        Args:
            disk: The disk.
            least: Bytes that must be free.
            files: Files that it must be possible to make, where the file system has a number of them.

        """
        free = disk.f_bavail * disk.f_frsize
        if is_read_only(self._directory):
            return "the file system is read-only: the collector takes no lines until it can be written to"
        if free < least:
            return f"{free >> 20} MB are free: the collector takes no lines until there are more"
        if disk.f_files and disk.f_favail < files:
            return f"{disk.f_favail} inodes are free: the collector takes no lines until there are more"
        return ""

    def _stop(self, lack: str) -> None:
        """Stop the unit, and note that for the next process."""
        self._is_stopped = True
        with suppress(OSError):  # no room for that either
            self._mark.touch()
        self._systemctl("stop")
        self._say(f"{self._directory}: {lack}")

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


def is_read_only(directory: Path, mounts: Path = _MOUNTS) -> bool:
    """Return whether the file system of a directory is read-only, not only for this process, as by its unit.

    Raises:
        OSError: The directory, or the list of what is mounted, can't be read.

    """
    device = directory.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.read_text().splitlines():
        # https://www.kernel.org/doc/html/latest/filesystems/proc.html: options of the file system are the last field.
        mount, _, system = line.partition(" - ")
        if mount.split()[2] == number:
            return "ro" in system.split()[-1].split(",")
    return False
