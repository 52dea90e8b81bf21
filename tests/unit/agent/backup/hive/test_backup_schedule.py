"""When backups are due, as systemd reckons it."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.backup.config import HiveConfig, ServiceData
from agent.backup.hive import backup_schedule
from agent.backup.hive.backup_schedule import longest_gap, note_schedule, utc_times

DAY = 86_400
# As systemd 252 printed it, and 257 (`Iteration #2`), which differ in that word.
IN_UTC = """\
  Original form: 01:00
Normalized form: *-*-* 01:00:00
    Next elapse: Tue 2026-12-01 01:00:00 UTC
       From now: 15h left
       Iter. #2: Wed 2026-12-02 01:00:00 UTC
       From now: 1 day 15h left
"""
IN_TOKYO = """\
  Original form: Mon..Fri 01:00
Normalized form: Mon..Fri *-*-* 01:00:00
    Next elapse: Fri 2026-12-04 01:00:00 JST
       (in UTC): Thu 2026-12-03 16:00:00 UTC
       From now: 3 days left
   Iteration #2: Mon 2026-12-07 01:00:00 JST
       (in UTC): Sun 2026-12-06 16:00:00 UTC
       From now: 6 days left
   Iteration #3: Tue 2026-12-08 01:00:00 JST
       (in UTC): Mon 2026-12-07 16:00:00 UTC
       From now: 7 days left
"""
ONCE = """\
  Original form: 2020-12-01 03:00 UTC
Normalized form: 2020-12-01 03:00:00 UTC
    Next elapse: never
"""


@pytest.mark.parametrize(
    ("text", "first", "gap"),
    [(IN_UTC, 1_796_086_800, DAY), (IN_TOKYO, 1_796_313_600, 3 * DAY), (ONCE, None, None), ("", None, None)],
)
def test_times_are_read(text: str, first: int | None, gap: int | None) -> None:
    """In UTC whatever the zone, each once; the longest gap; one that is over, or that nobody can read, has none."""
    found = utc_times(text)
    assert (found[0] if found else None) == first
    assert longest_gap(found) == gap


def config(schedule: str, *services: str) -> HiveConfig:
    """Return a hive's configuration."""
    nowhere = Path("/nowhere")
    known = {name: ServiceData(name, ()) for name in services}
    return HiveConfig("hive0", "private", nowhere, nowhere, "", nowhere, "never", known, schedule)


def test_a_services_first_time_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up again, a service is still due when it was; a new one is due next; another schedule begins anew."""
    note = tmp_path / "schedule.json"
    times = [100, 200]
    monkeypatch.setattr("agent.backup.hive.backup_schedule.time.time", lambda: 7.5)
    never = {"verify": "never", "verify_since": 7}
    monkeypatch.setattr(backup_schedule, "elapses", lambda _calendar: times)
    assert (
        note_schedule(config("01:00", "web"), note)
        == {
            "schedule": "01:00",
            "period": 100,
            "first": {"web": 100},
        }
        | never
    )
    times = [200, 300]
    assert note_schedule(config("01:00", "web", "db"), note)["first"] == {"web": 100, "db": 200}
    assert note_schedule(config("02:00", "web"), note)["first"] == {"web": 200}
    times = []
    assert (
        note_schedule(config("03:00", "web"), note)
        == {
            "schedule": "03:00",
            "period": None,
            "first": {"web": None},
        }
        | never
    )


def test_since_when_backups_are_tried_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up again, or with another schedule, it stays; another `verify` is in force from now on."""
    note, now = tmp_path / "schedule.json", 7.0
    monkeypatch.setattr(backup_schedule, "elapses", lambda _calendar: [])
    monkeypatch.setattr("agent.backup.hive.backup_schedule.time.time", lambda: now)
    never = config("01:00", "web")
    assert note_schedule(never, note)["verify_since"] == 7
    now = 8.0
    assert note_schedule(config("02:00", "web"), note)["verify_since"] == 7
    assert note_schedule(replace(never, verify="daily"), note)["verify_since"] == 8
    now = 9.0
    assert note_schedule(replace(never, verify="daily"), note)["verify_since"] == 8
