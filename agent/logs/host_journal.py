"""The host's journal, read on behind a cursor, so that nothing is read twice or left out."""

import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from agent.logs.lines import CentralLine, sendable

_FIRST = 1000
"""Lines that are read of a journal of which nothing was read yet."""
_WAITING = 1000
"""Entries that are read ahead."""
_FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER"
_PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_MILLION = 10**6


class HostJournal:
    """Follows the journal.

    Args:
        host: The host's short name.
        cursor: The last entry that was read; empty for none.

    """

    def __init__(self, host: str, cursor: str) -> None:
        self._host = host
        self.cursor = cursor
        self._process: subprocess.Popen[bytes] | None = None
        self._entries: queue.Queue[bytes | None] = queue.Queue(_WAITING)

    def read(self, most: int) -> list[CentralLine]:
        """Return the lines of the next entries; none if there is nothing new."""
        if self._process is None:
            self._begin()
        lines: list[CentralLine] = []
        while len(lines) < most and not self._entries.empty():
            raw = self._entries.get()
            if raw is None:
                # journalctl has ended; the next look starts it again.
                self._process = None
                break
            try:
                entry = json.loads(raw)
                lines += journal_lines(self._host, entry)
                self.cursor = entry["__CURSOR"]
            except (ValueError, KeyError):
                continue
        return lines

    def close(self) -> None:
        """End journalctl."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _begin(self) -> None:
        """Start journalctl behind the cursor."""
        words = ["journalctl", "--follow", "--all", "--output=json", f"--output-fields={_FIELDS}"]
        words += [f"--after-cursor={self.cursor}", "--lines=all"] if self.cursor else [f"--lines={_FIRST}"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._process = process

        def read() -> None:
            for line in process.stdout or ():
                self._entries.put(line)
            process.wait()
            self._entries.put(None)

        threading.Thread(target=read, name="journal", daemon=True).start()


def journal_lines(host: str, entry: dict[str, Any]) -> Iterator[CentralLine]:
    """Yield the lines of an entry, whose times have its microseconds and then their number, to stay in order."""
    text = entry.get("MESSAGE")
    if isinstance(text, list):
        text = bytes(text).decode(errors="replace")
    microseconds = int(entry["__REALTIME_TIMESTAMP"])
    moment = datetime.fromtimestamp(microseconds // _MILLION, UTC)
    source = str(entry.get("_SYSTEMD_UNIT") or entry.get("SYSLOG_IDENTIFIER") or "-")
    priority = str(entry.get("PRIORITY", ""))
    level = _PRIORITIES[int(priority)] if priority.isdecimal() and int(priority) < len(_PRIORITIES) else "-"
    for i, line in enumerate(str(text or "").split("\n")):
        time = f"{moment:%Y-%m-%dT%H:%M:%S}.{microseconds % _MILLION:06d}{min(i, 999):03d}Z"
        yield CentralLine(time, host, source, level, sendable(line))
