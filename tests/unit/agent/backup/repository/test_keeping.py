"""The upkeep of the repositories: what one of them refuses keeps nothing from being done for the others."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from agent.backup.notes import SEAL, STANDBY, VERIFIED, read_note
from agent.backup.repository import broken_files
from agent.backup.repository.brought import note_brought
from agent.backup.repository.generations import listing
from agent.backup.repository.keeping import Upkeep
from agent.backup.repository.off_site import copied_since
from agent.backup.repository.upkeep_notes import UpkeepNotes, read_status
from agent.backup.restic_errors import LockedError, NotFinishedError
from agent.backup.restic_process import RepositoryUnreachableError
from agent.errors import AgentError
from tests.doubles.hive_repositories import RepositoryHost
from tests.rig import wait_until

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


@pytest.mark.parametrize("facts", [[], "bad", {}, {"ok": "yes"}, {"ok": True, "why": 3}])
def test_a_note_that_is_none_ends_nothing(host: RepositoryHost, facts: Any) -> None:
    """Whatever a hive writes as the end of a test: the upkeep and the listing go on, and seals stay seals."""
    there = host.generation("hive0", OLD)
    host.note("hive0", VERIFIED, there, facts, OLD)
    host.note("hive0", SEAL, there, {"bytes": "many", "revision": 7, "seconds": 1e300}, OLD)
    host.hives["hive0"].held[0]["time"] = "0000-12-31T00:00:00Z"
    assert host.upkeep(NOW).keep()["failed"] == {}
    (found,) = listing(host.config).generations
    assert found.facts == {}
    assert [each["ok"] for each in found.tests] == ([True] if "why" in facts else [])
    assert there in host.ids("hive0")


def test_a_mistake_of_skeps_ends_one_part_alone(
    host: RepositoryHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is noted as other failures are, with its place in the program; what comes behind it is done."""

    def prune() -> None:
        raise KeyError("no")

    monkeypatch.setattr(host.hives["hive0"], "prune", prune)
    failed = host.upkeep(NOW).keep()["failed"]
    assert failed.keys() == {"prune"}
    assert re.fullmatch(
        r"hive0: a mistake of skep's: KeyError: 'no' \(test_keeping.py, line \d+\)", failed["prune"]
    )
    assert "prune" in host.hives["hive1"].did
    assert "check 5%" in host.hives["hive0"].did


