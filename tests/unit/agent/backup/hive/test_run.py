"""The backup of a hive: what stays of one that fails, and of a night in which there was none."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.backup import config, verbs
from agent.backup.config import ServiceData
from agent.backup.hive import journal, run
from agent.backup.hive.nightly import begin_again
from agent.backup.hive.release import release
from agent.backup.hive.run import HiveBackup
from agent.errors import AgentError, words_of
from agent.host.durable_files import alone
from agent.output import Output
from tests.doubles.hive import DB, FILES, Hive

NOTHING: dict[str, Any] = {"generations": [], "failed": {}, "elsewhere": []}


@pytest.fixture
def hive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hive:
    """Give a hive whose service has two dumps."""
    monkeypatch.setattr(run, "revisions_of", lambda *_: {"number": 1, "pinned": None, "kept": []})
    return Hive(tmp_path, (DB, type(DB)("late", backup_command="late", restore_command="load"), FILES))


def backup(hive: Hive) -> HiveBackup:
    """Return the hive's backup."""
    return HiveBackup(hive.config, hive.engine, hive.repository, Output(), hive.state / "staging", hive.state)


@pytest.mark.parametrize("cause", ["a later dump", "the repository"])
def test_no_dump_stays_of_one_that_failed(hive: Hive, monkeypatch: pytest.MonkeyPatch, cause: str) -> None:
    """It would take the volumes' disk, unencrypted, until the next night."""
    if cause == "a later dump":
        hive.engine.failing["late"] = 1
    else:
        monkeypatch.setattr(HiveBackup, "_store", fail)
    assert "web" in backup(hive).run(["web"], "scheduled")["failed"]
    assert hive.engine.ran == ["dump", "late"]
    assert list((hive.config.spool / "web").iterdir()) == []


def test_a_bug_in_one_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is raised for one, it is noted with its kind, and the services behind it are saved."""
    hive = Hive(tmp_path)
    services = {name: ServiceData(name, (FILES,)) for name in ("bad", "web")}
    object.__setattr__(hive.config, "services", services)

    def save(_: HiveBackup, service: ServiceData, *__: object) -> dict[str, str]:
        if service.name == "bad":
            raise KeyError("Spec")
        return {"id": "bb000001"}

    monkeypatch.setattr(HiveBackup, "_save", save)
    monkeypatch.setattr(run, "container_here", lambda *_: "c1")
    assert backup(hive).run([], "scheduled") == {
        "generations": [{"id": "bb000001"}],
        "failed": {"bad": "KeyError('Spec')"},
        "elsewhere": [],
    }
    assert (hive.note("status/bad.json") or {})["error"] == "KeyError('Spec')"


def fail(*_: object) -> None:
    """End as with a repository that can't be written."""
    raise AgentError("restic: no space left on device")


def test_a_killed_jobs_dumps_go(hive: Hive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the next job, also of a service that site.toml no longer has; not those that are brought back."""
    monkeypatch.setattr("agent.backup.hive.release.let_go", lambda _: [])
    monkeypatch.setattr("agent.backup.hive.release.clear", lambda _: None)
    monkeypatch.setattr(journal, "STAGING", tmp_path / "none")
    gone, kept = (
        hive.config.spool / "gone" / "db.dump",
        hive.config.spool / "restore" / "web" / "aa" / "db.dump",
    )
    for path in (gone, kept):
        path.parent.mkdir(parents=True)
        path.write_text("dump")
    release(hive.engine, Output(), hive.config.spool)
    assert (gone.exists(), kept.exists()) == (False, True)


def test_a_night_in_which_another_job_was_at_work(
    hive: Hive, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The timer's run waits; one that gives up is noted as a failure of the services, which `doit status` shows."""
    monkeypatch.setattr(journal, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(verbs, "NIGHT", 0.0)
    monkeypatch.setattr(config, "hive_config", lambda: hive.config)
    monkeypatch.setattr(verbs, "EngineSocket", lambda: hive.engine)
    monkeypatch.setattr(verbs, "HiveBackup", lambda *_: backup(hive))
    with alone(tmp_path / "lock", "restore"):
        assert verbs.main(["run", "--kind", "asked"]) == 1
        assert hive.note("status/web.json") is None
        assert verbs.main(["run"]) == 1
    noted = hive.note("status/web.json")
    assert noted is not None
    assert "backup restore" in noted["error"]
    assert '"kind": "busy"' in capsys.readouterr().out


@pytest.fixture
def verbs_of(hive: Hive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hive:
    """Give a hive whose verbs can be called."""
    monkeypatch.setattr(journal, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(config, "hive_config", lambda: hive.config)
    monkeypatch.setattr(verbs, "EngineSocket", lambda: hive.engine)
    monkeypatch.setattr(verbs, "HiveBackup", lambda *_: backup(hive))
    monkeypatch.setattr(verbs, "begin_again", lambda engine, of: begin_again(engine, of, hive.state))
    return hive


@pytest.mark.parametrize("error", [AgentError("the swarm has no leader"), KeyError("Spec")])
def test_a_night_that_can_not_begin(
    verbs_of: Hive, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """What a job before left can't be put right: that is noted, and by no run that somebody asked for."""

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(verbs, "release", refuse)
    for kind, noted in (("asked", None), ("scheduled", words_of(error))):
        with suppress(KeyError):
            assert verbs.main(["run", "--kind", kind]) == 1
        assert (verbs_of.note("status/web.json") or {}).get("error") == noted
    assert verbs_of.note("begun.json") is None


def test_a_night_that_a_power_cut_ends(
    verbs_of: Hive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It was noted before it began; the next boot lets go what was held, and has it begin again."""
    monkeypatch.setattr(verbs, "release", lambda *_: None)
    seen: list[object] = []

    def saved(*_: object) -> dict[str, Any]:
        seen.append(verbs_of.note("begun.json"))
        return NOTHING

    monkeypatch.setattr(HiveBackup, "run", saved)
    assert verbs.main(["run"]) == 0
    assert len(seen) == 1
    assert isinstance(seen[0], int)
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:/usr/bin:/bin")
    assert verbs.main(["boot"]) == 0
    assert not (tmp_path / "asked").exists()
    journal.begun(verbs_of.state).write(1)
    verbs_of.engine.replicas = 0
    waited: list[float] = []

    def start(seconds: float) -> None:
        waited.append(seconds)
        verbs_of.engine.replicas = 1

    monkeypatch.setattr("agent.backup.hive.nightly.time.sleep", start)
    assert verbs.main(["boot"]) == 0
    assert len(waited) == 1, "a service's task is waited for, which its dumps need"
    assert (tmp_path / "asked").read_text() == "start --no-block skep-backup.service\n"


def test_the_seal_has_when_it_was_begun(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first dump, which is as old as that, however long all of it takes."""
    at = datetime(2026, 11, 27, 1, tzinfo=UTC)
    clock = SimpleNamespace(now=lambda _zone: at + timedelta(hours=len(hive.engine.ran)))
    monkeypatch.setattr(run, "datetime", clock)
    summary = {"snapshot_id": "aa", "total_bytes_processed": 1, "total_files_processed": 1, "data_added": 1}
    monkeypatch.setattr(HiveBackup, "_store", lambda *_: summary)
    assert backup(hive).run(["web"], "scheduled")["failed"] == {}
    assert hive.engine.ran == ["dump", "late"]
    [(kind, _, facts)] = hive.repository.notes
    assert (kind, facts["begun"]) == ("seal", "2026-11-27T01:00:00+00:00")
