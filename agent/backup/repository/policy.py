"""Which generations are kept. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.backup.notes import BEFORE_RESTORE

PERIODS: Mapping[str, Callable[[datetime], tuple[int, ...]]] = {
    "daily": lambda at: (at.year, at.month, at.day),
    "weekly": lambda at: tuple(at.isocalendar())[:2],
    "monthly": lambda at: (at.year, at.month),
    "yearly": lambda at: (at.year,),
}
_SAFE = timedelta(days=7)
"""How long what was there before a restoration, or failed its test, is kept at least."""

_TOLERANCE = timedelta(hours=1)


@dataclass(frozen=True)
class Stored:
    """A generation as the policy sees it.

    Args:
        id: Its id.
        arrived: When the repository got it, by the repository's own clock, so that no hive's clock counts.
        kind: Why it was made.
        good: Whether no test of it failed.

    """

    id: str
    arrived: datetime
    kind: str = ""
    good: bool = True


def kept(generations: Sequence[Stored], keep: Mapping[str, int], now: datetime) -> set[str]:
    """Return the ids of the generations of one service that are kept: of each period the newest.

    A test that found fault never shortens a life: a hive may write any end of its tests, and a test may be wrong. What
    would be kept had no test found fault is kept; besides, what is kept of those that none found fault with, so that
    one of no use takes no good one's place.
    What was there before a restoration stays for a week, as does what was found fault with, and takes no place.
    What comes from the future, by a clock that was wrong, is kept until it is past, and takes no other's place.

    Args:
        generations: The service's generations.
        keep: How many: `last`, `daily`, `weekly`, `monthly`, `yearly`.
        now: The time by the repository's clock.

    """
    ahead = {each.id for each in generations if each.arrived - now > _TOLERANCE}
    past = [each for each in generations if each.id not in ahead]
    newest_first = sorted(past, key=lambda each: (each.arrived, each.id), reverse=True)
    good = [each for each in newest_first if each.good]
    young = {
        each.id
        for each in newest_first
        if (each.kind == BEFORE_RESTORE or not each.good) and now - each.arrived < _SAFE
    }
    return ahead | young | _chosen(newest_first, keep) | _chosen(good, keep)


def _chosen(newest_first: Sequence[Stored], keep: Mapping[str, int]) -> set[str]:
    """Return the ids of those that are kept among these: the newest of all, the last, and the newest of each period."""
    counted = [each for each in newest_first if each.kind != BEFORE_RESTORE]
    found = {each.id for each in (*newest_first[:1], *counted[:1], *counted[: keep.get("last", 0)])}
    for name, period in PERIODS.items():
        seen: set[tuple[int, ...]] = set()
        for each in counted:
            if len(seen) >= keep.get(name, 0):
                break
            key = period(each.arrived)
            if key not in seen:
                seen.add(key)
                found.add(each.id)
    return found
