"""The lines of logs around what is wrong, unless there are secrets that could not be kept out of them."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import takewhile

from commands.shared.console import clean
from model.errors import HostError, SkepError
from model.secrets.secret import UnknownSecret
from remote.engine.log_stream import LogRequest
from remote.mother.questions import begin
from tasks.logs.central_log import SERVICES, CentralRequest, central_lines
from tasks.operate.service_logs import ServiceLogs, TaskLine
from tasks.page.page_data import PageData, PageLog, PageLogLine, Unread
from tasks.run.context import Run

MOST_LOGS, LINES = 5, 20
"""How many services' logs are read, and lines of each."""
BEFORE, AFTER = 300.0, 60.0
"""Seconds before and after an alarm of which the lines are shown."""
LONGEST = 500
"""Letters of a line that are shown."""
TIME = 15.0
"""Seconds that one log may take, ..."""
READ = 12.0
"""... of them for reading lines."""
PART = "log lines"
_END = "9"
"""Behind all times of lines, which sort as texts."""


@dataclass(frozen=True)
class _Wanted:
    """The log of a service that is wanted.

    Args:
        service: The service.
        why: What is wrong with it.
        since: When that was given, in seconds since 1970; None for its last lines.

    """

    service: str
    why: str
    since: float | None = None


def page_logs(run: Run, page: PageData, unread: list[Unread]) -> tuple[PageLog, ...]:
    """Return the lines around each alarm of a service, and the last ones of services with another problem.

    Args:
        run: The run.
        page: What is known of the site.
        unread: Gets what can't be read.

    """
    wrong = _wanted(page)[:MOST_LOGS]
    if not wrong or not page.can_tell:
        return ()
    if unknown := ", ".join(_unknown_secrets(run)):
        why = f"{unknown} of [secrets] can't be read here, and so could not be kept out of them (doit logs SERVICE)"
        unread.append(Unread(PART, why))
        return ()
    coming = [(each, begin(partial(_lines, run, each))) for each in wrong]
    logs = []
    for each, lines in coming:
        try:
            logs.append(PageLog(each.service, each.why, lines.result(TIME)))
        except TimeoutError:
            unread.append(Unread(f"{PART} of {each.service}", f"no answer within {TIME:.0f} s"))
        except SkepError as error:
            unread.append(Unread(f"{PART} of {each.service}", str(error)))
    return tuple(log for log in logs if log.lines)


def _unknown_secrets(run: Run) -> Iterator[str]:
    """Yield the services' secrets that are not known here; those that are, are hidden by being read."""
    for name in run.stage.secrets:
        try:
            if isinstance(run.secrets.read(name), UnknownSecret):
                yield name
        except (KeyError, SkepError):
            yield name


def _wanted(page: PageData) -> list[_Wanted]:
    """Return the logs that tell of what is wrong: of a service once, by the first alarm that it has."""
    known = {each.name for each in page.services}
    found: dict[str, _Wanted] = {}
    for alarm in page.alarms or ():
        if alarm.service in known and not alarm.is_silenced:
            since = _seconds(alarm.since)
            found.setdefault(alarm.service, _Wanted(alarm.service, f"{alarm.name}: {alarm.summary}", since))
    for service in page.services:
        if service.problems:
            found.setdefault(service.name, _Wanted(service.name, service.problems[0]))
    return list(found.values())


def _seconds(text: str) -> float | None:
    """Return a time as Alertmanager writes it, in seconds since 1970; None for none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _lines(run: Run, wanted: _Wanted) -> tuple[PageLogLine, ...]:
    """Return the lines of a service, of all its tasks that the hosts which answer have."""
    request, kept, until = (
        LogRequest(lines=LINES),
        CentralRequest(SERVICES, wanted.service, lines=LINES),
        _END,
    )
    if wanted.since is not None:
        begin_at, end_at = wanted.since - BEFORE, wanted.since + AFTER
        request = LogRequest(f"{begin_at:.9f}", until=f"{end_at:.9f}")
        kept = CentralRequest(SERVICES, wanted.service, begin_at)
        until = f"{datetime.fromtimestamp(end_at, UTC):%Y-%m-%dT%H:%M:%S.%f}"
    logs = ServiceLogs(
        run,
        wanted.service,
        request,
        lambda _each: True,
        lambda _warning: None,
        # What the repository host keeps: also of tasks that are gone by now.
        kept=partial(central_lines, run, kept) if run.stage.site.logs is not None else None,
    )
    within = takewhile(lambda each: each.line.time < until, logs.lines())
    found = deque(_in_time(wanted.service, within), LINES)
    return tuple(
        PageLogLine(each.line.time, each.task, clean(run.secrets.redact(each.line.text))[:LONGEST])
        for each in found
    )


def _in_time(service: str, lines: Iterable[TaskLine]) -> Iterator[TaskLine]:
    """Yield lines as long as there is time: the last ones count, so that a part of them would be the wrong one.

    Raises:
        HostError: There are more.

    """
    ends = time.monotonic() + READ
    for each in lines:
        if time.monotonic() > ends:
            raise HostError(
                f"there are more than can be read within {READ:.0f} s (doit logs {service} since=10m)"
            )
        yield each
