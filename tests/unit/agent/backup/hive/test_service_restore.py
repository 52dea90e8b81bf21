"""A service that goes back to a generation, as far as a half restoration, and others with its volume, go."""

from pathlib import Path
from typing import Any

import pytest

from agent.backup.hive import journal
from agent.backup.hive.run import HiveBackup
from agent.backup.hive.service_restore import Restore, where
from agent.errors import AgentError
from agent.output import Output
from tests.doubles.hive import Hive

NOTE = "restore/web.json"


@pytest.fixture
def hive(tmp_path: Path) -> Hive:
    """Give a hive."""
    return Hive(tmp_path)


def restored(hive: Hive, identity: str = "aa000001", *scripts: str) -> dict[str, Any]:
    """Restore the service, to its end."""
    return Restore(hive.restoration).carry_out(identity, scripts)


def saved(hive: Hive, kind: str) -> dict[str, Any]:
    """Save the service."""
    backup = HiveBackup(
        hive.config, hive.engine, hive.repository, Output(), hive.state / "staging", hive.state
    )
    return backup.run(["web"], kind)


def test_to_its_end(hive: Hive) -> None:
    """Files are changed, the dump is loaded, the service has as many tasks as before, and nothing is pending."""
    assert restored(hive) == {"volumes": ["data"], "loaded": ["db"], "bytes": 100}
    assert (hive.files, hive.engine.ran, hive.engine.replicas) == (["new"], ["load"], 1)
    assert hive.note(NOTE) is None
    assert where(hive.restoration)["pending"] == ""


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
    assert saved(hive, "before-restore")["generations"] == [{"id": "bb000001"}]
    assert saved(hive, "scheduled")["failed"] == {"web": why}
    hive.engine.failing.clear()
    restored(hive)
    assert hive.note("status/web.json") is None


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
    assert (hive.note("status/web.json"), hive.note(NOTE)) == (None, None)


def test_another_service_that_came_meanwhile(hive: Hive) -> None:
    """It has the new files, which stay: the dumps that failed are loaded again."""
    hive.engine.failing["load"] = 1
    with pytest.raises(AgentError):
        restored(hive)
    hive.engine.failing.clear()
    hive.engine.users = [{"Names": ["/cron.1"], "Labels": {"com.docker.swarm.service.name": "cron"}}]
    assert restored(hive)["loaded"] == ["db"]
