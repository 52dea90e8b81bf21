"""What was brought for a restoration that nobody went on with: when it goes, and when it does not."""

import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from agent.backup.hive import journal, run, unclaimed
from agent.backup.hive.release import release
from agent.backup.hive.service_restore import Restore
from agent.backup.hive.unclaimed import remove_unclaimed
from agent.errors import AgentError
from agent.output import Output
from tests.doubles.hive import IDENTITY, Hive

DAY = 86_400.0


@pytest.fixture
def hive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hive:
    """Give a hive on which a generation was brought, and what is there could not be saved."""
    monkeypatch.setattr(run, "revisions_of", lambda *_: {"number": 1, "pinned": None})
    monkeypatch.setattr(run, "staged", lambda *_: nullcontext(tmp_path))
    hive = Hive(tmp_path)
    hive.repository.refused["backup"] = "restic: no space left on device"
    with pytest.raises(AgentError, match="nothing was changed"):
        Restore(hive.restoration).carry_out(IDENTITY, ())
    return hive


def brought(hive: Hive) -> list[bool]:
    """Return whether the files and the dumps that were brought are there."""
    volume = hive.engine.volumes / "data"
    there = [volume / "skep-new/files/new", hive.config.spool / "restore/web" / IDENTITY[:16] / "db.dump"]
    return [path.exists() for path in there]


def removed(hive: Hive, after: float) -> list[str]:
    """Have what is unclaimed removed so many seconds later; return what that was."""
    return remove_unclaimed(hive.config, hive.engine, time.time() + after, hive.state)


def test_it_stays_a_day_for_the_next_try(hive: Hive) -> None:
    """Then it goes, with its mark, and that is said; the service's files stay."""
    assert removed(hive, DAY / 2) == []
    assert brought(hive) == [True, True]
    files, dumps = removed(hive, DAY + 60)
    volume = hive.engine.volumes / "data"
    assert files == f"web: {volume}/skep-new was brought for a restoration that did not go on"
    assert dumps.startswith(f"web: {hive.config.spool}/restore/web/{IDENTITY[:16]} was brought")
    assert [path.name for path in volume.iterdir()] == ["_data"]
    assert (hive.files, brought(hive)) == (["old"], [False, False])


@pytest.mark.parametrize("note", [journal.restoring, journal.swapped])
def test_what_a_restoration_uses_stays(hive: Hive, note: object) -> None:
    """However long ago it was killed, and whatever it was at: the files may be the service's own."""
    note("web", hive.state).write({"id": IDENTITY})  # type: ignore[operator]
    assert removed(hive, 30 * DAY) == []
    assert brought(hive) == [True, True]


def test_of_a_service_that_site_toml_no_longer_has(hive: Hive) -> None:
    """Its dumps go as well."""
    old = hive.config.spool / "restore/gone/aa"
    old.mkdir(parents=True)
    assert any(line.startswith("gone: ") for line in removed(hive, 2 * DAY))
    assert not old.exists()


def test_an_engine_that_does_not_answer(hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps no job from beginning: what it is asked for is left for the next one."""

    def refuse(*_: object, **__: object) -> None:
        raise AgentError("the Docker Engine does not answer")

    monkeypatch.setattr(hive.engine, "ask", refuse)
    assert len(removed(hive, 2 * DAY)) == 1
    assert brought(hive) == [True, False]


def test_a_try_after_that(hive: Hive) -> None:
    """It is brought again."""
    removed(hive, 2 * DAY)
    del hive.repository.refused["backup"]
    assert Restore(hive.restoration).carry_out(IDENTITY, ())["volumes"] == ["data"]
    assert hive.files == ["new"]


def test_each_job_removes_it(
    hive: Hive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it begins, and says so."""
    monkeypatch.setattr("agent.backup.hive.release.let_go", lambda _: [])
    monkeypatch.setattr("agent.backup.hive.release.clear", lambda _: None)
    monkeypatch.setattr(journal, "STAGING", tmp_path / "none")
    monkeypatch.setattr(unclaimed, "KEPT_FOR", -1.0)
    release(hive.engine, Output(), hive.config)
    assert brought(hive) == [False, False]
    assert "was brought for a restoration that did not go on" in capsys.readouterr().out
