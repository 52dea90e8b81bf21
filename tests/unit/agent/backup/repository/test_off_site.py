"""Since when places off the site have which generations."""

from dataclasses import replace
from pathlib import Path

from agent.backup.config import Copy, RepositoryConfig
from agent.backup.repository.off_site import copied_since, note_copied

AWAY = Copy("away", "s3:away", {})
TAPE = Copy("tape", "/mnt/tape", {})
CONFIG = RepositoryConfig(Path("/nowhere"), "", {}, "", {}, (AWAY, TAPE))
FIRST, LATER = 1_800_000_000.0, 1_800_000_900.0


def test_the_first_time_stays(tmp_path: Path) -> None:
    """A generation is there since it was first seen there; one that is new is there since then; gone ones go."""
    note = tmp_path / "off-site.json"
    note_copied(AWAY, ["aa", "bb"], [], FIRST, note)
    note_copied(AWAY, ["bb", "cc"], ["aa", "bb"], LATER, note)
    assert copied_since(CONFIG, "bb", note)["away"] == "2027-01-15T08:00:00+00:00"
    assert copied_since(CONFIG, "cc", note)["away"] == "2027-01-15T08:15:00+00:00"
    assert copied_since(CONFIG, "aa", note)["away"] is None


def test_what_a_place_had_lost(tmp_path: Path) -> None:
    """It is there since it came again, and not since it was there at first."""
    note = tmp_path / "off-site.json"
    note_copied(AWAY, ["aa"], [], FIRST, note)
    note_copied(AWAY, ["aa"], [], LATER, note)
    assert copied_since(CONFIG, "aa", note)["away"] == "2027-01-15T08:15:00+00:00"


def test_what_nothing_is_known_of_now(tmp_path: Path) -> None:
    """Where a repository can't be read, the others' are noted, and its own stay noted."""
    note = tmp_path / "off-site.json"
    note_copied(AWAY, ["aa"], [], FIRST, note)
    note_copied(AWAY, ["bb"], ["aa"], LATER, note, unknown=True)
    assert [copied_since(CONFIG, each, note)["away"] for each in ("aa", "bb")] == [
        "2027-01-15T08:00:00+00:00",
        "2027-01-15T08:15:00+00:00",
    ]


def test_each_place_for_itself(tmp_path: Path) -> None:
    """What one has says nothing of another, and a place that is no longer configured is not told."""
    note = tmp_path / "off-site.json"
    assert copied_since(CONFIG, "aa", note) == {"away": None, "tape": None}
    note_copied(TAPE, ["aa"], [], FIRST, note)
    note_copied(AWAY, [], [], FIRST, note)
    found = copied_since(CONFIG, "aa", note)
    assert (found["away"], found["tape"]) == (None, "2027-01-15T08:00:00+00:00")
    assert copied_since(replace(CONFIG, copies=(AWAY,)), "aa", note) == {"away": None}


def test_another_place_of_the_same_name(tmp_path: Path) -> None:
    """It has nothing, whatever the former one had."""
    note = tmp_path / "off-site.json"
    note_copied(AWAY, ["aa"], [], FIRST, note)
    moved = replace(AWAY, repository="s3:elsewhere")
    config = replace(CONFIG, copies=(moved,))
    assert copied_since(config, "aa", note) == {"away": None}
    note_copied(moved, ["aa"], [], LATER, note)
    assert copied_since(config, "aa", note) == {"away": "2027-01-15T08:15:00+00:00"}
