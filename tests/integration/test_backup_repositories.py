"""The repository host's care for the hives' repositories, with a real restic."""

import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from agent.backup.config import Copy, HiveConfig, RepositoryConfig
from agent.backup.hive import journal
from agent.backup.hive.standby import Standbys
from agent.backup.notes import SEAL, VERIFIED, add_note, data_tags
from agent.backup.repository import repositories
from agent.backup.repository.generations import Generation, listing
from agent.backup.repository.keeping import Upkeep
from agent.backup.repository.off_site import copied_since
from agent.backup.repository.site_files import save_site
from agent.backup.repository.standbys import stand_by
from agent.backup.repository.transport import fetch, share
from agent.errors import AgentError
from agent.output import Output
from tests.debian import install

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
DAY = 86_400


class Place:
    """A repository host of two hives, with a copy elsewhere on this disk.

    Args:
        root: A directory of its own.

    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.copy = Copy("away", str(root / "away"), {})
        self.config = RepositoryConfig(
            root=root / "here",
            user="",
            hives={"hive0": "zero", "hive1": "one"},
            password="all",
            keep={"last": 2},
            copies=(),
        )

    def upkeep(self, **changes: Any) -> Upkeep:
        """Return the care, with a configuration that differs."""
        return Upkeep(replace(self.config, **changes), Output(), self.root / "status.json", time.time)

    def save(
        self,
        text: str,
        *,
        service: str = "db",
        hive: str = "hive0",
        sealed: bool = True,
        age: float = 0,
        when: str = "",
    ) -> str:
        """Save data as a hive does; have it arrived so many days ago, and made at a time by the hive's clock."""
        data = self.root / "data"
        data.mkdir(exist_ok=True)
        (data / "rows").write_text(text)
        words = ["backup", ".", "--json", "--host", hive, *(["--time", when] if when else [])]
        for tag in data_tags("private", service, "scheduled"):
            words += ["--tag", tag]
        done = subprocess.run(
            ["restic", *words], cwd=data, env=self.env(hive), check=True, capture_output=True, text=True
        )
        short = json.loads(done.stdout.splitlines()[-1])["snapshot_id"]
        [found] = repositories.of_hive(self.config, hive).snapshots(short)
        identity = str(found["id"])
        if age:
            then = time.time() - age * DAY
            os.utime(self.config.root / hive / "snapshots" / identity, (then, then))
        if sealed:
            facts = {
                "bytes": len(text),
                "files": 1,
                "added": len(text),
                "seconds": 1,
                "scripts": {"db": "db.dump"},
            }
            self.note(hive, SEAL, identity, facts)
        return identity

    def note(self, hive: str, kind: str, of: str, facts: Mapping[str, Any]) -> None:
        """Note something of a snapshot."""
        add_note(repositories.of_hive(self.config, hive), hive, kind, of, facts, self.root / "note")

    def env(self, hive: str) -> dict[str, str]:
        """Return the variables for restic."""
        own = {"RESTIC_REPOSITORY": str(self.config.root / hive), "RESTIC_PASSWORD": self.config.hives[hive]}
        return {**os.environ, **own}

    def there(self, **changes: Any) -> list[Generation]:
        """Return the generations, the oldest first."""
        return listing(replace(self.config, **changes)).generations

    def rows(self, hive: str, snapshot: str) -> str:
        """Return the data that a snapshot has."""
        words = ["restic", "dump", snapshot, "/rows"]
        return subprocess.run(words, env=self.env(hive), check=True, capture_output=True, text=True).stdout


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Give a repository host whose repositories are made."""
    install(["restic"])
    monkeypatch.setattr("agent.backup.restic._CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)  # nobody to change files to
    made = Place(tmp_path)
    assert repositories.ensure(made.config) == ["hive0", "hive1"]
    assert repositories.ensure(made.config) == []
    return made


def test_old_ones_go_and_the_others_stay_whole(place: Place) -> None:
    """By the policy; the notes of those that go, go too; what nobody sealed goes after a day, and never counts."""
    ids = [place.save(f"row{n}", age=9 - n) for n in range(4)]
    place.save("half", sealed=False, age=2)
    half = place.save("at work", sealed=False)
    assert [each.id for each in place.there()] == ids
    result = place.upkeep().keep()
    assert (result["forgotten"], result["failed"]) == (2, {})
    assert [each.id for each in place.there()] == ids[2:]
    left = repositories.of_hive(place.config, "hive0").snapshots()
    assert len(left) == 5, "two generations with their seals, and one that may be at work"
    assert half in {each["id"] for each in left}
    assert place.rows("hive0", ids[2]) == "row2"


def test_a_hive_whose_clock_is_wrong(place: Place) -> None:
    """What it dates a day back or ahead counts as what it is: the newest, as it arrived; and it is said."""
    good = place.save("good", age=3)
    ahead = place.save("ahead", when="2030-01-01 00:00:00", age=2)
    behind = place.save("behind", when="2020-01-01 00:00:00", age=1)
    found = place.there()
    assert [each.id for each in found] == [good, ahead, behind]
    assert [each.clock_is_wrong for each in found][1:] == [True, True]
    place.upkeep().keep()
    assert [each.id for each in place.there()] == [ahead, behind]


def test_tests_are_known_by_their_notes(place: Place) -> None:
    """The last one counts; the newest that is of use is never forgotten."""
    good = place.save("good", age=5)
    place.note("hive0", VERIFIED, good, {"ok": True, "scripts": {"db": "fine"}})
    bad = [place.save(f"bad{n}", age=4 - n) for n in range(3)]
    for each in bad:
        place.note("hive0", VERIFIED, each, {"ok": False, "why": "no rows"})
    place.upkeep().keep()
    found = place.there()
    assert [each.id for each in found] == [good, *bad]
    assert found[0].told()["test"]["scripts"] == {"db": "fine"}
    assert found[1].told()["test"]["why"] == "no rows"


def test_a_generation_for_another_hive(place: Place) -> None:
    """It is in that hive's repository, too, as the same generation; doing it again changes nothing."""
    identity = place.save("rows")
    there = share(place.config, identity[:8], "hive1", Output())["id"]
    assert place.rows("hive1", there) == "rows"
    assert share(place.config, identity[:8], "hive1", Output())["id"] == there
    [found] = place.there()
    assert (found.id, sorted(found.places)) == (identity, ["hive0", "hive1"])
    assert share(place.config, identity[:8], "hive0", Output())["id"] == identity
    with pytest.raises(AgentError, match="no such generation"):
        share(place.config, "00000000", "hive1", Output())
    with pytest.raises(AgentError, match="hive7 has no repository here; there are: hive0, hive1"):
        share(place.config, identity[:8], "hive7", Output())


