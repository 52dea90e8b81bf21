"""A site is read for its page: what can't be read is said, and holds up nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from doit.dependency import Dependency

from commands import history
from commands.page import reading
from commands.page.reading import PageReader
from commands.shared.statedb import StateDb
from model.errors import HostError
from model.history import HistoryLine
from tasks.operate.site_reading import SiteReading
from tasks.page.page_data import (
    PageAlarm,
    PageBackup,
    PageChart,
    PageSource,
    Unread,
)
from tasks.run.context import Run
from tests.made import Made, new
from tests.page_sites import AT

pytestmark = pytest.mark.slow


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Return a site that is wholly made, of which no host answers."""
    site = new(tmp_path)
    site.make()
    shorts = [host.short for host in site.run().stage.hosts]
    silent = SiteReading(
        {short: f"{short} does not answer within 8 s" for short in shorts},
        {short: f"{short}: its Docker Engine does not answer" for short in shorts},
        "no manager of the swarm answers",
        at=AT,
    )
    monkeypatch.setattr(reading, "read_site", lambda _run, _hosts: silent)
    monkeypatch.setattr(reading, "history", lambda _run: [HistoryLine(who="ann")])
    return site


def reader(made: Made) -> PageReader:
    """Return a reader of a site, in a fresh process."""
    run = made.run()
    return PageReader(run, made.tasks(run), Dependency(StateDb, str(run.state.traces)))


def test_a_site_of_which_nobody_answers(made: Made) -> None:
    """It is a page all the same: hosts that don't answer, phases as state/ knows them; nothing is left unsaid."""
    page = reader(made).read()

    assert not page.can_tell
    assert page.is_made
    assert len(page.phases) == 7
    assert page.phases[5].counts == {"up to date": 2}
    assert page.backups is None
    assert page.unread == ()


def test_what_is_stale_has_its_reason(made: Made) -> None:
    """As `doit list` says it, after somebody changed a role."""
    made.edit_role("web/setup.sh", "echo other\n")
    phases = {each.name: each for each in reader(made).read().phases}

    assert phases["build_images"].counts == {"stale": 1, "up to date": 2}
    assert ("roles/web/setup.sh changed",) in [each.reasons for each in phases["build_images"].resources]


def test_a_history_that_can_not_be_read(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named with the reason, and the rest is there."""

    def silent(_run: Run) -> None:
        raise HostError("hive2 does not answer")

    monkeypatch.setattr(reading, "history", silent)
    page = reader(made).read()

    assert page.unread == (Unread("who deployed what", "hive2 does not answer"),)
    assert len(page.hosts) == 3


def test_a_site_toml_that_changed_since(made: Made) -> None:
    """A page goes by the site.toml that was read, and says if there is another one by now."""
    reads = reader(made)
    assert reads.read().unread == ()
    made.edit("hello", "good day")

    assert [each.part for each in reads.read().unread] == ["site.toml"]


def test_backups_are_asked_for_once_a_minute(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """They cost the repository host work; a list that can't be had is said, and asked for again."""
    asked: list[int] = []

    def backups(_run: Run) -> tuple[PageBackup, ...]:
        asked.append(1)
        if len(asked) == 1:
            raise HostError("its agent is not there")
        return (PageBackup("web", id="3f2a"),)

    monkeypatch.setattr(reading, "_backups", backups)
    made.edit("[networks.back]", '[backup]\nschedule = "01:00"\n[networks.back]')
    made.edit(
        'initialize_roles = ["first"]',
        'initialize_roles = ["first"]\nbackup_scripts = [{ name = "all", backup_command = "cat /x" }]',
    )
    reads = reader(made)

    assert reads.read().unread[0] == Unread("the backups", "its agent is not there")
    assert reads.read().backups == (PageBackup("web", id="3f2a"),)
    assert reads.read().backups == (PageBackup("web", id="3f2a"),)
    assert len(asked) == 2


def test_alarms_and_metrics_of_a_site_that_watches_itself(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where it does; metrics are asked for once a minute, and why alarms can't be believed is said."""
    alarm = PageAlarm("HostSilent", "2026-11-30T11:00:00Z", host="hive1")
    chart = PageChart("load", "Load", "", (AT,), ())
    asked: list[int] = []

    def charts(_run: Run) -> tuple[PageChart, ...]:
        asked.append(1)
        return (chart,)

    monkeypatch.setattr(reading, "read_alarms", lambda _run: ((alarm,), "others would not arrive"))
    monkeypatch.setattr(reading, "read_charts", charts)
    page = reader(made).read()
    assert (page.alarms, page.charts, {*page.sources}) == (None, None, {"history", "logs"})

    made.edit("[networks.back]", "[monitoring]\n[networks.back]")
    reads = reader(made)
    for _ in range(2):
        page = reads.read()
        assert (page.alarms, page.charts) == ((alarm,), (chart,))
        assert page.unread == (Unread("alarms", "others would not arrive"),)
        assert page.sources["alarms"].doubt == "others would not arrive"
        assert page.sources["charts"].is_sure
    assert asked == [1]


def test_alarms_that_were_not_read_are_not_none(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known is null in the data, never an empty list; it is read again, and kept, with its time."""
    answers: list[Any] = [HostError("amtool: no answer"), ((), ""), HostError("amtool: no answer")]

    def ask(_run: Run) -> Any:
        if isinstance(answer := answers.pop(0), HostError):
            raise answer
        return answer

    monkeypatch.setattr(reading, "read_alarms", ask)
    monkeypatch.setattr(reading, "read_charts", lambda _run: ())
    made.edit("[networks.back]", "[monitoring]\n[networks.back]")
    reads = reader(made)

    first = json.loads(json.dumps(reads.read().data()))
    assert (first["alarms"], first["charts"]) == (None, [])
    assert first["sources"]["alarms"] == {"at": None, "why": "amtool: no answer", "doubt": ""}
    second = reads.read()
    assert (second.alarms, second.sources["alarms"].is_sure, second.unread) == ((), True, ())
    third = reads.read()
    at = second.sources["alarms"].at
    assert (third.alarms, third.sources["alarms"]) == ((), PageSource(at, "amtool: no answer"))
    assert [each.part for each in third.unread] == ["alarms"]


def test_a_repository_host_that_is_not_made(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that it has is known, and each is named; nobody asks it."""
    monkeypatch.setattr(reading, "read_alarms", lambda _run: pytest.fail("it was asked"))
    monkeypatch.setattr(reading, "history", history.history)
    made.edit("[networks.back]", "[monitoring]\n[networks.back]")
    run = made.run()
    run.state.forget(f"build_infra:{run.stage.repository_short}")
    page = reader(made).read()

    assert (page.alarms, page.charts) == (None, None)
    assert [each.part for each in page.unread] == ["who deployed what", "alarms", "metrics over time"]
    assert all("is not made yet" in each.why for each in page.unread)
