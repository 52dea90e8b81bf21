"""The lines of logs around what is wrong, unless there are secrets that could not be kept out of them."""

from collections.abc import Iterator
from functools import partial
from itertools import islice

from commands.shared.console import clean
from model.errors import SkepError
from model.secrets.secret import UnknownSecret
from remote.engine.log_stream import LogRequest
from remote.mother.questions import begin
from tasks.operate.service_logs import ServiceLogs
from tasks.page.page_data import PageData, PageLog, PageLogLine, Unread
from tasks.run.context import Run

SERVICES, LINES = 5, 20
"""How many services' logs are read, and lines of each."""
LONGEST = 500
"""Letters of a line that are shown."""
TIME = 15.0
"""Seconds that one log may take."""
PART = "log lines"


def page_logs(run: Run, page: PageData, unread: list[Unread]) -> tuple[PageLog, ...]:
    """Return the last lines of each service with which something is wrong.

    Args:
        run: The run.
        page: What is known of the site.
        unread: Gets what can't be read.

    """
    wrong = [(each.name, each.problems[0]) for each in page.services if each.problems][:SERVICES]
    if not wrong:
        return ()
    if unknown := ", ".join(_unknown_secrets(run)):
        why = f"{unknown} of [secrets] can't be read here, and so could not be kept out of them (doit logs SERVICE)"
        unread.append(Unread(PART, why))
        return ()
    coming = [(name, why, begin(partial(_lines, run, name))) for name, why in wrong]
    logs = []
    for name, why, lines in coming:
        try:
            logs.append(PageLog(name, why, lines.result(TIME)))
        except TimeoutError:
            unread.append(Unread(f"{PART} of {name}", f"no answer within {TIME:.0f} s"))
        except SkepError as error:
            unread.append(Unread(f"{PART} of {name}", str(error)))
    return tuple(log for log in logs if log.lines)


def _unknown_secrets(run: Run) -> Iterator[str]:
    """Yield the services' secrets that are not known here; those that are, are hidden by being read."""
    for name in run.stage.secrets:
        try:
            if isinstance(run.secrets.read(name), UnknownSecret):
                yield name
        except (KeyError, SkepError):
            yield name


def _lines(run: Run, service: str) -> tuple[PageLogLine, ...]:
    """Return the last lines of a service, of all its tasks that the hosts which answer have."""
    logs = ServiceLogs(run, service, LogRequest(lines=LINES), lambda _each: True, lambda _warning: None)
    found = [*islice(logs.lines(), LINES * LINES)][-LINES:]
    return tuple(
        PageLogLine(each.line.time, each.task, clean(run.secrets.redact(each.line.text))[:LONGEST])
        for each in found
    )
