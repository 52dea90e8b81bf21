"""The logs of tasks, without any secret."""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from model.errors import StateError
from model.secrets.secret import SHORTEST, BinarySecret, Secret, UnknownSecret


class Redactor:
    """Takes secrets out of texts. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hidden: tuple[str, ...] = ()

    def redact(self, text: str) -> str:
        """Return a text without any secret that was hidden."""
        for hidden in self._hidden:
            text = text.replace(hidden, "[redacted]")
        return text

    def hide(self, secret: Secret, template: str = "") -> None:
        """Keep a secret out of texts from now on: each of its lines, since logs are written by line.

        Of a secret that is no text, each printable piece: a log has them beside signs for what can't be printed.

        Args:
            secret: The secret.
            template: The text that it was rendered from; lines that are in there as well are no secret.

        """
        if isinstance(secret, UnknownSecret):
            return
        known = {_bare(line) for line in template.splitlines()}
        # Bare, as programs print it. A text of short lines only is hidden where it stands as a whole.
        cuts = _pieces(secret.data) if isinstance(secret, BinarySecret) else _cuts(secret.reveal())
        lines = {line for text in cuts if len(line := _bare(text)) >= SHORTEST} - known
        with self._lock:
            # A new tuple instead of a longer one: other threads may be iterating over this one.
            if not lines <= set(self._hidden):
                # The longest first: one may be the beginning of another.
                self._hidden = tuple(sorted(lines.union(self._hidden), key=len, reverse=True))


def _cuts(text: str) -> list[str]:
    """Return a text's lines, as a log has them, and the text as a whole."""
    return [*text.splitlines(), text]


def _pieces(data: bytes) -> Iterator[str]:
    """Yield the printable pieces of data, as a log has them that reads it as UTF-8, and as Latin-1."""
    for text in (data.decode(errors="replace").replace("\ufffd", "\0"), data.decode("latin-1")):
        yield from "".join(char if char.isprintable() else "\0" for char in text).split("\0")


def _bare(line: str) -> str:
    """Return a line without white space and byte order mark round it."""
    return line.strip().strip("\ufeff").strip()


_ONLY_FOUND = re.compile(
    r"because: |done in |found |(\S+: )?waiting for |\S+: lets in |reading the copy of |a copy of the stage's secrets "
    r"|\S+ is node |packets of |\d+ of \d+ tasks run|made \S+/secrets/"
)
"""How lines begin that say nothing of a change."""


class TaskLog:
    """The full output of one task's last run, in a file; the last line is kept for the screen."""

    def __init__(self, path: Path, redact: Callable[[str], str]) -> None:
        """Begin the file anew."""
        self.path = path
        self._redact = redact
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise StateError(f"{path}: the log can't be written: {error.strerror}") from error
        self.last = ""
        self.tells_of_change = False
        """Whether a line told of a change: where all is as it should be, a step says that it found it, or nothing."""

    def write(self, line: str) -> None:
        """Add a line, with the time and without secrets."""
        self.last = self._redact(line)
        self.tells_of_change = self.tells_of_change or not _ONLY_FOUND.match(line)
        # The task matters more than its log: a full disk shows when the record is written.
        with contextlib.suppress(OSError):
            self._file.write(f"{time.strftime('%H:%M:%S')} {self.last}\n")

    def close(self) -> None:
        """End the file."""
        with contextlib.suppress(OSError):
            self._file.close()
