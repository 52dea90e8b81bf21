"""The host's journal, read on behind a cursor, so that nothing is read twice or left out."""

import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from agent.errors import reason_of
from agent.logs.lines import NOTE, CentralLine, pieces, sendable
from agent.logs.troubles import JOURNAL_TROUBLE, Troubles

_FIRST = 1000
"""Lines that are read of a journal of which nothing was read yet."""
_WAITING = 1000
"""Entries that are read ahead."""
_FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER"
_PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_MILLION = 10**6
PAUSE = 10.0
"""Seconds until a journalctl that ended is started again."""
_JOURNALCTL = "journalctl"
_CUT = "lines before this one may be missing or come twice: journalctl refused the place up to which they were read"


class HostJournal:
    """Follows the journal.

    Args:
        host: The host's short name.
        cursor: The last entry that was read; empty for none.
        troubles: Takes why journalctl ended.

    """

    def __init__(self, host: str, cursor: str, troubles: Troubles) -> None:
        self._host, self._troubles = host, troubles
        self.cursor = cursor
        self._process: subprocess.Popen[bytes] | None = None
        self._entries: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._words = ""
        """What journalctl said last of its own."""
        self._starts_at = 0.0
        self._works_at = 0.0
        """From when on a journalctl that has not ended by then is one that works."""
        self._is_cut = False
        """Whether the next entry is not the one after the last that was read."""

    def read(self, most: int) -> list[CentralLine]:
        """Return the lines of the next entries; none if there is nothing new."""
        if self._process is None and not self._begin():
            return []
        if time.monotonic() > self._works_at:
            self._troubles.end(JOURNAL_TROUBLE)  # also where nobody says anything
        lines: list[CentralLine] = []
        while len(lines) < most and not self._entries.empty():
            raw = self._entries.get()
            if raw is None:
                self._ended()
                break
            try:
                entry = json.loads(raw)
                self.cursor = entry["__CURSOR"]
                found = list(journal_lines(self._host, entry))
            except (ValueError, KeyError, TypeError, OverflowError):
                continue
            self._troubles.end(JOURNAL_TROUBLE)
            if self._is_cut:
                self._is_cut = False
                lines.append(CentralLine(found[0].time, self._host, _JOURNALCTL, NOTE, _CUT))
            lines += found
        return lines

    def close(self) -> None:
        """End journalctl."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _ended(self) -> None:
        """Say why journalctl has ended; it is started again after a pause, where it refused the cursor without one."""
        status = self._process.wait() if self._process is not None else 0
        self._process = None
        self._starts_at = time.monotonic() + PAUSE
        self._troubles.begin(
            JOURNAL_TROUBLE, f"journalctl ended with {status} ({self._words or 'without a word'})"
        )
        if status and self.cursor and "cursor" in self._words:
            self.cursor, self._is_cut = "", True

    def _begin(self) -> bool:
        """Start journalctl behind the cursor, and return whether it could be."""
        if time.monotonic() < self._starts_at:
            return False
        words = [_JOURNALCTL, "--follow", "--all", "--output=json", f"--output-fields={_FIELDS}"]
        words += [f"--after-cursor={self.cursor}", "--lines=all"] if self.cursor else [f"--lines={_FIRST}"]
        try:
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            self._starts_at = time.monotonic() + PAUSE
            self._troubles.begin(JOURNAL_TROUBLE, f"journalctl can't be started ({reason_of(error)})")
            return False
        self._process, self._words = process, ""
        self._works_at = time.monotonic() + PAUSE

        def listen() -> None:
            for line in process.stderr or ():
                self._words = line.decode(errors="replace").strip()

        listening = threading.Thread(target=listen, name="journalctl's words", daemon=True)
        listening.start()

        def read() -> None:
            with process:
                for line in process.stdout or ():
                    self._entries.put(line)
                listening.join()
            self._entries.put(None)

        threading.Thread(target=read, name="journal", daemon=True).start()
        return True


def journal_lines(host: str, entry: dict[str, Any]) -> Iterator[CentralLine]:
    """Yield the lines of an entry, whose times have its microseconds and then their number, to stay in order."""
    microseconds = int(entry["__REALTIME_TIMESTAMP"])
    moment = datetime.fromtimestamp(microseconds // _MILLION, UTC)
    source = _text(entry.get("_SYSTEMD_UNIT")) or _text(entry.get("SYSLOG_IDENTIFIER"))
    priority = _text(entry.get("PRIORITY"))
    level = _PRIORITIES[int(priority)] if priority.isdecimal() and int(priority) < len(_PRIORITIES) else "-"
    for i, line in enumerate(_text(entry.get("MESSAGE")).split("\n")):
        when = f"{moment:%Y-%m-%dT%H:%M:%S}.{microseconds % _MILLION:06d}{min(i, 999):03d}Z"
        for piece, goes_on in pieces(line):
            yield CentralLine(when, host, source, level, sendable(piece), goes_on)


def _text(value: Any) -> str:
    """Return a field's value: a list of numbers is bytes that are no text, another list a field that is there twice.

    https://systemd.io/JOURNAL_EXPORT_FORMATS/#journal-json-format
    """
    if isinstance(value, list):
        if all(isinstance(each, int) for each in value):
            return bytes(value).decode(errors="replace")
        return "\n".join(map(_text, value))
    return str(value or "")
