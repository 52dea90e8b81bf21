"""The history of a stage's runs, as one of them writes it: its beginning when it first changes something, and its end.

A run that has nothing to do is only counted. None of the texts holds a secret that the run has read.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.history import HistoryLine
from remote.mother import process
from remote.ssh.ssh_files import now
from tasks.run.stage_lock import StageLock

DONE, FAILED, INTERRUPTED, LOST = "done", "failed", "interrupted", "lost the lock"
"""How a run ends."""
HALTING, HALTED, DESTROYING, DESTROYED = "halting", "halted", "destroying", "destroyed"
"""How `doit halt` and `doit destroy` end. Where the host that writes it goes down itself, it stays at the first."""
LONGEST_COMMAND = 300
_GIT_TIMEOUT = 20.0


@dataclass(frozen=True)
class Commit:
    """The commit that a site's directory is at.

    Args:
        name: As `git describe` says it.
        is_dirty: Whether files of the directory are in no commit.

    """

    name: str = ""
    is_dirty: bool = False


def commit_of(directory: Path) -> Commit:
    """Return the commit of a site's directory; an empty one where there is no git, no commit, or it takes too long.

    Changes elsewhere in the repository don't count; files that git ignores, as state/, don't either.
    """
    git = ["git", "-C", str(directory)]
    with suppress(OSError):
        described = process.run([*git, "describe", "--always", "--tags", "--abbrev=12"], timeout=_GIT_TIMEOUT)
        if described.ok:
            # Nobody's own git has to wait for this one.
            git.insert(1, "--no-optional-locks")
            changes = process.run([*git, "status", "--porcelain", "--", "."], timeout=_GIT_TIMEOUT)
            return Commit(described.output.strip(), is_dirty=bool(changes.output.strip()) or not changes.ok)
    return Commit()


class RunHistory:
    """The part of one run in its stage's history. Thread-safe.

    Args:
        stage_lock: The stage's lock, whose repository host writes it.
        directory: The site's.
        facts: Returns what the run has done, by the names that a line has.
        redact: Takes secrets out of a text.

    """

    def __init__(
        self,
        stage_lock: StageLock,
        directory: Path,
        facts: Callable[[], Mapping[str, Any]],
        redact: Callable[[str], str],
    ) -> None:
        self._lock, self._directory, self._facts, self._redact = stage_lock, directory, facts, redact
        self._guard = threading.Lock()
        self._command = ""
        self._began, self._clock = "", 0.0
        self._commit = Commit()
        self._writing: threading.Thread | None = None
        self._has_ended = self._is_certain = False

    def open(self, command: str) -> None:
        """Keep the run's command and the time; nothing is written yet."""
        self._command, self._began, self._clock = command[:LONGEST_COMMAND], now(), time.monotonic()
        self._writing, self._has_ended, self._is_certain = None, False, False

    def begin(self, *, is_certain: bool = False) -> None:
        """Note that the run is about to change something, once; nobody waits for that.

        Args:
            is_certain: Whether it has a line whatever comes of it. One that only finds things, as the first one of a
                fresh clone, else is counted as one with nothing to do.

        """
        with self._guard:
            self._is_certain = self._is_certain or is_certain
            if self._writing is None and self._began:
                self._writing = threading.Thread(target=self._begin, name="history", daemon=True)
                self._writing.start()

    def _begin(self) -> None:
        """Look for the commit, and have the beginning written."""
        self._commit = commit_of(self._directory)
        self._lock.notes.begin(self._text(""))

    def end(self, outcome: str) -> bool:
        """Have the end written, once; return False where it had to be, and could not."""
        if self._has_ended or not self._began:
            return True
        self._has_ended = True
        if self._writing is not None:
            # Who has lost the lock must be gone before another one has it.
            self._writing.join(0 if outcome == LOST else 2 * _GIT_TIMEOUT)
        facts = self._facts()
        changed_nothing = outcome == DONE and not (facts["changed"] or facts["failed"] or self._is_certain)
        if self._writing is None or (changed_nothing and not self._lock.notes.is_split):
            self._lock.notes.idle(self._text(outcome))
            return True
        return self._lock.notes.end(self._text(outcome))

    def going_down(self, outcome: str) -> None:
        """Have it written that the host that writes this goes down now; `end` corrects that if the host stays."""
        if self._writing is not None:
            self._writing.join(2 * _GIT_TIMEOUT)
        self._lock.notes.end(self._text(outcome))

    def went_down(self) -> None:
        """Write no end: the host that writes it is gone."""
        self._has_ended = True

    @property
    def has_changes(self) -> bool:
        """Whether the run has begun to change something."""
        return self._writing is not None

    def _text(self, outcome: str) -> str:
        """Return the run's line."""
        line = HistoryLine(
            id=self._lock.token,
            who=self._lock.who,
            directory=self._redact(str(self._directory)),
            command=self._redact(self._command),
            job=self._lock.job,
            began=self._began,
            ended=now() if outcome else "",
            seconds=time.monotonic() - self._clock,
            commit=self._commit.name,
            is_dirty=self._commit.is_dirty,
            outcome=outcome,
            **self._facts(),
        )
        # Redacted before: JSON writes quotes and backslashes of a secret in another way.
        return json.dumps(line.data(), ensure_ascii=False, separators=(",", ":"))
