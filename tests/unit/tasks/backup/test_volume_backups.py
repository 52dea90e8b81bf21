"""Backups in place of a copy: which is brought, what is said of it before, and what its hive is asked for."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.errors import HostError, ServiceError
from model.swarm.volume_move import VolumeMove
from remote.swarm import volume_moves
from tasks.backup.volume_backups import VolumeBackups
from tasks.operate.volume_candidates import Candidate, MoveRefusedError
from tests import made as rig
from tests.doubles.agent import AgentHost, Answer, agents

BACKUP = """\
[backup]

[volumes.logs]
hosts = ["hive1"]

[networks.back]
"""
SCRIPTS = """\
[[services.web.backup_scripts]]
name = "files"
volume = "data"

[[services.web.backup_scripts]]
name = "db"
backup_command = "dump"
restore_command = "load"
"""
LOGS = '[[services.web.backup_scripts]]\nname = "logs"\nvolume = "logs"\n'
BOTH = {"files": "files", "db": "db.dump"}


def generation(identity: str, day: int, **more: Any) -> dict[str, Any]:
    """Return a generation as the agent tells it."""
    whole = {
        "id": identity,
        "service": "web",
        "host": "hive0",
        "time": f"2026-11-{day}T01:00:00+00:00",
        "begun": f"2026-11-{day}T00:20:00+00:00",
        "kind": "scheduled",
        "test": None,
        "bytes": 1000,
        "scripts": BOTH,
    }
    return whole | more


class Site:
    """A site whose volume data is lost with hive0, and is to be on hive1.

    Args:
        directory: Where site.toml is; made here.
        scripts: The parts of the service's backups.

    """

    def __init__(self, directory: Path, scripts: str = SCRIPTS) -> None:
        directory.mkdir(exist_ok=True)
        made = rig.new(directory)
        made.edit("[networks.back]\n", BACKUP)
        made.edit('hosts = ["hive0"]', 'hosts = ["hive1"]')
        made.edit(
            'volumes = [{ source = "data", target = "/data" }]\ninitialize_roles = ["first"]\n',
            'volumes = [{ source = "data", target = "/data" }, { source = "logs", target = "/logs" }]\n'
            + scripts,
        )
        self.generations = [generation("aa000001", 26), generation("aa000002", 27)]
        self.run = run = made.run()
        self.lines: list[str] = []
        self.copied: list[str] = []
        self.free = 10**9
        share = {"share": lambda words: {"id": f"{words.id}-{words.hive}"}}
        verbs = ("read", "swap", "settle", "unswap")
        answers: dict[str, Answer] = dict.fromkeys(verbs, lambda _: {})
        self.hive = AgentHost("hive1", {**answers, "load": lambda words: {"loaded": words.script}})
        self.hive.script = lambda text, **_: self.hive.asked.append(text.splitlines()[-1])  # type: ignore[attr-defined]
        repository = AgentHost("hive2", share | {"generations": lambda _: self.generations})
        agents(run, {"hive1": self.hive, "hive2": repository})
        connections: Any = run.connections
        connections.manager = lambda: (run.stage.host("hive1"), None)
        self.moves: Any = SimpleNamespace(
            make=lambda candidate: f"/v/{candidate.name}/_data",
            refuse_users=lambda candidate, hosts: self.copied.append(
                f"nothing uses {candidate.name} on {', '.join(host.short for host in hosts)}"
            ),
            volume_root=lambda _host: "/v",
            look=lambda _host, _directory, **_: SimpleNamespace(free=self.free),
        )

    def candidate(self, name: str, backups: Mapping[str, str] | None = None, **more: Any) -> Candidate:
        """Return a volume that goes from hive0, which is lost, to hive1."""
        move = VolumeMove(name, "hive0", "hive1", {}, backups={} if backups is None else backups)
        stage = self.run.stage
        return Candidate(name, stage.host("hive0"), stage.host("hive1"), replace(move, **more))

    def backups(self, *candidates: Candidate, at: str | None = None) -> VolumeBackups:
        """Return their backups."""
        return VolumeBackups(self.run, candidates, at, self.lines.append, lambda *_: None)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a site."""
    made = Site(tmp_path)
    monkeypatch.setattr(volume_moves, "note_copied", lambda _client, _labels, name: made.copied.append(name))
    return made


def test_the_newest_good_one(site: Site) -> None:
    """Neither one that a test found to be of no use, nor what a restoration took away; the journal gets its id."""
    site.generations += [
        generation("aa000003", 28, test={"ok": False, "why": "no rows"}),
        generation("aa000004", 29, kind="before-restore"),
    ]
    backups = site.backups(site.candidate("data"))

    assert [each.move.backups for each in backups.candidates()] == [{"web": "aa000002"}]
    [line] = backups.lines()
    assert line == (
        "service web: gets aa000002 of 2026-11-27 01:00, made on hive0, and loses what is since 2026-11-27 00:20; it "
        "was never tried (doit verify_backups)"
    )