def test_an_upkeep_that_was_killed_is_seen(host: RepositoryHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its notes tell that it began and did not end, and in which part; what it had done is not done again."""
    status = host.root / "status.json"
    host.upkeep(NOW).keep()
    first = int(NOW.timestamp())
    noted = read_status(status)
    assert (noted["begun"], noted["ended"], noted["at"]) == (first, first, "")

    def kill(_subset: str, **_: object) -> None:
        raise KeyboardInterrupt

    later = NOW + timedelta(days=8)
    with monkeypatch.context() as patched:
        patched.setattr(host.hives["hive0"], "check", kill)
        with pytest.raises(KeyboardInterrupt):
            host.upkeep(later).keep()
    noted = read_status(status)
    assert (noted["begun"], noted["ended"], noted["at"]) == (int(later.timestamp()), first, "check")
    assert noted["done"]["prune"] == int(later.timestamp())
    host.hives["hive0"].did.clear()
    host.upkeep(later + timedelta(minutes=15)).keep()
    assert "prune" not in host.hives["hive0"].did
    assert "check 5%" in host.hives["hive0"].did
    assert read_status(status)["at"] == ""


def test_notes_that_can_not_be_written_keep_it_from_nothing(
    host: RepositoryHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk has the repositories pruned all the same; that nothing could be noted is an error at the end."""
    monkeypatch.setattr(
        "agent.backup.hive.journal.write_json", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(OSError, match="No space left"):
        host.upkeep(NOW).keep()
    assert "prune" in host.hives["hive1"].did


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


def test_a_place_that_is_gone_is_not_made_anew(host: RepositoryHost) -> None:
    """A disk that is not mounted, or an emptied bucket, is a failure until it is back, or has another name."""
    copies = {"copies": (host.place,)}
    made = host.generation("hive1", OLD)
    host.away.id = ""
    assert host.upkeep(NOW, **copies).keep()["failed"] == {}
    assert "init" in host.away.did
    first, host.away.id, host.away.held = host.away.id, "", []
    host.away.did.clear()
    later = NOW + timedelta(days=8)
    for identity, what in (("", "the repository is gone"), ("other", "another repository is there")):
        host.away.id = identity
        failed = host.upkeep(later, **copies).keep()["failed"]
        assert failed.keys() == {"copy away"}
        assert failed["copy away"].startswith(f"s3:away: {what}")
        assert "another name than away" in failed["copy away"]
        assert set(host.away.did) == {"exists"}
    host.away.id = first
    assert host.upkeep(later, **copies).keep()["failed"] == {}
    host.away.id = ""
    renamed = replace(host.place, name="anew")
    assert host.upkeep(later, copies=(renamed,)).keep()["failed"] == {}
    assert {each.get("original") for each in host.away.held} >= {made}
    # Back to the first name: a person said so before.
    assert host.upkeep(later, **copies).keep()["failed"] == {}


def test_a_place_that_an_older_agent_noted(host: RepositoryHost) -> None:
    """It is known without an id, which is noted with the next upkeep; gone, it is not made anew either."""
    copies = {"copies": (host.place,)}
    note = host.root / "off-site.json"
    note.write_text(json.dumps({"away": {"repository": "s3:away", "since": {}}}))
    there, host.away.id = host.away.id, ""
    assert host.upkeep(NOW, **copies).keep()["failed"].keys() == {"copy away"}
    host.away.id = there
    assert host.upkeep(NOW, **copies).keep()["failed"] == {}
    assert json.loads(note.read_text())["away"]["id"] == there


def test_a_host_replaced_anew_takes_a_place_that_has_content(host: RepositoryHost) -> None:
    """It has no notes: the repository that is there is the place's, and nothing of it goes."""
    copies = {"copies": (host.place,)}
    host.generation("hive1", OLD)
    host.upkeep(NOW, **copies).keep()
    (host.root / "off-site.json").unlink()
    assert host.upkeep(NOW, **copies).keep()["failed"] == {}
    assert "init" not in host.away.did


def test_a_place_off_the_site_is_checked_each_week(host: RepositoryHost) -> None:
    """First behind the first export; a fault is told until a check goes well, which is tried once a day."""
    host.generation("hive1", OLD)
    copies = {"copies": (host.place,)}

    def checks(at: datetime) -> tuple[int, str]:
        host.away.did.clear()
        failed = host.upkeep(at, **copies).keep()["failed"]
        return host.away.did.count("check 200M alone"), failed.get("check away", "")

    day, quarter = timedelta(days=1), timedelta(minutes=15)
    assert checks(NOW) == (1, "")
    assert host.away.did.index("receive") < host.away.did.index("check 200M alone")
    assert checks(NOW + 6 * day) == (0, "")
    host.away.damage = "restic: repository contains errors"
    number, why = checks(NOW + 8 * day)
    assert number == 1
    assert why.startswith("restic: repository contains errors; what is there may not come back")
    assert checks(NOW + 8 * day + quarter) == (0, why)
    assert checks(NOW + 9 * day - quarter) == (0, why)
    assert checks(NOW + 9 * day) == (1, why)
    since = read_status(host.root / "status.json")["failed"]["check away"]["since"]
    assert since == int((NOW + 8 * day).timestamp())
    host.away.damage = ""
    assert checks(NOW + 10 * day) == (1, "")
    assert checks(NOW + 11 * day) == (0, "")
    assert read_status(host.root / "status.json")["done"]["check away"] == int((NOW + 10 * day).timestamp())


@pytest.mark.parametrize(
    "error",
    [
        NotFinishedError("restic was ended by signal 9, as where memory is short"),
        LockedError("restic: repository is already locked"),
        RepositoryUnreachableError("the repository does not answer"),
    ],
)
def test_a_check_that_did_not_end(host: RepositoryHost, error: AgentError) -> None:
    """It says nothing of the place: nobody is told to have it copied anew, and it is tried again with the next upkeep.

    What an earlier check found stays until one ends.
    """
    host.generation("hive1", OLD)
    copies = {"copies": (host.place,)}
    quarter = timedelta(minutes=15)

    def why(at: datetime) -> str:
        return str(host.upkeep(at, **copies).keep()["failed"].get("check away", ""))

    host.away.kills_check = error
    assert why(NOW) == f"it did not end: {error}"
    host.away.kills_check, host.away.damage = None, "restic: pack aa is missing"
    found = why(NOW + quarter)
    assert found.startswith("restic: pack aa is missing; what is there may not come back")
    host.away.kills_check, later = error, NOW + timedelta(days=2)
    assert why(later) == found
    host.away.kills_check = None
    host.away.damage = ""
    assert why(later + quarter) == ""


def test_what_a_check_found_stays_while_its_place_is_not_reached(host: RepositoryHost) -> None:
    """It is as broken as before; that the place can't be had is said besides. One that is no place any more is not."""
    host.generation("hive1", OLD)
    copies = {"copies": (host.place,)}
    host.away.damage = "restic: repository contains errors"
    found = host.upkeep(NOW, **copies).keep()["failed"]["check away"]
    host.away.broken = "restic: no answer"
    for days in (1, 2, 3):
        failed = host.upkeep(NOW + timedelta(days=days), **copies).keep()["failed"]
        assert failed == {"copy away": "restic: no answer", "check away": found}
    noted = read_status(host.root / "status.json")["failed"]["check away"]
    assert (noted["since"], noted["tried"]) == (int(NOW.timestamp()), int(NOW.timestamp()))
    assert host.upkeep(NOW + timedelta(days=3)).keep()["failed"] == {}


def test_what_failed_is_noted_at_once(host: RepositoryHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upkeep that is killed later has found what it has found, and of what it did not come to the former is true."""
    host.generation("hive1", OLD)
    first, second = host.place, replace(host.place, name="beyond", repository="s3:beyond")
    host.away.damage = "restic: repository contains errors"
    host.upkeep(NOW, copies=(second,)).keep()
    host.hives["hive0"].broken = "restic: no room"

    def kill(_upkeep: Upkeep, name: str, place: Any) -> int:
        if name == "beyond":
            raise KeyboardInterrupt
        return check(_upkeep, name, place)

    check = Upkeep._check_copy
    monkeypatch.setattr(Upkeep, "_check_copy", kill)
    with pytest.raises(KeyboardInterrupt):
        host.upkeep(NOW + timedelta(days=1), copies=(first, second)).keep()
    failed = read_status(host.root / "status.json")["failed"]
    assert failed["forget"]["why"] == "hive0: restic: no room"
    assert failed["check away"]["why"].startswith("restic: repository contains errors")
    assert failed["check beyond"]["since"] == int(NOW.timestamp())


def test_what_there_is_is_noted_behind_the_look_at_it(
    host: RepositoryHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first copy off the site may take days, in which nothing that is known may be taken for all that there is."""
    host.generation("hive0", OLD)
    seen: list[dict[str, Any]] = []
    upkeep = host.upkeep(NOW, copies=(host.place,))

    def export(*_: object) -> int:
        seen.append(dict(read_status(upkeep.status)))
        return 0

    monkeypatch.setattr(Upkeep, "_export", export)
    upkeep.keep()
    assert seen[0]["listed"] == int(NOW.timestamp())
    assert seen[0]["newest"] == {"web": int(OLD.timestamp())} == read_status(upkeep.status)["newest"]


def test_what_is_sealed_while_copies_are_made_stays(
    host: RepositoryHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies may take days: what is forgotten goes by a look behind them, and by the time of that."""
    half = host.generation("hive1", NOW - timedelta(hours=1), sealed=False)
    cut_off = host.generation("hive1", NOW - timedelta(hours=1), sealed=False)
    host.generation("hive1", OLD)
    clock = [NOW]
    copy = host.hives["hive1"].copy_to

    def copy_for_days(*words: Any) -> None:
        copy(*words)
        host.note("hive1", SEAL, half, {}, NOW)
        clock[0] += timedelta(days=2)

    monkeypatch.setattr(host.hives["hive1"], "copy_to", copy_for_days)

    def now() -> float:
        return clock[0].timestamp()

    upkeep = replace(host.upkeep(NOW, copies=(host.place,)), now=now)
    assert upkeep.keep()["failed"] == {}
    assert half in host.ids("hive1")
    assert cut_off not in host.ids("hive1")


def test_an_upkeep_that_lives_says_so_and_one_that_is_killed_is_counted(tmp_path: Path) -> None:
    """A first copy may take days in one part; killed again and again, it looks as if it had just begun."""
    path, clock, looks = tmp_path / "status.json", [100.0], count()
    notes = UpkeepNotes(path, lambda: clock[0])
    notes.begin("copy away")
    with notes.alive(0.01, lambda: next(looks)):
        clock[0] = 900.0
        wait_until(lambda: read_status(path)["alive"] == 900, "a note that it is at work")
    found = read_status(path)
    assert (found["begun"], found["at"], found["at_since"], found["tries"]) == (100, "copy away", 100, 1)
    UpkeepNotes(path, lambda: clock[0])
    last = UpkeepNotes(path, lambda: clock[0])
    assert read_status(path)["tries"] == 3
    last.end({})
    found = read_status(path)
    assert (found["ended"], found["at"], found.get("tries", 0)) == (900, "", 0)


def test_an_upkeep_that_stands_still_is_not_alive(tmp_path: Path) -> None:
    """Its process lives on where restic waits for a file server that went away; nobody takes that for work."""
    path, clock = tmp_path / "status.json", [100.0]
    looks: list[float] = []
    notes = UpkeepNotes(path, lambda: clock[0])
    notes.begin("prune")

    def moved_at() -> float:
        looks.append(clock[0])
        return 5.0

    with notes.alive(0.001, moved_at):
        clock[0] = 900.0
        wait_until(lambda: looks.count(900.0) > 9, "ten looks at how far it is")
    assert read_status(path)["alive"] == 100
    notes.begin("check")
    assert read_status(path)["alive"] == 900
