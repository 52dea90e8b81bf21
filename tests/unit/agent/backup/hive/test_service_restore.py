"""A service that goes back to a generation, as far as a half restoration, and others with its volume, go."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from agent.backup.hive import journal, run
from agent.backup.hive.held import let_go
from agent.backup.hive.restored import Restoration
from agent.backup.hive.run import HiveBackup
from agent.backup.hive.service_restore import Restore, where
from agent.errors import AgentError
from agent.output import Output
from tests.doubles.hive import IDENTITY, Hive, HiveRepository

NOTE = "restore/web.json"


SAVED = [("seal", IDENTITY)]


@pytest.fixture
def hive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hive:
    """Give a hive, on which what is saved is bound nowhere."""
    monkeypatch.setattr(run, "revisions_of", lambda *_: {"number": 1, "pinned": None})
    monkeypatch.setattr(run, "staged", lambda *_: nullcontext(tmp_path))
    return Hive(tmp_path)


def restored(hive: Hive, identity: str = "aa000001", *scripts: str, must_save: bool = True) -> dict[str, Any]:
    """Restore the service, to its end."""
    return Restore(hive.restoration).carry_out(identity, scripts, must_save=must_save)


def seals(hive: Hive) -> list[tuple[str, str]]:
    """Return what was sealed in the repository."""
    return [(kind, of) for kind, of, _ in hive.repository.notes]


def saved(hive: Hive, kind: str) -> dict[str, Any]:
    """Save the service."""
    return backup(hive).run(["web"], kind)


def backup(hive: Hive) -> HiveBackup:
    """Return the hive's backup."""
    return HiveBackup(hive.config, hive.engine, hive.repository, Output(), hive.state / "staging", hive.state)


def test_to_its_end(hive: Hive) -> None:
    """Files are changed, the dump is loaded, the service has as many tasks as before, and nothing is pending."""
    assert restored(hive) == {"volumes": ["data"], "loaded": ["db"], "bytes": 100}
    assert (hive.files, hive.engine.ran, hive.engine.replicas) == (["new"], ["dump", "load"], 1)
    assert (seals(hive), hive.engine.scaled) == (SAVED, [0, 1])
    assert hive.note(NOTE) is None
    assert where(hive.restoration)["pending"] == ""


