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

    """

    listed: float | None = None
    newest: Mapping[str, float] = field(default_factory=dict)
    since: Mapping[str, float] = field(default_factory=dict)
    tested: Mapping[str, float] = field(default_factory=dict)
    tells: bool = False

    @classmethod
    def of(cls, jobs: Sequence[Json]) -> Self:
        """Return what there is of it among the notes of a host."""
        note = next((job for job in jobs if "newest" in job), None)
        if note is None:
            return cls()
        newest, since, tested = (note.get(key) or {} for key in ("newest", "since", "tested"))
        return cls(note.get("listed"), newest, since, tested, tells=True)

    def has_seen(self, at: float, now: float) -> bool:
        """Return whether what was made at a time would be among what it listed.

        Args:
            at: The time, in seconds since 1970, by a clock that may be off by as much as is let pass.
            now: The time.

        """
        if self.listed is None or is_ahead(self.listed, now):
            return False
        return at <= self.listed - CLOCK_TOLERANCE


def is_ahead(at: float, now: float) -> bool:
    """Return whether a time is to come, so that it was noted by a clock that was wrong."""
    return at > now + CLOCK_TOLERANCE
