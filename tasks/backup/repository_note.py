"""What the repository host noted of all backups, by its own clock. Pure.

The agent writes it (`agent/backup/repository/keeping.py`). Hives say when they saved something by clocks of theirs, and
can't know whether it is still there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from model.json_types import Json

CLOCK_TOLERANCE = 3600.0
"""Seconds by which a time may be ahead of now; one that is more so was noted by a clock that was wrong."""
SILENT = 6 * 3600.0
"""Seconds for which the upkeep may neither end nor be at work. It begins every quarter of an hour, and notes every five
minutes that it is at work: six hours are a night's reboot, an upgrade of the host, or a long wait for a lock."""
TRIES = 3
"""How often it may begin without an end: it may be at a first copy for days, in which a host may be restarted."""


@dataclass(frozen=True)
class RepositoryNote:
    """What the repository host noted.

    Args:
        listed: When it last looked which generations there are, and could read all of them, in seconds since 1970; None
            if it does not tell.
        newest: Service to when its newest generation came.
        since: Service to when there were some first.
        tested: Service to when the last trial of one ended well.
        tells: Whether there is a note.
        begun: When the last upkeep began.
        ended: When one ended last; 0 if none did.
        alive: When one was at work last; 0 if that is not known.
        tries: How many began since.
        at: The part that it is at.

    """

    listed: float | None = None
    newest: Mapping[str, float] = field(default_factory=dict)
    since: Mapping[str, float] = field(default_factory=dict)
    tested: Mapping[str, float] = field(default_factory=dict)
    tells: bool = False
    begun: float = 0.0
    ended: float = 0.0
    alive: float = 0.0
    tries: int = 0
    at: str = ""

    @classmethod
    def of(cls, jobs: Sequence[Json]) -> Self:
        """Return what there is of it among the notes of a host."""
        note = next((job for job in jobs if "newest" in job or "begun" in job), None)
        if note is None:
            return cls()
        newest, since, tested = (note.get(key) or {} for key in ("newest", "since", "tested"))
        begun, ended, alive = (float(note.get(key) or 0) for key in ("begun", "ended", "alive"))
        tries, at = int(note.get("tries") or 0), str(note.get("at") or "")
        return cls(
            note.get("listed"), newest, since, tested, "newest" in note, begun, ended, alive, tries, at
        )

    def has_seen(self, at: float, now: float) -> bool:
        """Return whether what was made at a time would be among what it listed.

        Args:
            at: The time, in seconds since 1970, by a clock that may be off by as much as is let pass.
            now: The time.

        """
        if self.listed is None or is_ahead(self.listed, now):
            return False
        return at <= self.listed - CLOCK_TOLERANCE

    def fault(self, now: float) -> str:
        """Return what is wrong with the upkeep's being done at all; empty if nothing is, or nothing is known of it.

        Args:
            now: The time.

        """
        ended, alive = (0.0 if is_ahead(at, now) else at for at in (self.ended, self.alive))
        if not self.begun:
            return ""
        if now - ended > SILENT and self.tries > TRIES:
            return f"was begun {self.tries} times and did not end{f', at {self.at}' if self.at else ''}"
        if now - max(ended, alive) > SILENT:
            return "neither ends nor is at work"
        return ""

    def work(self, now: float) -> str:
        """Return what the upkeep has been at for long, which is no fault; empty if it has not.

        Args:
            now: The time.

        """
        is_long = self.begun > self.ended and now - self.begun > CLOCK_TOLERANCE
        return self.at if is_long and not self.fault(now) else ""


def is_ahead(at: float, now: float) -> bool:
    """Return whether a time is to come, so that it was noted by a clock that was wrong."""
    return at > now + CLOCK_TOLERANCE