def test_a_copy_off_the_site_brings_all_back(place: Place) -> None:
    """All generations and notes, once; alone it gives an empty repository host the same generations, by their ids."""
    began = time.time()
    ids = [place.save("first", age=2), place.save("second", hive="hive1", age=1)]
    place.note("hive1", VERIFIED, ids[1], {"ok": True, "scripts": {}})
    copies = (place.copy,)
    assert place.upkeep(copies=copies).keep()["copied"] == 2
    assert place.upkeep(copies=copies).keep()["copied"] == 0
    there = replace(place.config, copies=copies)
    since = [copied_since(there, each, place.root / "off-site.json")["away"] for each in ids]
    assert all(
        each is not None and began - 1 <= datetime.fromisoformat(each).timestamp() <= time.time()
        for each in since
    )
    shutil.rmtree(place.config.root)
    repositories.ensure(place.config)
    assert place.there() == []
    # They count as they arrived here at first, and not as hives dated them.
    fetch(replace(place.config, copies=copies), "away", Output())
    fetch(replace(place.config, copies=copies), "away", Output())
    found = place.there()
    assert [each.id for each in found] == ids
    assert [round((time.time() - each.arrived.timestamp()) / DAY) for each in found] == [2, 1]
    assert place.upkeep(copies=copies).keep()["forgotten"] == 0
    [second] = [each for each in place.there() if each.id == ids[1]]
    assert place.rows("hive1", second.places["hive1"]) == "second"
    assert second.is_good
    assert second.tests


@pytest.fixture
def shared_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a repository host as it is: repositories of a user's, and a directory that others may pass."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be another user")
    install(["restic", "rclone"])
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o711)
        monkeypatch.setattr("agent.backup.restic._CACHE", f"{root}/cache")
        made = Place(Path(root))
        umask = os.umask(0o077)
        try:
            yield made
        finally:
            os.umask(umask)


