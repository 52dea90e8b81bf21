"""The log lines around what is wrong: which logs, which lines of them, and what is missing in them."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from commands.page import log_reading
from commands.page.log_reading import LogReader
from model.errors import HostError
from remote.engine.log_stream import LogLine, LogRequest
from tasks.logs.central_log import CentralRequest
from tasks.operate.service_logs import TaskLine
from tasks.page.page_data import PageAlarm, PageData, PageLog, PageLogLine, PageSource, Unread
from tasks.page.site_parts import PageHost, PageService
from tasks.run.context import Run
from tests.made import Made, new
from tests.page_sites import AT
from tests.rig import wait_until

pytestmark = pytest.mark.slow
WEB, MAIL = PageService("web", "replicated", 1, 1), PageService("mail", "replicated", 1, 1)
WRONG = PageData("example", "private", AT, services=(replace(WEB, problems=("is gone",)), MAIL))
ALARM = PageAlarm("ServiceShort", "1970-01-01T01:00:00Z", "it is short", service="web")
ALARMED = PageData(
    "example", "private", AT, hosts=(PageHost("hive0"),), services=(WEB, MAIL), alarms=(ALARM,)
)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made."""
    site = new(tmp_path)
    site.make()
    return site


def read(run: Run, page: PageData) -> tuple[PageData, list[Unread]]:
    """Return a page with its log lines, read once, and what could not be read."""
    unread: list[Unread] = []
    return LogReader(run).read(page, unread), unread


class Lines:
    """The log of a service."""

    def __init__(
        self,
        run: Run,
        service: str,
        request: LogRequest,
        _wanted: object,
        warn: Callable[[str], None],
        *,
        kept: Callable[[], Iterator[TaskLine]] | None,
    ) -> None:
        self.run, self.service, self.request, self.warn, self.kept = run, service, request, warn, kept

    def lines(self) -> Iterator[TaskLine]:
        """Yield none."""
        return iter(())


def line(time: str, text: str = "it was so", task: str = "web.1") -> TaskLine:
    """Return a line."""
    return TaskLine(task, LogLine(time, text))