def test_in_which_order(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read as the service runs; then its dumps, and its files once it is stopped: what it wrote by then is saved."""
    order: list[tuple[str, int, list[str]]] = []

    def noted(what: str, of: type, name: str) -> None:
        before = getattr(of, name)

        def do(*words: Any, **more: Any) -> Any:
            order.append((what, hive.engine.replicas, hive.files))
            return before(*words, **more)

        monkeypatch.setattr(of, name, do)

    noted("read", HiveRepository, "restore")
    noted("dump", HiveBackup, "_dump")
    noted("save", HiveBackup, "_store")
    noted("swap", Restoration, "swap")
    restored(hive)
    assert order == [
        ("read", 1, ["old"]),
        ("dump", 1, ["old"]),
        ("save", 0, ["old"]),
        ("swap", 0, ["old"]),
    ]


def test_what_a_generation_has_beside_its_parts(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says of itself, and the revisions of all services, also of those without data."""
    written: list[dict[str, Any]] = []
    monkeypatch.setattr(run, "all_revisions", lambda _: {"cron": []})

    def staged(*words: Any) -> Any:
        written.append(words[3])
        return nullcontext(hive.state)

    monkeypatch.setattr(run, "staged", staged)
    backup(hive).run(["web"], "asked")
    [files] = written
    assert files["services.json"] == {"cron": []}
    assert files["generation.json"]["service"] == "web"


def test_what_can_not_be_saved(hive: Hive) -> None:
    """Nothing is changed and nothing is pending, the service goes on; told so, it goes back all the same."""
    hive.repository.refused["backup"] = "restic: no space left on device"
    with pytest.raises(
        AgentError, match=r"can't be saved: restic: no space left .*; nothing was changed; .*unsaved=yes$"
    ):
        restored(hive)
    assert (hive.files, hive.engine.replicas, hive.note(NOTE), hive.note("held.json")) == (
        ["old"],
        1,
        None,
        None,
    )
    assert (hive.note("status/web.json") or {})["error"] == "restic: no space left on device"
    assert restored(hive, must_save=False)["volumes"] == ["data"]
    assert (hive.files, hive.engine.replicas) == (["new"], 1)


def test_a_repository_that_is_pruned(hive: Hive) -> None:
    """It is waited for as the service runs: before its dumps are made, and before it is stopped."""
    hive.repository.refused["wait"] = "restic: repository is already locked"
    with pytest.raises(AgentError, match="can't be saved: restic: repository is already locked"):
        restored(hive)
    assert (hive.engine.ran, hive.engine.scaled) == ([], [])


def test_started_while_its_files_are_saved(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read may not fit together: nothing is changed."""
    store = HiveBackup._store

    def started(*words: Any) -> Any:
        hive.engine.replicas = 1
        return store(*words)

    monkeypatch.setattr(HiveBackup, "_store", started)
    with pytest.raises(AgentError, match="was started, deployed or moved while its files were read"):
        restored(hive)
    assert (hive.files, hive.note(NOTE), hive.note("held.json")) == (["old"], None, None)


def test_killed_while_its_files_are_saved(hive: Hive) -> None:
    """Whoever waits for that lets the service go on as it was: it is held, and by no restoration yet."""
    stopped = {"by": 1, "stopped": "web", "replicas": 1, "restoring": IDENTITY}
    hive.engine.replicas = 0
    journal.paused(hive.state).write(stopped)
    assert let_go(hive.engine, journal.paused(hive.state)) == ["service web has its tasks again"]
    assert hive.engine.replicas == 1


def test_killed_as_soon_as_they_are_saved(hive: Hive) -> None:
    """It stays stopped, so that it writes nothing that is in no generation; typed again, it has the other files."""
    noted = {"id": IDENTITY, "scripts": [], "replicas": 1, "files": "new"}
    stopped = {"by": 1, "stopped": "web", "replicas": 1, "restoring": IDENTITY}
    hive.engine.replicas = 0
    journal.paused(hive.state).write(stopped)
    journal.restoring("web", hive.state).write(noted)
    assert let_go(hive.engine, journal.paused(hive.state)) == []
    assert (hive.engine.replicas, hive.note("held.json")) == (0, None)
    assert restored(hive)["volumes"] == ["data"]
    assert (hive.files, hive.engine.replicas, seals(hive)) == (["new"], 1, [])


def test_what_a_half_loaded_service_has_is_saved(hive: Hive) -> None:
    """Typed again, or another generation: it runs, maybe for weeks, and what it wrote is in no other generation."""
    hive.engine.failing["load"] = 1
    for identity in ("aa000001", "aa000001", "bb000002"):
        with pytest.raises(AgentError):
            restored(hive, identity)
    assert seals(hive) == SAVED * 3


def test_other_parts_than_those_that_failed(hive: Hive) -> None:
    """A part that could not be loaded, and then all of them: the files are changed, too, and not said to be."""
    hive.engine.failing["load"] = 1
    with pytest.raises(AgentError, match="restore_command ended with 1"):
        restored(hive, "aa000001", "db")
    assert where(hive.restoration) | {"runs": 0, "volumes": 0} == {
        "runs": 0,
        "volumes": 0,
        "pending": "aa000001",
        "scripts": ["db"],
        "loading": True,
    }
    hive.engine.failing.clear()
    assert restored(hive)["volumes"] == ["data"]
    assert hive.files == ["new"]


def test_killed_before_a_part_was_loaded(hive: Hive) -> None:
    """Nothing of the service was changed by then: all of the generation, or another one, may be asked for."""
    noted = {"id": "aa000001".ljust(64, "0"), "scripts": ["db"], "replicas": None, "files": "new"}
    journal.restoring("web", hive.state).write(noted)
    assert restored(hive)["volumes"] == ["data"]
    assert hive.files == ["new"]


def test_other_parts_while_files_are_changed(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed on the way, it goes on with the same parts alone, and says how."""
    with monkeypatch.context() as killed:
        killed.setattr("agent.backup.hive.service_restore.version_of", interrupt)
        with pytest.raises(KeyboardInterrupt):
            restored(hive, "aa000001", "files")
    assert hive.engine.replicas == 0
    with pytest.raises(AgentError, match=r"type that again first, with at=aa000001 script=files$"):
        restored(hive)
    assert restored(hive, "aa000001", "files")["volumes"] == ["data"]
    assert (hive.files, hive.engine.replicas) == (["new"], 1)


def interrupt(*_: object) -> None:
    """End as a kill does."""
    raise KeyboardInterrupt


def test_a_half_restored_service_is_saved_for_a_restoration_alone(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its next backup would be the newest one. It counts as failed until the restoration has ended."""
    monkeypatch.setattr(HiveBackup, "_save", lambda *_: {"id": "bb000001"})
    hive.engine.failing["load"] = 1
    with pytest.raises(AgentError):
        restored(hive)
    why = "it is half restored: doit restore web at=aa000001 confirm=SITE goes on with it"
    for kind in ("scheduled", "asked"):
        assert saved(hive, kind)["failed"] == {"web": why}
    assert backup(hive).save_before_restore("web") == {"id": "bb000001"}
    assert saved(hive, "scheduled")["failed"] == {"web": why}
    hive.engine.failing.clear()
    restored(hive)
    assert (hive.note("status/web.json") or {})["error"] == ""


def test_another_service_with_the_volume(hive: Hive) -> None:
    """It would go on writing to the old files: nothing is changed, and it is named with a way out."""
    hive.engine.users = [
        {"Names": ["/web.1"], "Labels": {"com.docker.swarm.service.name": "web"}},
        {"Names": ["/cron.1"], "Labels": {"com.docker.swarm.service.name": "cron"}},
        {"Names": ["/look"], "Labels": {}},
    ]
    with pytest.raises(
        AgentError, match=r"data is mounted by container look, service cron as well: .*scale NAME=0"
    ):
        restored(hive)
    assert (hive.files, hive.engine.scaled, hive.note(NOTE)) == (["old"], [], None)
    restored(hive, "aa000001", "db")
    hive.engine.users = hive.engine.users[:1]
    assert restored(hive)["volumes"] == ["data"]


def test_another_generation_after_a_dump_failed(hive: Hive) -> None:
    """It is had from the beginning; that nothing was saved meanwhile counts as no failure any more."""
    hive.engine.failing["load"] = 1
    with pytest.raises(AgentError):
        restored(hive)
    assert "half restored" in saved(hive, "scheduled")["failed"]["web"]
    hive.engine.failing.clear()
    assert restored(hive, "bb000002")["volumes"] == ["data"]
    assert ((hive.note("status/web.json") or {})["error"], hive.note(NOTE)) == ("", None)


def test_another_service_that_came_meanwhile(hive: Hive) -> None:
    """It has the new files, which stay: the dumps that failed are loaded again."""
    hive.engine.failing["load"] = 1
    with pytest.raises(AgentError):
        restored(hive)
    hive.engine.failing.clear()
    hive.engine.users = [{"Names": ["/cron.1"], "Labels": {"com.docker.swarm.service.name": "cron"}}]
    assert restored(hive)["loaded"] == ["db"]
