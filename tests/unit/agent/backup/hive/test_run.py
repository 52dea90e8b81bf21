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
    release(hive.engine, Output(), hive.config)
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
    monkeypatch.setattr(
        verbs, "begin_again", lambda engine, of, lock: begin_again(engine, of, lock, hive.state)
    )
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


def has_systemctl(script: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a shell script for systemctl."""
    systemctl = directory / "bin" / "systemctl"
    systemctl.parent.mkdir(exist_ok=True)
    systemctl.write_text(f"#!/bin/sh\n{script}\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:/usr/bin:/bin")


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
    has_systemctl(f'echo "$@" >>{tmp_path}/asked', tmp_path, monkeypatch)
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


def test_a_night_that_the_timer_makes_while_services_are_waited_for(
    verbs_of: Hive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It began before the boot, and the timer's own run has ended it: it begins not once more."""
    monkeypatch.setattr(verbs, "release", lambda *_: None)
    has_systemctl(f'echo "$@" >>{tmp_path}/asked', tmp_path, monkeypatch)
    journal.begun(verbs_of.state).write(1)
    verbs_of.engine.replicas = 0

    def timer(_seconds: float) -> None:
        verbs_of.engine.replicas = 1
        journal.begun(verbs_of.state).clear()

    monkeypatch.setattr("agent.backup.hive.nightly.time.sleep", timer)
    assert verbs.main(["boot"]) == 0
    assert not (tmp_path / "asked").exists()


ENDED = "the night's backup was killed before it had saved this service (doit ssh hive0 journalctl -u skep-backup)"
GOING_DOWN = "echo '712 shutdown.target start waiting'"


@pytest.mark.parametrize(
    ("systemd", "words", "began", "error"),
    [
        (":", ["--night"], 1_000, ENDED),
        (":", ["--night"], 900, None),
        (":", ["--night"], None, None),
        (":", [], 1_000, None),
        (GOING_DOWN, ["--night"], 1_000, None),
        ("exit 1", ["--night"], 1_000, None),
    ],
)
def test_a_night_that_is_killed(
    systemd: str,
    words: list[str],
    began: int | None,
    error: str | None,
    verbs_of: Hive,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """On a host that stays up its services have failed, but those that it had come to, and no boot has it begin again.

    So it is while another job has the lock. On a host that goes down, the next boot has it begin again.
    """
    has_systemctl(systemd, tmp_path, monkeypatch)
    before = {"service": "web", "last_try": 950, "last_good": 950, "generation": "aa", "error": ""}
    journal.status("web", verbs_of.state).write(before)
    if began is not None:
        journal.begun(verbs_of.state).write(began)
    with alone(tmp_path / "lock", "restore"):
        assert verbs.main(["release", *words]) == 1
    noted = verbs_of.note("status/web.json")
    assert noted is not None
    assert (noted["error"], noted["last_good"], noted["generation"]) == (error or "", 950, "aa")
    stays = words == [] or systemd != ":"
    assert journal.begun(verbs_of.state).read() == (began if stays else None)


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
