"""Which generations are kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.backup.repository.policy import Stored, kept

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEEP = {"last": 3, "daily": 7, "weekly": 4, "monthly": 6, "yearly": 0}


def nights(number: int, *, every: float = 1.0) -> list[Stored]:
    """Return a generation of each night, the newest first; their ids are their ages in days."""
    return [Stored(f"{n * every:g}", NOW - timedelta(days=n * every)) for n in range(number)]


def test_a_year_of_nights() -> None:
    """The newest of each of seven days, four weeks, six months; what several want is there once."""
    stay = sorted(float(each) for each in kept(nights(365), KEEP, NOW))
    # 30 November 2026 is a Monday: weeks end on Sundays; months end on the 31st or 30th.
    assert stay == [0, 1, 2, 3, 4, 5, 6, 8, 15, 30, 61, 91, 122, 153]


def test_many_in_one_day() -> None:
    """`last` counts generations, `daily` days: of a day the newest alone."""
    assert kept(nights(48, every=1 / 48), {"last": 2, "daily": 5}, NOW) == {
        "0",
        f"{1 / 48:g}",
        f"{25 / 48:g}",
    }


@pytest.mark.parametrize("kind", ["before-restore"])
def test_what_was_there_before_a_restoration(kind: str) -> None:
    """It stays for a week, however many came after it."""
    old = [Stored("six", NOW - timedelta(days=6), kind), Stored("eight", NOW - timedelta(days=8), kind)]
    assert kept([*nights(5, every=0.01), *old], {"last": 1}, NOW) == {"0", "six"}


def test_the_newest_good_one_always_stays() -> None:
    """Those that a test found to be of no use don't push out the last one that is of use."""
    bad = [Stored(str(n), NOW - timedelta(days=n), good=False) for n in (0, 3, 8, 9)]
    good = Stored("good", NOW - timedelta(days=9, hours=1))
    assert kept([*bad, good], {"last": 2}, NOW) == {"0", "3", "good"}
    assert kept(bad[2:], {"last": 0}, NOW) == {"8"}


def test_a_fault_shortens_no_life() -> None:
    """Whatever hives write of their tests: all is kept that would be kept had no test found fault."""
    whole = nights(200)
    stay = kept(whole, KEEP, NOW)
    found_bad = [replace(each, good=False) for each in whole[1:]]
    assert kept([whole[0], *found_bad], KEEP, NOW) == stay
    assert kept([replace(each, good=False) for each in whole], KEEP, NOW) == stay


def test_what_is_of_no_use_takes_no_place() -> None:
    """A later one of the same day that failed its test, or is from before a restoration, pushes no good one out."""
    night, noon = NOW - timedelta(hours=11), NOW - timedelta(hours=1)
    for later in (Stored("later", noon, "before-restore"), Stored("later", noon, good=False)):
        assert kept([Stored("night", night), later], {"daily": 1}, NOW) == {"night", "later"}
        assert kept([Stored("night", night), later], {"daily": 1}, NOW + timedelta(days=8)) >= {"night"}


def test_a_clock_that_was_ahead() -> None:
    """What it dated into the future stays, and pushes out none of those that are right."""
    ahead = [Stored(f"ahead{n}", NOW + timedelta(days=1 + n)) for n in range(5)]
    assert kept([*nights(3), *ahead], {"last": 2}, NOW) == {"0", "1", *(each.id for each in ahead)}
    assert kept([*nights(3), *ahead], {"last": 2}, NOW + timedelta(days=9)) == {"ahead3", "ahead4"}


def test_nothing_is_kept_of_nothing() -> None:
    """A service without generations is no mistake."""
    assert kept([], KEEP, NOW) == set()