def test_one_that_is_named(site: Site) -> None:
    """By `at=`; once it is begun the journal decides, and another word is refused."""
    [chosen] = site.backups(site.candidate("data"), at="aa000001").candidates()
    assert chosen.move.backups == {"web": "aa000001"}

    begun = site.candidate("data", {"web": "aa000001"})
    assert site.backups(begun).candidates() == [begun]
    with pytest.raises(MoveRefusedError, match=r"^at=aa000002: aa000001 of web is being brought already"):
        site.backups(begun, at="aa000002").candidates()


def test_there_is_none_of_use(site: Site) -> None:
    """It is said with those that there are; nothing was changed."""
    site.generations = [generation("aa000003", 28, test={"ok": False, "why": "no rows"})]

    with pytest.raises(HostError, match=r"^web: there is no backup of use .*; there are: aa000003 of"):
        site.backups(site.candidate("data")).candidates()


def test_a_backup_comes_as_a_whole(site: Site, tmp_path: Path) -> None:
    """Volumes whose files it has go together; one that it does not have is empty, unless a dump may be of it."""
    fresh = Site(tmp_path / "three", SCRIPTS + LOGS)
    fresh.generations = [generation("aa000001", 26, scripts={**BOTH, "logs": "logs"})]
    with pytest.raises(MoveRefusedError, match="type: doit move_volume data logs to=hive1 from=backup"):
        fresh.backups(fresh.candidate("data")).candidates()
    assert len(fresh.backups(fresh.candidate("data"), fresh.candidate("logs")).candidates()) == 2

    site.generations[:] = [generation("aa000001", 26, scripts={"files": "files"})]
    lines = [*site.backups(site.candidate("data"), site.candidate("logs")).lines()]
    assert lines[1:] == ["volume logs: no backup has it, so that it is empty on hive1"]
    site.generations[:] = [generation("aa000001", 26)]
    assert len([*site.backups(site.candidate("data"), site.candidate("logs")).lines()]) == 1


def test_the_disk_has_room(site: Site) -> None:
    """Looked at before anything stops; a move that goes on has taken some of it already."""
    site.free = 1000
    site.backups(site.candidate("data", {"web": "aa000001"})).check_room(site.moves)

    with pytest.raises(
        MoveRefusedError, match=r"hive1: the backup needs 67 MB on the disk of /v, and 0 MB are"
    ):
        site.backups(site.candidate("data")).check_room(site.moves)


def test_what_its_hive_is_asked_for(site: Site) -> None:
    """Files before the services start, dumps after, from the hive's own repository; what no backup has is empty."""
    candidates = [site.candidate("data"), site.candidate("logs")]
    backups = site.backups(*site.backups(*candidates).candidates())

    backups.bring(site.moves)
    assert site.hive.asked == [
        "find /v/logs/_data -mindepth 1 -delete",
        "read aa000002-hive1 --script files --service web",
        "swap aa000002-hive1 --service web",
    ]
    assert site.copied == [
        "nothing uses data on hive1",
        "data",
        "nothing uses logs on hive1",
        "logs",
    ]
    site.hive.asked.clear()
    backups.load()
    assert site.hive.asked == [
        "read aa000002-hive1 --script db --service web",
        "load aa000002-hive1 --script db --service web",
        "settle --service web",
    ]
    assert site.lines == ["service web: loaded db"]


def test_killed_behind_the_files(site: Site) -> None:
    """They are whole, and services may have written to them: they are left alone, and dumps are loaded."""
    whole = site.candidate("data", {"web": "aa000002"}, is_copied=True)
    backups = site.backups(whole)

    backups.bring(site.moves)
    assert (site.hive.asked, site.copied) == ([], [])
    backups.load()
    assert [words.split()[0] for words in site.hive.asked] == ["read", "load", "settle"]


def test_given_up(site: Site) -> None:
    """What was brought goes; a hive that can't do it keeps nobody from having the services back."""
    begun = site.candidate("data", {"web": "aa000002"})
    site.backups(begun).undo(begun)
    assert site.hive.asked == ["unswap --service web", "settle --service web"]

    site.hive.answers = {"unswap": lambda _: "No space left on device"}
    site.backups(begun).undo(begun)
    assert site.lines == ["hive1: what was brought there stays: hive1: No space left on device"]


def test_a_machine_that_was_not_installed_anew(site: Site) -> None:
    """Where nobody looked into the volume before, data in it that no killed try brought is left alone."""
    unknown = site.candidate("data", {"web": "aa000002"}, source="")
    for said, is_left_alone in (("data\n", True), ("", False)):
        site.hive.script = lambda _text, said=said, **_: said  # type: ignore[attr-defined]
        if is_left_alone:
            with pytest.raises(ServiceError, match="hive1: volume data has data in it, which would be lost"):
                site.backups(unknown).bring(site.moves)
        else:
            site.backups(unknown).bring(site.moves)
        assert bool(site.hive.asked) != is_left_alone


def test_a_volume_that_is_copied(site: Site) -> None:
    """Its files come from its hive: no backup is asked for, and nothing is said of any."""
    given = site.candidate("data")
    backups = site.backups(replace(given, move=replace(given.move, backups=None)))
    assert backups.candidates() == []
    backups.check_room(site.moves)
    assert list(backups.lines()) == []
    backups.bring(site.moves)
    backups.load()
    assert (site.hive.asked, site.lines, site.copied) == ([], [], [])
