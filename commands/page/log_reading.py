"""The lines of logs around what is wrong, unless there are secrets that could not be kept out of them."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import takewhile

from commands.page.asked_part import AskedPart
from commands.shared.console import clean
from model.errors import HostError, SkepError
from model.secrets.secret import UnknownSecret
from remote.engine.log_stream import LogRequest
from tasks.logs.central_log import HOSTS, SERVICES, CentralRequest, central_lines
from tasks.operate.service_logs import ServiceLogs, TaskLine
from tasks.page.page_data import PageData, PageLog, PageLogLine, PageSource, Unread
from tasks.run.context import Run

MOST_LOGS, LINES = 8, 20
"""How many logs are read, and lines of each."""
BEFORE, AFTER = 300.0, 60.0
"""Seconds before and after an alarm of which the lines are shown."""
LONGEST = 500
"""Letters of a line that are shown."""
TIME = 15.0
"""Seconds that one log may take, ..."""
READ = 12.0
"""... of them for reading lines, also on the repository host."""
SELDOM = 60.0
"""Seconds for which lines that were read are good enough: those of an alarm hardly change any more."""
PART = "log lines"
_END = "9"
"""Behind all times of lines, which sort as texts."""


@dataclass(frozen=True)
class _Wanted:
    """A log that is wanted.

    Args:
        service: The service; empty for a host's journal.
        host: The host; empty for a service's log.
        since: As its alarms have it; empty for its last lines.

    """

    service: str
    host: str = ""
    since: str = ""

    @property
    def moment(self) -> float | None:
        """When its alarms began, in seconds since 1970; None for its last lines, as where that is no time of logs."""
        try:
            found = datetime.fromisoformat(self.since).timestamp()
        except (ValueError, OverflowError):
            return None
        return found if BEFORE <= found <= time.time() + SELDOM else None


@dataclass(frozen=True)
class _ReadLines:
    """What was read of a log.

    Args:
        lines: The lines.
        unread: What could not be read.

    """

    lines: tuple[PageLogLine, ...]
    unread: tuple[str, ...]


class LogReader:
    """Reads the logs of what is wrong again and again, each once a minute, and never twice at a time.

    Args:
        run: The run.

    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._parts: dict[_Wanted, AskedPart[_ReadLines]] = {}

    def read(self, page: PageData, unread: list[Unread]) -> PageData:
        """Return a page with the lines around each alarm, and the last ones of services with another problem.

        Args:
            page: What is known of the site.
            unread: Gets what can't be read.

        """
        run = self._run
        wanted = _most_wanted(page, keeps_journals=run.stage.site.logs is not None)
        if not wanted:
            return page
        if not page.can_tell:
            return _without(page, "no host answers")
        if unknown := ", ".join(_unknown_secrets(run)):
            why = f"{unknown} of [secrets] can't be read here, and so could not be kept out of them (doit logs SERVICE)"
            unread.append(Unread(PART, why))
            return _without(page, why)
        self._parts = {each: self._parts.get(each) or self._part(each) for each in wanted}
        for part in self._parts.values():
            part.begin()
        missing: list[Unread] = []
        logs = tuple(self._log(each, "; ".join(whys), missing) for each, whys in wanted.items())
        # A host that does not answer is missing in each log.
        unread += dict.fromkeys(missing)
        return replace(page, logs=logs)

    def _part(self, wanted: _Wanted) -> AskedPart[_ReadLines]:
        """Return a log as a part of the page."""
        return AskedPart(_title(wanted), partial(_read, self._run, wanted), TIME, SELDOM)

    def _log(self, wanted: _Wanted, why: str, missing: list[Unread]) -> PageLog:
        """Return a log, as far as it could be read; add what could not be."""
        answer = self._parts[wanted].answer(missing)
        found = answer.value or _ReadLines((), ())
        missing += [Unread(_title(wanted), each) for each in found.unread]
        unread = (*found.unread, *filter(None, [answer.source.why]))
        return PageLog(wanted.service, why, found.lines, wanted.host, wanted.since, unread)


def _title(wanted: _Wanted) -> str:
    """Return what a log is called where it can't be read."""
    return f"{PART} of {wanted.service or wanted.host}"


def _without(page: PageData, why: str) -> PageData:
    """Return a page without log lines, of which there may be some."""
    return replace(page, logs=None, sources={**page.sources, "logs": PageSource(None, why)})


