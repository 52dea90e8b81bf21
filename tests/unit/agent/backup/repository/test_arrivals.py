"""When generations arrived, as places off the site tell it: no hive's clock counts there."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.backup.notes import ARRIVED, SEAL, data_tags, note_tags
from agent.backup.repository.arrivals import arrivals, note_arrivals
from agent.backup.repository.brought import note_brought
from agent.backup.repository.copy_retention import held, trim
from agent.backup.repository.generations import Listing, listing
from agent.backup.repository.transport import fetch
from agent.output import Output
from tests.doubles.hive_repositories import RepositoryHost

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
AHEAD: dict[str, Any] = {"time": "2027-06-01T01:00:00.123456789Z"}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RepositoryHost:
    """Give a repository host with the repositories of two hives."""
    return RepositoryHost(tmp_path, monkeypatch)


def test_a_clock_that_was_ahead_counts_nowhere(host: RepositoryHost) -> None:
    """Not in what a place keeps, not in what comes back from it to an empty repository host."""
    wrong = host.generation("hive0", NOW - timedelta(days=3), **AHEAD)
    right = [host.generation("hive0", NOW - timedelta(days=n)) for n in (2, 1)]
    copies = {"copies": (host.place,)}
    assert host.upkeep(NOW, **copies).keep()["failed"] == {}
    before = {each.id: each.arrived for each in listing(host.config).generations}
    assert {each.id: each.arrived for each in held(host.away.held, "away").generations} == before

    for repository in host.hives.values():
        repository.forget([each["id"] for each in repository.held])
    (host.config.root / ".brought/hive0.json").unlink(missing_ok=True)
    fetch(host.configured(**copies), "away", Output())
    assert [(each.id, each.arrived) for each in listing(host.config).generations] == sorted(
        before.items(), key=lambda each: each[1]
    )

    trim(host.configured(keep={"last": 2}), "away", host.away, Listing(), NOW)
    assert {each.id for each in held(host.away.held, "away").generations} == set(right)
    assert wrong not in {each.get("original") for each in host.away.held}


def test_each_is_noted_once(host: RepositoryHost) -> None:
    """A copy that was killed before its arrivals were noted gets them by the next upkeep; nothing is noted twice."""
    first = host.generation("hive0", NOW)
    copies = {"copies": (host.place,)}
    host.upkeep(NOW, **copies).keep()
    host.away.held = [each for each in host.away.held if "note=arrived" not in each["tags"]]
    second = host.generation("hive1", NOW)
    for _ in range(2):
        host.upkeep(NOW, **copies).keep()
    assert arrivals(host.away.held) == {first: NOW, second: NOW}
    assert len([each for each in host.away.held if "note=arrived" in each["tags"]]) == 1


def test_a_hives_own_word_is_none(host: RepositoryHost) -> None:
    """What a hive notes of arrivals is not copied off the site; there only what the repository host wrote counts."""
    identity = host.generation("hive0", NOW)
    forged = {identity: 0.0}
    for of in ("", identity):
        host.note("hive0", ARRIVED, of, forged, NOW)
    note_brought(host.config, "hive1", {identity: NOW})
    tags = data_tags("private", "web", "scheduled")
    host.hives["hive1"].add(tags, "hive0", NOW, original=identity)
    host.hives["hive1"].add(note_tags(ARRIVED, identity, forged), "site", NOW, original=identity)
    host.upkeep(NOW, copies=(host.place,)).keep()
    assert arrivals(host.away.held) == {identity: NOW}
    host.away.add(note_tags(ARRIVED, "", forged), "hive0", NOW)
    assert arrivals(host.away.held) == {identity: NOW}


def test_notes_of_what_is_gone_go(host: RepositoryHost) -> None:
    """With the last generation that they are of, and not before."""
    place = host.away
    for name in ("a", "b", "c"):
        identity = name * 64
        place.add(data_tags("private", "web", "scheduled"), "hive0", NOW, original=identity)
        place.add(note_tags(SEAL, identity, {}), "hive0", NOW)
    days = {name * 64: NOW - timedelta(days=n) for n, name in enumerate("cba")}
    note_arrivals(place, {each: days[each] for each in ("a" * 64, "b" * 64)}, [], host.root / "note")
    note_arrivals(place, {"c" * 64: days["c" * 64]}, place.held, host.root / "note")
    for keep, notes in ((2, 2), (1, 1)):
        trim(host.configured(keep={"last": keep}), "away", place, Listing(), NOW)
        assert len([each for each in place.held if "note=arrived" in each["tags"]]) == notes


def test_many_go_into_several_notes(host: RepositoryHost) -> None:
    """A word of a command line is 128 KiB long at most."""
    many = {f"{n:064x}": NOW for n in range(1201)}
    note_arrivals(host.away, many, [], host.root / "note")
    assert arrivals(host.away.held) == many
    assert max(len(tag) for each in host.away.held for tag in each["tags"]) < 128 << 10