@pytest.mark.parametrize(
    ("word", "environment"),
    [
        pytest.param("{root}/away", {}, id="a directory that is root's"),
        pytest.param("rclone:far:{root}/away", {"RCLONE_CONFIG_FAR_TYPE": "local"}, id="one with variables"),
    ],
)
def test_a_place_that_only_root_can_read(
    shared_place: Place, word: str, environment: Mapping[str, str]
) -> None:
    """What went there comes back, and no file of a hive's repository is ever another user's, a lock neither."""
    comes_back(shared_place, Copy("away", word.format(root=shared_place.root), environment))
    assert (shared_place.root / "away").stat().st_uid == 0


def test_a_bucket(shared_place: Place) -> None:
    """What went to `s3:` comes back; moto's server stands in for Amazon's, and asks for no credentials."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        repository = "s3:http://{}:{}/bucket".format(*server.get_host_and_port())
        comes_back(
            shared_place,
            Copy("away", repository, {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}),
        )
    finally:
        server.stop()


def comes_back(place: Place, copy: Copy) -> None:
    """Save a generation, copy it to a place, lose the repositories, and make sure that it comes back from there."""
    place.config.root.mkdir()
    repositories.of_hive(place.config, "hive0").init()
    identity = place.save("rows")
    place.config = replace(place.config, user="daemon")
    config = replace(place.config, copies=(copy,))
    subprocess.run(["chown", "-R", "daemon:", str(config.root)], check=True)  # as the server writes it
    assert place.upkeep(copies=config.copies).keep()["failed"] == {}
    shutil.rmtree(config.root)
    repositories.ensure(config)
    assert fetch(config, "away", Output())["brought"] == 2
    [found] = place.there()
    assert (found.id, place.rows("hive0", found.places["hive0"])) == (identity, "rows")
    owner = pwd.getpwnam("daemon").pw_uid
    held = [path for hive in config.hives for path in (config.root / hive).rglob("*")]
    assert {path.stat().st_uid for path in held} == {owner}


def test_what_fails_keeps_nothing_else_from_being_done(place: Place) -> None:
    """A place that can't be had is noted, with since when, until it can be had again; the rest is done."""
    place.save("rows")
    (place.root / "away").write_text("in the way")
    copies = (place.copy,)
    assert "copy away" in place.upkeep(copies=copies).keep()["failed"]
    first = json.loads((place.root / "status.json").read_text())
    [kept] = place.there()
    assert copied_since(replace(place.config, copies=copies), kept.id, place.root / "off-site.json") == {
        "away": None
    }
    assert {"repositories", "listing", "forget", "prune", "check"} <= first["done"].keys()
    place.upkeep(copies=copies).keep()
    again = json.loads((place.root / "status.json").read_text())
    assert again["failed"]["copy away"]["since"] == first["failed"]["copy away"]["since"]
    (place.root / "away").unlink()
    assert place.upkeep(copies=copies).keep()["failed"] == {}


def test_a_place_that_lost_a_file_or_is_gone(place: Place) -> None:
    """The weekly check finds the first; the second is a failure until the place has another name, and is new then."""
    place.save("rows")
    copies = (place.copy,)
    assert place.upkeep(copies=copies).keep()["failed"] == {}
    status = place.root / "status.json"
    first = json.loads(status.read_text())
    assert first["done"]["check away"] >= first["begun"]
    lost = next((place.root / "away/data").rglob("?" * 64))
    lost.unlink()
    status.write_text(json.dumps(first | {"done": first["done"] | {"check away": 0}}))
    [(part, why)] = place.upkeep(copies=copies).keep()["failed"].items()
    said = f"restic: pack {lost.name[:10]} is missing"
    assert (part, why.partition(";")[0]) == ("check away", said)
    shutil.rmtree(place.root / "away")
    failed = place.upkeep(copies=copies).keep()["failed"]
    assert {part: text.partition(";")[0] for part, text in failed.items()} == {
        "check away": said,  # until a check ends well
        "copy away": f"{place.root / 'away'}: the repository is gone which had the copies",
    }
    assert not (place.root / "away").exists()
    anew = replace(place.copy, name="anew")
    result = place.upkeep(copies=(anew,)).keep()
    assert (result["failed"], result["copied"]) == ({}, 1)


def test_a_password_that_does_not_fit(place: Place) -> None:
    """The hive is named, and nothing is made over it."""
    wrong = replace(place.config, hives={"hive0": "other", "hive1": "one"})
    with pytest.raises(AgentError, match=r"the repository of hive0 \(.*\): restic: wrong password"):
        repositories.ensure(wrong)


