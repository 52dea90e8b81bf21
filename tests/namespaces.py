"""Network namespaces of this checkout's own, for tests that send packets.

Their names have this process's id: two workers of a run don't meet, and those of a run that was killed are known, with
the processes in them, and removed before the next.
"""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.rig import CHECKOUT

_PREFIX = f"sk{CHECKOUT}"


class Namespaces:
    """Some namespaces of a test.

    Args:
        purpose: The test's own word, without a dot.

    """

    def __init__(self, purpose: str) -> None:
        self._mark = f"{_PREFIX}.{os.getpid()}.{purpose}."
        self._started: list[subprocess.Popen[bytes]] = []

    def name(self, short: str) -> str:
        """Return the name of one."""
        return f"{self._mark}{short}"

    def add(self, *shorts: str) -> None:
        """Make them, after those that a killed test left were removed."""
        for found in _names():
            if found.startswith(_PREFIX) and (found.startswith(self._mark) or not _is_at_work(found)):
                _remove(found)
        for short in shorts:
            subprocess.run(["ip", "netns", "add", self.name(short)], check=True)

    def command(self, short: str, *words: str) -> list[str]:
        """Return the command that runs another one in a namespace."""
        return ["ip", "netns", "exec", self.name(short), *words]

    def start(self, short: str, *words: str) -> None:
        """Start a program in a namespace, which runs as long as that is there."""
        self._started.append(subprocess.Popen(self.command(short, *words)))

    def remove(self) -> None:
        """Remove them, and end the processes in them."""
        for process in self._started:
            process.kill()
            process.wait(timeout=10)
        for found in _names():
            if found.startswith(self._mark):
                _remove(found)


def _names() -> list[str]:
    """Return the names of this machine's namespaces."""
    done = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True)
    return [line.split()[0] for line in done.stdout.splitlines() if line.strip()]


def _is_at_work(name: str) -> bool:
    """Return whether the process that made a namespace still runs."""
    return Path("/proc", name.split(".")[1]).exists()


def _remove(name: str) -> None:
    """Remove a namespace; another run may do so at the same time."""
    inside = subprocess.run(["ip", "netns", "pids", name], check=False, capture_output=True, text=True)
    for process in inside.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
