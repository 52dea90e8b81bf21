"""When backups are due, as systemd reckons the schedule's times: what is late is told by it, not by a fixed age."""

import re
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from agent.backup.config import HiveConfig
from agent.backup.hive.journal import STATE, Journal

NOTE = STATE / "schedule.json"
_ITERATIONS = 200
"""Times that are looked at: of a schedule of each working hour they have its weekends, too."""
_ELAPSE = re.compile(
    r"^ *(?:Next elapse|Iter\S* #\d+|\(in UTC\)): \w+ (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC$", re.MULTILINE
)


def note_schedule(config: HiveConfig, note: Path = NOTE) -> dict[str, Any]:
    """Note how far apart a schedule's times are, when each service is due first, and since when trials are made so.

    A service that is known already keeps its time, unless the schedule is another one.

    Args:
        config: The hive's configuration.
        note: The file.

    Returns:
        `schedule`; `period`, the seconds between two of its times at most, or None if it has no second one; `first`,
        service to its first time in seconds since 1970, or None if there is none; `verify`, how often backups are
        tried, and `verify_since`, since when that is so.

    """
    journal = Journal(note)
    before = journal.read() or {}
    known = before.get("first", {}) if before.get("schedule") == config.schedule else {}
    times = elapses(config.schedule)
    first = {name: known.get(name, times[0] if times else None) for name in config.services}
    is_as_before = before.get("verify") == config.verify
    content = {
        "schedule": config.schedule,
        "period": longest_gap(times),
        "first": first,
        "verify": config.verify,
        "verify_since": before.get("verify_since") if is_as_before else int(time.time()),
    }
    if content != before:
        journal.write(content)
    return content


def elapses(calendar: str) -> list[int]:
    """Return the next times of an `OnCalendar` in this host's time zone, in seconds since 1970.

    None where systemd does not read it, or can't be asked.
    """
    words = ["systemd-analyze", "calendar", f"--iterations={_ITERATIONS}", calendar]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return utc_times(done.stdout)


def utc_times(text: str) -> list[int]:
    """Return the times that `systemd-analyze calendar` printed. Pure.

    Where the time zone is another one, each is followed by the same in UTC.
    """
    return [
        int(datetime.strptime(found, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
        for found in _ELAPSE.findall(text)
    ]


def longest_gap(times: Sequence[int]) -> int | None:
    """Return the most seconds between two times that follow each other; None if there are no two. Pure."""
    return max((after - before for before, after in pairwise(times)), default=None)
