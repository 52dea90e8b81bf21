"""How agents' progress and generations are shown."""

import sys
import threading
import time
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, TextIO

from commands.operate.status_lines import size_words
from commands.shared.console import ConsoleLog, is_live
from tasks.backup.site_backups import local_time

_LIVE, _PLAIN = 0.5, 30.0
"""Seconds between two lines of progress: on a terminal, where one line is written anew, and elsewhere."""


class AgentProgress:
    """Shows what agents say: their sentences as lines, their progress in one line on a terminal, else now and then.

    Args:
        out: Where to.

    """

    def __init__(self, out: TextIO) -> None:
        self._log, self._live = ConsoleLog(out), is_live(sys.stderr)
        self._guard = threading.Lock()
        self._began: dict[tuple[str, str, str], float] = {}
        self._shown = time.monotonic()
        self._is_dirty = False

    def __call__(self, host: str, said: Mapping[str, Any]) -> None:
        """Show what a host's agent says."""
        with self._guard:
            if text := said.get("say"):
                self._clear()
                self._log(f"{host}: {text}")
            elif progress := said.get("progress"):
                self._progress(host, progress)

    def _progress(self, host: str, progress: Mapping[str, Any]) -> None:
        now = time.monotonic()
        key = (host, str(progress["service"]), str(progress["doing"]))
        began = self._began.setdefault(key, now)
        if now - self._shown < (_LIVE if self._live else _PLAIN):
            return
        self._shown = now
        line = f"{host}: {progress_words(progress, now - began)}"
        if self._live:
            sys.stderr.write(f"\r{line}\x1b[K")
            sys.stderr.flush()
            self._is_dirty = True
        else:
            self._log(line)

    def end(self) -> None:
        """Take the line of progress away."""
        with self._guard:
            self._clear()

    def _clear(self) -> None:
        if self._is_dirty:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._is_dirty = False


def progress_words(progress: Mapping[str, Any], seconds: float) -> str:
    """Return how far something is: what, bytes, rate, and how long the rest may take.

    Args:
        progress: What an agent says.
        seconds: How long it is at that.

    """
    done, of = int(progress["bytes"]), int(progress["of"])
    words = f"{progress['service']}: {progress['doing']}".removeprefix(": ")
    if not done:
        return f"{words} {size_words(of)}" if of else words
    # An archive, and restic's own files, have more bytes than the data.
    done = min(done, of) if of else done
    words += f" {size_words(done)} of {size_words(of)}" if of else f" {size_words(done)}"
    if seconds > 1 and (done < of or not of):
        rate = done / seconds
        words += f", {size_words(rate)}/s"
        words += f", {(of - done) / rate:.0f} s left" if of else ""
    return words


def generation_words(generation: Mapping[str, Any], zone: tzinfo) -> str:
    """Return a generation in a few words: id, time in a time zone, size, hive."""
    size = size_words(int(generation["bytes"] or 0))
    return (
        f"{generation['id']} of {local_time(generation['time'], zone)} ({size}, made on {generation['host']})"
    )
