"""The repository host's part in a stage's history: the shell that holds the stage's lock there writes it."""

import threading
from collections.abc import Callable
from contextlib import suppress

from model.errors import HostError
from remote.ssh.lock_session import LockSession

_END = 10.0
"""Seconds that the host may take to write down how a run ended."""


class HistoryNotes:
    """Has the repository host write to the history, if it holds the lock. Thread-safe.

    Args:
        session: Returns the session that holds the lock there, if there is one.

    """

    def __init__(self, session: Callable[[], LockSession | None]) -> None:
        self._session, self._guard, self._begun = session, threading.Lock(), ""
        self.is_split = False
        """Whether a session broke, so that the host took this run for one that never ended: an end takes that back."""
        self._is_noted = False

    def begin(self, line: str) -> None:
        """Have it noted, now or when the host is there, that this run has begun to change something."""
        session = None
        with self._guard:
            if not self._begun:
                self._begun = line
                session = self._session()
                self._is_noted = session is not None
        if session is not None:
            with suppress(HostError):
                session.say("begin", line, "begun")

    def repeat(self, session: LockSession) -> None:
        """Have it noted in a session that just took the lock."""
        with self._guard:
            begun, self.is_split = self._begun, self.is_split or self._is_noted
            self._is_noted = bool(begun)
        if begun:
            with suppress(HostError):
                session.say("begin", begun, "begun")

    def end(self, line: str) -> bool:
        """Have it written down how this run ended; return whether it is. Of several such lines the last one counts."""
        session = self._session()
        if session is None or not session.is_held:
            return False
        try:
            session.say("end", line, "ended", _END)
        except HostError:
            return False
        return True

    def idle(self, line: str) -> None:
        """Have a run counted that had nothing to do; nobody waits for that."""
        session = self._session()
        if session is not None:
            session.say("idle", line)