def test_no_secret_in_log_lines(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last lines are shown, without the secrets of the site and without colours."""

    class Secret(Lines):
        def lines(self) -> Iterator[TaskLine]:
            secret = self.run.secrets.read("password").reveal()
            for n in range(self.request.lines + 1):
                yield line(f"2026-11-30T11:00:{n:02}Z", f"the password is {secret}\x1b[31m\n")

    monkeypatch.setattr(log_reading, "ServiceLogs", Secret)
    page, unread = read(made.run(), WRONG)

    assert page.logs is not None
    [log] = page.logs
    assert (log.about, log.why, len(log.lines)) == (("web", "", ""), "is gone", 20)
    assert log.lines[-1] == PageLogLine("2026-11-30T11:00:20Z", "web.1", "the password is [redacted]")
    assert unread == []


def test_each_alarm_has_lines_of_its_own_time(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """From five minutes before to one after; those of a service that began at one time share a log.

    One that is silenced, or about no service of the site, asks for none.
    """
    asked: list[tuple[str, LogRequest]] = []

    class Noted(Lines):
        def lines(self) -> Iterator[TaskLine]:
            asked.append((self.service, self.request))
            begin = float(self.request.since)
            return iter([line(f"1970-01-01T00:{begin / 60:02.0f}:30Z", f"from {begin:.0f}")])

    monkeypatch.setattr(log_reading, "ServiceLogs", Noted)
    error = replace(ALARM, name="ErrorSeen", since="1970-01-01T00:30:00Z", summary="an error")
    alarms = (
        ALARM,
        error,
        replace(error, name="ServiceChanged", summary="it was changed"),
        replace(ALARM, service="mail", is_silenced=True),
        replace(ALARM, service="gone"),
    )
    page, unread = read(made.run(), replace(ALARMED, alarms=alarms))

    assert page.logs is not None
    assert [(log.about, log.why, [each.text for each in log.lines]) for log in page.logs] == [
        (ALARM.about, "ServiceShort: it is short", ["from 3300"]),
        (error.about, "ErrorSeen: an error; ServiceChanged: it was changed", ["from 1500"]),
    ]
    assert sorted(asked, key=str) == [
        ("web", LogRequest("1500.000000000", until="1860.000000000")),
        ("web", LogRequest("3300.000000000", until="3660.000000000")),
    ]
    assert unread == []


@pytest.mark.parametrize(
    "since", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "now"]
)
def test_an_alarm_without_a_time_of_logs_has_the_last_lines(
    made: Made, monkeypatch: pytest.MonkeyPatch, since: str
) -> None:
    """Whoever writes a time that nothing was written at can't end the page by it."""

    class Last(Lines):
        def lines(self) -> Iterator[TaskLine]:
            assert self.request == LogRequest(lines=20)
            yield line("2026-11-30T11:00:00Z")

    monkeypatch.setattr(log_reading, "ServiceLogs", Last)
    page, unread = read(made.run(), replace(ALARMED, alarms=(replace(ALARM, since=since),)))

    assert page.logs is not None
    assert [(log.since, len(log.lines)) for log in page.logs] == [(since, 1)]
    assert unread == []


def test_the_newest_alarm_of_each_comes_first(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are more alarms than logs that are read, no service or host goes without; what has none comes too."""
    monkeypatch.setattr(log_reading, "ServiceLogs", Lines)
    many = tuple(replace(ALARM, since=f"2026-11-{day:02}T11:00:00Z") for day in range(1, 30))
    other = replace(ALARM, service="mail")
    services = (WEB, MAIL, replace(WEB, name="wiki", problems=("is gone",)))
    page, _ = read(made.run(), replace(ALARMED, services=services, alarms=(other, *many)))

    assert page.logs is not None
    assert [(log.service, log.since[:10]) for log in page.logs] == [
        ("web", "2026-11-29"),
        ("mail", "1970-01-01"),
        ("wiki", ""),
        *(("web", f"2026-11-{day}") for day in (28, 27, 26, 25, 24)),
    ]


def test_an_alarm_of_a_host_has_lines_of_its_journal(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the repository host keeps it; a name that is no host of the site asks for nothing."""
    asked: list[CentralRequest] = []

    def central(_run: Run, request: CentralRequest) -> Iterator[TaskLine]:
        asked.append(request)
        yield line("1970-01-01T00:59:00Z", "no route to host", "docker.service")
        yield line("2026-11-30T12:00:00Z", "hive0.log-2.gz can't be read", "hive0")

    monkeypatch.setattr(log_reading, "central_lines", central)
    alarm = replace(ALARM, name="HostSilent", service="", host="hive0")
    page = replace(ALARMED, alarms=(alarm, replace(alarm, host="../x")))
    assert read(made.run(), page)[0].logs == ()

    made.edit("[networks.back]", "[logs]\n[networks.back]")
    lines = (PageLogLine("1970-01-01T00:59:00Z", "docker.service", "no route to host"),)
    assert read(made.run(), page)[0].logs == (
        PageLog(
            "", "HostSilent: it is short", lines, "hive0", alarm.since, ("hive0.log-2.gz can't be read",)
        ),
    )
    assert asked == [CentralRequest("hosts", "hive0", 3300.0, 20, until=3660.0, seconds=12.0)]


def test_what_is_missing_in_a_log_is_said(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside its lines, and once for each log among what could not be read; the others are shown."""

    class Missing(Lines):
        def lines(self) -> Iterator[TaskLine]:
            self.warn("hive1 does not answer")
            yield line("1970-01-01T00:59:00Z")
            if self.service == "web":
                raise HostError("hive0 does not answer")

    monkeypatch.setattr(log_reading, "ServiceLogs", Missing)
    alarms = (ALARM, replace(ALARM, since="1970-01-01T02:00:00Z"), replace(ALARM, service="mail"))
    page, unread = read(made.run(), replace(ALARMED, alarms=alarms))

    assert page.logs is not None
    assert [(log.service, len(log.lines), log.unread) for log in page.logs] == [
        ("web", 0, ("hive1 does not answer", "hive0 does not answer")),
        ("mail", 1, ("hive1 does not answer",)),
        ("web", 0, ("hive1 does not answer", "hive0 does not answer")),
    ]
    assert unread == [
        Unread("log lines of web", "hive1 does not answer"),
        Unread("log lines of web", "hive0 does not answer"),
        Unread("log lines of mail", "hive1 does not answer"),
    ]


def test_a_log_is_read_once_a_minute_and_never_twice_at_a_time(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that renews itself begins no other reading of a log while one is at work, which shows its lines later."""
    begun: list[str] = []
    go_on = threading.Event()

    class Slow(Lines):
        def lines(self) -> Iterator[TaskLine]:
            begun.append(self.service)
            go_on.wait(30)
            yield line("1970-01-01T00:59:00Z")

    monkeypatch.setattr(log_reading, "ServiceLogs", Slow)
    monkeypatch.setattr(log_reading, "TIME", 0.01)
    reader = LogReader(made.run())
    for _ in range(3):
        unread: list[Unread] = []
        page = reader.read(ALARMED, unread)
        assert page.logs is not None
        assert [log.lines for log in page.logs] == [()]
        assert page.logs[0].unread[0].startswith("no answer within ")
        assert [each.part for each in unread] == ["log lines of web"]
    go_on.set()

    def texts() -> list[str]:
        return [each.text for log in reader.read(ALARMED, []).logs or () for each in log.lines]

    wait_until(lambda: texts() == ["it was so"], "the lines")
    assert begun == ["web"]


def test_very_many_log_lines(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last ones are shown, however many come before; if they can't all be read in time, that is said."""

    class Many(Lines):
        def lines(self) -> Iterator[TaskLine]:
            for n in range(30_000):
                yield line(f"1970-01-01T00:59:{n // 1000:02}.{n % 1000:03}Z", str(n))

    monkeypatch.setattr(log_reading, "ServiceLogs", Many)
    page, _ = read(made.run(), ALARMED)
    assert page.logs is not None
    assert [each.text for each in page.logs[0].lines] == [str(n) for n in range(29_980, 30_000)]

    monkeypatch.setattr(log_reading, "READ", -1.0)
    page, unread = read(made.run(), ALARMED)
    assert page.logs is not None
    assert page.logs[0].lines == ()
    assert unread[0].why.startswith("there are more than can be read")


def test_log_lines_that_are_kept(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """With [logs] what the repository host keeps is read as well, of the same time; without there is nothing kept."""
    asked: list[CentralRequest] = []

    def central(_run: Run, request: CentralRequest) -> Iterator[TaskLine]:
        asked.append(request)
        for time in ("1970-01-01T00:59:00Z", "1970-01-01T01:00:59Z", "1970-01-01T01:02:00Z"):
            yield line(time, time)

    class Kept(Lines):
        def lines(self) -> Iterator[TaskLine]:
            return iter(()) if self.kept is None else self.kept()

    def times(run: Run) -> Mapping[str, list[str]]:
        return {log.service: [each.time for each in log.lines] for log in read(run, ALARMED)[0].logs or ()}

    monkeypatch.setattr(log_reading, "ServiceLogs", Kept)
    monkeypatch.setattr(log_reading, "central_lines", central)
    assert times(made.run()) == {"web": []}

    made.edit("[networks.back]", "[logs]\n[networks.back]")
    assert times(made.run()) == {"web": ["1970-01-01T00:59:00Z", "1970-01-01T01:00:59Z"]}
    assert asked == [CentralRequest("services", "web", 3300.0, 20, until=3660.0, seconds=12.0)]


def test_no_log_lines_where_a_secret_is_not_known(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known can't be found in them: the secret is named, and no log is read."""
    monkeypatch.setattr(log_reading, "ServiceLogs", lambda *_, **__: pytest.fail("a log was read"))
    made.edit("{ generate = 24 }", '{ env = "WIKI_PASSWORD" }')
    page, [unread] = read(made.run(), WRONG)

    assert page.logs is None
    assert unread.why.startswith("password of [secrets] can't be read here")
    assert page.sources["logs"] == PageSource(None, unread.why)


def test_logs_are_not_read_where_there_is_no_need(made: Made) -> None:
    """Of a service without problems nothing is asked for; where no host answers nobody can be asked."""
    well = replace(ALARMED, alarms=())
    assert read(made.run(), well) == (well, [])

    page, unread = read(made.run(), replace(WRONG, can_tell=False))
    assert (page.logs, page.sources["logs"].why, unread) == (None, "no host answers", [])