def test_one_hives_broken_repository(place: Place) -> None:
    """It is named, and the generations of the others are told, copied, forgotten, pruned and checked."""
    ids = [place.save(f"row{n}", hive="hive1", age=9 - n) for n in range(3)]
    other = place.save("rows")
    wrong = {"hive0": "wrong", "hive1": "one"}
    found = listing(replace(place.config, hives=wrong))
    assert [each.id for each in found.generations] == ids
    assert found.unread == {"hive0": "restic: wrong password or no key found"}
    copies = (place.copy,)
    result = place.upkeep(hives=wrong, copies=copies).keep()
    assert result["failed"]["listing of hive0"] == "restic: wrong password or no key found"
    assert result["failed"]["check"] == "hive0: restic: wrong password or no key found"
    assert (result["forgotten"], result["copied"]) == (1, 3)
    assert [each.id for each in place.there()] == [*ids[1:], other]
    assert place.upkeep(copies=copies).keep()["failed"] == {}


def test_a_stale_lock(place: Place) -> None:
    """A job that was killed leaves one; the next goes through."""
    place.save("rows", age=3)
    place.save("rows", age=2)
    place.save("more", age=1)
    lock = place.config.root / "hive0" / "locks"
    process = subprocess.Popen(
        ["restic", "prune", "--repack-cacheable-only", "--max-unused", "0"],
        env=place.env("hive0"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not any(len(path.name) == 64 for path in lock.iterdir()):
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert place.upkeep().keep()["failed"] == {}
    assert not any(lock.iterdir())


def test_files_that_were_cut_off(place: Place) -> None:
    """An index and a snapshot of half their length, as after a power cut: set aside, and all else is of use again."""
    good = place.save("rows", age=1)
    index = {path.name for path in (place.config.root / "hive0/index").iterdir()}
    cut = place.save("cut")
    [broken] = [path for path in (place.config.root / "hive0/index").iterdir() if path.name not in index][:1]
    for path in (broken, place.config.root / "hive0/snapshots" / cut):
        path.chmod(0o600)
        os.truncate(path, path.stat().st_size // 2)
    shutil.rmtree(place.root / "cache")
    with pytest.raises(AgentError, match="restic"):
        repositories.of_hive(place.config, "hive0").check()
    assert place.upkeep().keep()["failed"].keys() & {"check", "listing", "prune"}
    later = replace(place.upkeep(), now=lambda: time.time() + 601)
    assert later.keep()["failed"] == {}
    assert [each.id for each in place.there()] == [good]
    assert place.rows("hive0", good) == "rows"
    new = place.save("new")
    repositories.of_hive(place.config, "hive0").check("100%")
    assert [each.id for each in place.there()] == [good, new]


def test_a_seal_that_is_broken(place: Place) -> None:
    """What it was of is not forgotten, though nothing says any more that it is whole."""
    identity = place.save("rows", age=3)
    [seal] = [path for path in (place.config.root / "hive0/snapshots").iterdir() if path.name != identity]
    seal.chmod(0o600)
    os.truncate(seal, seal.stat().st_size // 2)
    shutil.rmtree(place.root / "cache")
    assert seal.name[:8] in listing(place.config).unread["hive0"]
    later = replace(place.upkeep(), now=lambda: time.time() + 601)
    assert later.keep()["failed"] == {}
    assert place.there() == []
    assert later.keep()["failed"] == {}
    assert place.rows("hive0", identity) == "rows"


def test_a_copy_forgets_as_well_once_a_week(place: Place) -> None:
    """By the same policy, when it is due again; until then what went here stays there."""
    ids = [place.save(f"row{n}", age=9 - n) for n in range(4)]
    copies = (place.copy,)
    soon, upkeep = time.time(), place.upkeep(copies=copies)
    assert replace(upkeep, now=lambda: soon).keep()["failed"] == {}
    away = repositories.of_copy(place.config, place.copy)
    assert len(away.snapshots()) == 9, "four generations with their seals, and when they arrived"
    assert {each["original"] for each in away.snapshots() if "service=db" in each["tags"]} == set(ids)
    assert replace(upkeep, now=lambda: soon + 6 * DAY).keep()["failed"] == {}
    assert len(away.snapshots()) == 9
    assert replace(upkeep, now=lambda: soon + 8 * DAY).keep()["failed"] == {}
    assert {each["original"] for each in away.snapshots() if "service=db" in each["tags"]} == set(ids[2:])
    assert len(away.snapshots()) == 5


def test_the_sites_own_files(place: Place) -> None:
    """They are a generation whenever they changed, in a repository of their own; one that is missing is said."""
    vault = place.root / "vault.json"
    config = replace(
        place.config, hives={**place.config.hives, "site": "own"}, site={"vault.json": str(vault)}
    )
    repositories.ensure(config)
    notes, staging = place.root / "note", place.root / "staging"
    with pytest.raises(AgentError, match=r"vault\.json is not there yet"):
        save_site(config, notes, staging)
    vault.write_text("first")
    assert [save_site(config, notes, staging) for _ in range(2)] == [1, 0]
    vault.write_text("second")
    assert save_site(config, notes, staging) == 1
    assert not staging.exists()
    found = listing(config).generations
    assert [(each.service, each.host) for each in found] == [("site", "site")] * 2
    words = ["restic", "dump", found[1].places["site"], "/vault.json"]
    env = {**os.environ, "RESTIC_REPOSITORY": str(config.root / "site"), "RESTIC_PASSWORD": "own"}
    assert subprocess.run(words, env=env, check=True, capture_output=True, text=True).stdout == "second"


def test_one_service_comes_back_from_a_copy(place: Place) -> None:
    """Its generations with what is known of them, and nothing of another; an unknown copy is said."""
    mine = place.save("mine", age=2)
    place.note("hive0", VERIFIED, mine, {"ok": True, "scripts": {}})
    other = place.save("other", service="web", age=1)
    copies = (place.copy,)
    place.upkeep(copies=copies).keep()
    shutil.rmtree(place.config.root)
    repositories.ensure(place.config)
    there = replace(place.config, copies=copies)
    assert fetch(there, "away", Output(), "db")["brought"] == 3
    [found] = place.there()
    assert (found.id, found.is_good, len(found.tests)) == (mine, True, 1)
    assert fetch(there, "away", Output(), "web")["brought"] == 2
    assert {each.id for each in place.there()} == {mine, other}
    with pytest.raises(AgentError, match="s3: no such copy; there are: away"):
        fetch(there, "s3", Output())


def test_named_generations_come_back_first(place: Place) -> None:
    """Those that are named, with their seals, and no others; the rest comes by the next call; bytes are told."""
    ids = [place.save(f"row{n}", age=4 - n) for n in range(3)]
    copies = (place.copy,)
    place.upkeep(copies=copies, keep={"last": 9}).keep()
    shutil.rmtree(place.config.root)
    repositories.ensure(place.config)
    there = replace(place.config, copies=copies)
    source = repositories.of_copy(there, place.copy)
    assert fetch(there, "away", Output(), only=[ids[1]])["brought"] == 2
    assert [each.id for each in place.there()] == [ids[1]]
    assert fetch(there, "away", Output())["brought"] == 6
    assert {each.id for each in place.there()} == set(ids)
    taken = source.stored_size([each["id"] for each in source.snapshots()])
    held = sum(path.stat().st_size for path in (place.root / "away/data").rglob("*") if path.is_file())
    assert 0 < taken <= held


def test_a_standby_has_the_newest_or_what_it_had(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository host puts it into the hive's repository, and the hive restores it; killed, the old one stays."""
    root, state = place.root / "standby", place.root / "hive"
    monkeypatch.setattr(journal, "RUNTIME", place.root / "run")
    monkeypatch.setattr(stand_by, "__defaults__", (place.root / "told.json",))

    def keep() -> None:
        upkeep = place.upkeep(standby={"db": ["hive1"]}, keep={"last": 9})
        assert upkeep.keep()["failed"] == {}

    def refreshed() -> list[str]:
        config = HiveConfig("hive1", "private", Path(), Path(), "", Path(), "never", {}, standby=("db",))
        restic = repositories.of_hive(place.config, "hive1")
        result = Standbys(config, restic, Output(), root, state).refresh()
        assert result["failed"] == {}
        return [str(name) for name in result["restored"]]

    def rows() -> list[str]:
        return [path.read_text() for path in root.glob("db/*/rows")]

    place.save("one", age=2)
    keep()
    assert (refreshed(), rows()) == (["db"], ["one"])
    place.save("two", age=1)
    place.save("cut off", sealed=False)
    assert (refreshed(), rows()) == ([], ["one"]), "nobody has told it yet"
    keep()
    (root / "db/new").mkdir()
    (root / "db/new/rows").write_text("half of it")
    assert (refreshed(), rows()) == (["db"], ["two"])
    keep()
    assert (refreshed(), rows()) == ([], ["two"])