def _unknown_secrets(run: Run) -> Iterator[str]:
    """Yield the services' secrets that are not known here; those that are, are hidden by being read."""
    for name in run.stage.secrets:
        try:
            if isinstance(run.secrets.read(name), UnknownSecret):
                yield name
        except (KeyError, SkepError):
            yield name


# -- which logs --------------------------------------------------------------------------------------------------------


def _most_wanted(page: PageData, *, keeps_journals: bool) -> dict[_Wanted, list[str]]:
    """Return the logs that tell of what is wrong, each with that.

    Each service and host has its newest alarm's first, then further ones of theirs.
    """
    found = _of_alarms(page, keeps_journals=keeps_journals)
    services = {wanted.service for wanted in found}
    for service in page.services:
        if service.problems and service.name not in services:
            found[_Wanted(service.name)] = [service.problems[0]]
    newest_first = sorted(found, key=lambda wanted: -(wanted.moment or 0))
    earlier: dict[str, int] = {}
    order: dict[_Wanted, int] = {}
    for wanted in newest_first:
        name = wanted.service or wanted.host
        order[wanted] = earlier[name] = earlier.get(name, -1) + 1
    return {wanted: found[wanted] for wanted in sorted(newest_first, key=order.__getitem__)[:MOST_LOGS]}


def _of_alarms(page: PageData, *, keeps_journals: bool) -> dict[_Wanted, list[str]]:
    """Return the logs of the alarms of which somebody is told: those that began at one time share one."""
    services = {each.name for each in page.services}
    hosts = {each.name for each in page.hosts} if keeps_journals else set()
    found: dict[_Wanted, list[str]] = {}
    for alarm in page.alarms or ():
        wanted = _Wanted(*alarm.about)
        if not alarm.is_silenced and (wanted.service in services or wanted.host in hosts):
            found.setdefault(wanted, []).append(f"{alarm.name}: {alarm.summary}")
    return found


# -- their lines -------------------------------------------------------------------------------------------------------


def _read(run: Run, wanted: _Wanted) -> _ReadLines:
    """Return the lines of a service, of all its tasks that the hosts which answer have, or those of a journal."""
    missing: list[str] = []
    found: Iterable[PageLogLine] = ()
    try:
        found = tuple(_lines(run, wanted, missing.append))
    except SkepError as error:
        missing.append(str(error))
    return _ReadLines(tuple(found), tuple(dict.fromkeys(missing)))


def _lines(run: Run, wanted: _Wanted, warn: Callable[[str], None]) -> Iterator[PageLogLine]:
    """Yield the lines of a log; what is missing in it is told."""
    name = wanted.service or wanted.host
    kept = CentralRequest(SERVICES if wanted.service else HOSTS, name, lines=LINES, seconds=READ)
    request, until = LogRequest(lines=LINES), _END
    if wanted.moment is not None:
        begin_at, end_at = wanted.moment - BEFORE, wanted.moment + AFTER
        request = LogRequest(f"{begin_at:.9f}", until=f"{end_at:.9f}")
        kept = replace(kept, moment=begin_at, until=end_at)
        until = f"{datetime.fromtimestamp(end_at, UTC):%Y-%m-%dT%H:%M:%S.%f}"
    keeps = partial(_kept, run, kept, until, warn) if run.stage.site.logs is not None else None
    if wanted.service:
        # What the repository host keeps: also of tasks that are gone by now.
        lines = ServiceLogs(run, wanted.service, request, lambda _each: True, warn, kept=keeps).lines()
    else:
        lines = _kept(run, kept, until, warn)
    within = takewhile(lambda each: each.line.time < until, lines)
    for each in deque(_in_time(name, within), LINES):
        yield PageLogLine(each.line.time, each.task, clean(run.secrets.redact(each.line.text))[:LONGEST])


def _kept(run: Run, request: CentralRequest, until: str, warn: Callable[[str], None]) -> Iterator[TaskLine]:
    """Yield the lines that are kept; what comes behind their end is the agent's word on what it can't read."""
    for each in central_lines(run, request):
        if each.line.time < until:
            yield each
        else:
            warn(each.line.text)


def _in_time(name: str, lines: Iterable[TaskLine]) -> Iterator[TaskLine]:
    """Yield lines as long as there is time: the last ones count, so that a part of them would be the wrong one.

    Raises:
        HostError: There are more.

    """
    ends = time.monotonic() + READ
    for each in lines:
        if time.monotonic() > ends:
            raise HostError(
                f"there are more than can be read within {READ:.0f} s (doit logs {name} since=10m)"
            )
        yield each
