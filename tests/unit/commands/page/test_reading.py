"""A site is read for its page: what can't be read is said, and holds up nothing else."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from doit.dependency import Dependency

from commands import history
from commands.page import log_reading, reading
from commands.page.log_reading import page_logs
from commands.page.reading import PageReader
from commands.shared.statedb import StateDb
from model.errors import HostError
from model.history import HistoryLine
from remote.engine.log_stream import LogLine, LogRequest
from tasks.logs.central_log import CentralRequest
from tasks.operate.service_logs import TaskLine
from tasks.operate.site_reading import SiteReading
from tasks.page.page_data import (
    PageAlarm,
    PageBackup,
    PageChart,
    PageData,
    PageLogLine,
    PageSource,
    Unread,
)
from tasks.page.site_parts import PageService
from tasks.run.context import Run
from tests.made import Made, new
from tests.page_sites import AT

pytestmark = pytest.mark.slow
WRONG = PageData(
    "example", "private", AT, services=(PageService("web", "replicated", 1, 0, problems=("is gone",)),)
)


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
    assert (page.alarms, page.charts, {*page.sources}) == (None, None, {"history"})

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


# -- log lines ---------------------------------------------------------------------------------------------------------


class Lines:
    """The log of a service that says a secret."""

    says = "the password is {secret}\x1b[31m\n"

    def __init__(self, run: Run, service: str, request: LogRequest, *_: Any, kept: Any) -> None:
        self.kept = kept
        self.secret, self.service, self.request = run.secrets.read("password").reveal(), service, request

    def lines(self) -> Iterator[TaskLine]:
        """Yield more lines than are asked for, as several tasks have them."""
        for n in range(self.request.lines + 1):
            yield TaskLine(
                f"{self.service}.1",
                LogLine(f"2026-11-30T11:00:{n:02}Z", self.says.format(secret=self.secret)),
            )


def test_no_secret_in_log_lines(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last lines are shown, without the secrets of the site and without colours."""
    monkeypatch.setattr(log_reading, "ServiceLogs", Lines)
    unread: list[Unread] = []
    [log] = page_logs(made.run(), WRONG, unread)

    assert (log.service, log.why, len(log.lines)) == ("web", "is gone", 20)
    assert log.lines[-1] == PageLogLine("2026-11-30T11:00:20Z", "web.1", "the password is [redacted]")
    assert unread == []


def test_log_lines_around_an_alarm(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """From five minutes before to one after; one that is silenced, or about no service of the site, asks for none."""
    asked: list[tuple[str, LogRequest]] = []

    class Noted(Lines):
        def lines(self) -> Iterator[TaskLine]:
            asked.append((self.service, self.request))
            return iter([TaskLine("web.1", LogLine("1970-01-01T00:59:00Z", "it was so"))])

    monkeypatch.setattr(log_reading, "ServiceLogs", Noted)
    raised = PageAlarm("ServiceShort", "1970-01-01T01:00:00.5Z", "web has 1 of 2 tasks", service="web")
    alarms = (
        raised,
        replace(raised, name="Second", since="2026-11-30T11:00:00Z"),
        replace(raised, service="mail", is_silenced=True),
        replace(raised, service="gone"),
    )
    services = (*WRONG.services, PageService("mail", "replicated", 1, 1))
    [log] = page_logs(made.run(), replace(WRONG, services=services, alarms=alarms), [])

    assert (log.service, log.why) == ("web", "ServiceShort: web has 1 of 2 tasks")
    assert asked == [("web", LogRequest("3300.500000000", until="3660.500000000"))]


def test_very_many_log_lines(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last ones are shown, however many come before; if they can't all be read in time, that is said."""

    class Many(Lines):
        def lines(self) -> Iterator[TaskLine]:
            for n in range(30_000):
                yield TaskLine("web.1", LogLine(f"1970-01-01T00:59:{n // 1000:02}.{n % 1000:03}Z", str(n)))

    monkeypatch.setattr(log_reading, "ServiceLogs", Many)
    alarm = PageAlarm("ServiceShort", "1970-01-01T01:00:00Z", "it is short", service="web")
    page, unread = replace(WRONG, alarms=(alarm,)), list[Unread]()
    [log] = page_logs(made.run(), page, unread)
    assert [line.text for line in log.lines] == [str(n) for n in range(29_980, 30_000)]

    monkeypatch.setattr(log_reading, "READ", -1.0)
    assert page_logs(made.run(), page, unread) == ()
    assert unread[0].why.startswith("there are more than can be read")


def test_log_lines_that_are_kept(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """With [logs] what the repository host keeps is read as well, of the same time; without there is nothing kept."""
    asked: list[CentralRequest] = []

    def central(_run: Run, request: CentralRequest) -> Iterator[TaskLine]:
        asked.append(request)
        for time in ("1970-01-01T00:59:00Z", "1970-01-01T01:00:59Z", "1970-01-01T01:02:00Z"):
            yield TaskLine("web.1", LogLine(time, time))

    class Kept(Lines):
        def lines(self) -> Iterator[TaskLine]:
            return iter(()) if self.kept is None else self.kept()

    monkeypatch.setattr(log_reading, "ServiceLogs", Kept)
    monkeypatch.setattr(log_reading, "central_lines", central)
    alarm = PageAlarm("ServiceShort", "1970-01-01T01:00:00Z", "it is short", service="web")
    assert page_logs(made.run(), replace(WRONG, alarms=(alarm,)), []) == ()

    made.edit("[networks.back]", "[logs]\n[networks.back]")
    [log] = page_logs(made.run(), replace(WRONG, alarms=(alarm,)), [])
    assert [line.time for line in log.lines] == ["1970-01-01T00:59:00Z", "1970-01-01T01:00:59Z"]
    assert asked == [CentralRequest("services", "web", 3300.0)]


def test_no_log_lines_where_a_secret_is_not_known(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known can't be found in them: the secret is named, and no log is read."""
    monkeypatch.setattr(log_reading, "ServiceLogs", Lines)
    made.edit("{ generate = 24 }", '{ env = "WIKI_PASSWORD" }')
    unread: list[Unread] = []

    assert page_logs(made.run(), WRONG, unread) == ()
    assert unread[0].why.startswith("password of [secrets] can't be read here")


def test_a_log_that_can_not_be_read(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are shown."""

    class Broken(Lines):
        def lines(self) -> Iterator[TaskLine]:
            if self.service == "web":
                raise HostError("hive0 does not answer")
            return super().lines()

    monkeypatch.setattr(log_reading, "ServiceLogs", Broken)
    other = replace(WRONG.services[0], name="mail")
    unread: list[Unread] = []
    logs = page_logs(made.run(), replace(WRONG, services=(*WRONG.services, other)), unread)

    assert [log.service for log in logs] == ["mail"]
    assert unread == [Unread("log lines of web", "hive0 does not answer")]


def test_a_service_without_problems_has_no_log_lines(made: Made) -> None:
    """Nothing is asked for it, so no secret has to be known either."""
    unread: list[Unread] = []
    well = replace(WRONG, services=(replace(WRONG.services[0], problems=()),))

    assert page_logs(made.run(), well, unread) == ()
    assert unread == []
