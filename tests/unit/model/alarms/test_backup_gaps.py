"""How far apart backups may be by their schedule."""

import pytest

from model.alarms.backup_gaps import longest_gap, longest_untried

HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("schedule", "gap"),
    [
        ("01:00", DAY),
        ("1:00:30", DAY),
        ("*-*-* 01,13:30", DAY),
        ("2026-12-01 03:00 UTC", 366 * DAY),
        ("*-*-01 03:00", 31 * DAY),
        ("*-01-01", 366 * DAY),
        ("Sun 04:00", 7 * DAY),
        ("Mon..Fri 01:00", 7 * DAY),
        ("*:0/15", HOUR),
        ("hourly", HOUR),
        ("Weekly", 7 * DAY),
    ],
)
def test_the_longest_gap(schedule: str, gap: int) -> None:
    """Never shorter than what systemd makes of it."""
    assert longest_gap(schedule) == gap


@pytest.mark.parametrize(
    ("verify", "schedule", "longest"),
    [
        ("never", "01:00", None),
        ("daily", "hourly", 3 * DAY),
        ("weekly", "01:00", 15 * DAY),
        ("weekly", "monthly", 63 * DAY),
        ("daily", "Sun 04:00", 15 * DAY),
        ("monthly", "01:00", 63 * DAY),
    ],
)
def test_how_long_backups_may_be_untried(verify: str, schedule: str, longest: int | None) -> None:
    """Two periods and a day of what comes more rarely: trials are made behind scheduled backups alone."""
    assert longest_untried(verify, schedule) == longest
