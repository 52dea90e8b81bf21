"""The upkeep of the repositories: what one of them refuses keeps nothing from being done for the others."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.backup.notes import STANDBY, read_note
from agent.backup.repository import broken_files
from agent.backup.repository.brought import note_brought
from agent.backup.repository.off_site import copied_since
from tests.doubles.hive_repositories import RepositoryHost

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=3)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RepositoryHost:
    """Give a repository host with the repositories of two hives."""
    return RepositoryHost(tmp_path, monkeypatch)


def test_data_without_a_seal_goes_though_another_hives_repository_can_not_be_read(
    host: RepositoryHost,
) -> None:
    """A hive seals its own data in its own repository; what was brought there may be sealed in the other one."""
    half = host.generation("hive1", OLD, sealed=False)
    first = "f" * 64
    note_brought(host.config, "hive1", {first: OLD})
    brought = host.generation("hive1", OLD, sealed=False, original=first, hostname="hive0")
    host.hives["hive0"].broken = "restic: a snapshot is broken"
    assert "listing of hive0" in host.upkeep(NOW).keep()["failed"]
    assert half not in host.ids("hive1")
    assert brought in host.ids("hive1")
    host.hives["hive0"].broken = ""
    host.upkeep(NOW).keep()
    assert brought not in host.ids("hive1")


def test_cut_off_files_are_set_aside_behind_a_repository_that_fails(host: RepositoryHost) -> None:
    """One whose index can't be made anew keeps none of the others from it, and is named."""
    for hive in ("hive0", "hive1"):
        path = host.config.root / hive / "snapshots" / ("a" * 64)
        path.write_text("cut off")
    (host.config.root / "hive0/index" / ("b" * 64)).write_text("cut off")
    host.hives["hive0"].broken = "restic: no room"
    # Long ago is longer ago than a backup takes.
    later = datetime.now(UTC) + timedelta(days=1)
    failed = host.upkeep(later).keep()["failed"]
    assert failed["cut off"] == "hive0: restic: no room"
    assert not (host.config.root / "hive1/snapshots" / ("a" * 64)).exists()
    assert broken_files.lacks_snapshots(host.config, "hive1")


def test_a_standby_is_told_behind_one_that_fails(
    host: RepositoryHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hive whose repository refuses keeps no other one from its newest generation."""
    monkeypatch.setattr("agent.backup.repository.standbys.stand_by.__defaults__", (tmp_path / "told.json",))
    host.generation("hive1", OLD)
    host.hives["hive0"].broken = "restic: no room"
    failed = host.upkeep(NOW, standby={"web": ["hive0", "hive1"]}).keep()["failed"]
    assert failed["standby"] == "web on hive0: restic: no room"
    notes = [read_note(each["tags"]) for each in host.hives["hive1"].held]
    assert [note[0] for note in notes if note is not None and note[0] == STANDBY] == [STANDBY]


def test_since_when_a_place_has_what(host: RepositoryHost) -> None:
    """What goes well is noted also where another hive's can't be copied; what a place lost and got again is new."""
    good, other = host.generation("hive1", OLD), host.generation("hive0", OLD)
    copies = {"copies": (host.place,)}
    config = host.configured(**copies)

    def since(identity: str) -> str | None:
        return copied_since(config, identity, host.root / "off-site.json")["away"]

    host.hives["hive0"].no_copies = "restic: no room"
    assert "hive0: restic: no room" in host.upkeep(NOW, **copies).keep()["failed"]["copy away"]
    assert (since(good), since(other)) == (NOW.isoformat(), None)
    host.hives["hive0"].no_copies = ""
    later = NOW + timedelta(hours=1)
    assert host.upkeep(later, **copies).keep()["failed"] == {}
    assert (since(good), since(other)) == (NOW.isoformat(), later.isoformat())
    host.away.held = [each for each in host.away.held if each.get("original") != good]
    last = NOW + timedelta(hours=2)
    host.upkeep(last, **copies).keep()
    assert (since(good), since(other)) == (last.isoformat(), later.isoformat())
