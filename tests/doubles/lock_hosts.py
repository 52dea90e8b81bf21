"""Hosts that are directories of this machine: the scripts of a stage's lock run here, by the same sh and flock.

The scripts are the real ones; what is missing is ssh and sudo. Compared with real hosts by
tests/integration/test_two_checkouts.py.
"""

import subprocess
from pathlib import Path
from typing import Any

from model.errors import HostError
from remote.mother.process import Running
from remote.ssh import lock_session
from remote.ssh.lock_session import LockSession


class LockHost:
    """The connection to a host.

    Args:
        root: Its directory.
        name: Its name.

    """

    def __init__(self, root: Path, name: str) -> None:
        self.name, self.root = name, root / name
        self.is_silent = self.is_frozen = False
        self.root.mkdir(exist_ok=True)
        self.sessions: list[Running] = []

    def open(self) -> None:
        """Answer, or don't."""
        if self.is_silent:
            raise HostError(f"{self.name}: ssh: no answer")

    def doubt(self) -> None:
        """Have nothing to doubt: each use looks."""

    def session(self, command: str) -> Running:
        """Run a command whose input and output stay open."""
        self.open()
        words = ["sh", "-c", "exec sleep 60" if self.is_frozen else command.removeprefix("sudo -n ")]
        running = Running(words, stdin=True, stdout=True, new_session=True)
        self.sessions.append(running)
        return running

    def script(self, text: str, **_options: Any) -> str:
        """Run a script."""
        self.open()
        here = text.replace(lock_session.LOCKS, f"{self.root}/locks").replace(
            lock_session.HISTORY, f"{self.root}/lib/history"
        )
        words = ["sh", "-eu", "-s"]
        ended = subprocess.run(words, input=here, capture_output=True, text=True, timeout=30, check=True)
        return ended.stdout.removesuffix("\n")

    def end_sessions(self) -> None:
        """End all sessions, as the connection does when it breaks."""
        for running in self.sessions:
            running.close_input()
            if self.is_frozen:
                running.kill()
        self.sessions.clear()


class LocalSession(LockSession):
    """A session whose host is a directory."""

    def __init__(self, connection: Any, name: str, *, keeps: bool) -> None:
        self._root = connection.root
        super().__init__(connection, name, keeps=keeps)

    @property
    def locks(self) -> str:
        """The directory of locks."""
        return f"{self._root}/locks"

    @property
    def history(self) -> str:
        """The directory of histories."""
        return f"{self._root}/lib/history"
