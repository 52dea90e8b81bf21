"""Reads a site for its page: what `doit status` reads, what `doit list` knows, the history, the backups, log lines.

What can't be read is named in its place, and holds up nothing else.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any, TypeVar

from commands.history import history
from commands.page.asked_part import AskedPart, PartAnswer
from commands.page.log_reading import LogReader
from commands.page.signal_reading import read_alarms, read_charts
from model.errors import HostError
from tasks.backup.site_backups import SiteBackups
from tasks.backup.site_restore_journal import restoration_words
from tasks.explain.recorded_status import statuses
from tasks.hosts.replaced_host import replacement_words
from tasks.operate.site_reading import PATIENCE, read_site
from tasks.operate.site_status import site_status
from tasks.page.page_backups import page_backups
from tasks.page.page_data import PageBackup, PageData, PagePhase, Unread
from tasks.page.site_page import page_phases, site_page
from tasks.phases import PHASES
from tasks.run.context import Run

T = TypeVar("T")

LONG = 20.0
"""Seconds that the repository host may take to list backups, or a day of metrics."""
SELDOM = 60.0
"""Seconds for which these are good enough, since they take the host some work."""


class PageReader:
    """Reads a site again and again. One reading at a time.

    Args:
        run: The run.
        tasks: doit's tasks by name.
        dep_manager: doit's view of its database.

    """

    def __init__(self, run: Run, tasks: Mapping[str, Any], dep_manager: Any) -> None:
        self._run, self._tasks, self._dep_manager = run, tasks, dep_manager
        self._past = AskedPart("who deployed what", partial(history, run), PATIENCE)
        self._backups = AskedPart("the backups", partial(_kept, _backups, run), LONG, SELDOM)
        self._alarms = AskedPart("alarms", partial(_kept, read_alarms, run), LONG)
        self._charts = AskedPart("metrics over time", partial(_kept, read_charts, run), LONG, SELDOM)
        self._logs = LogReader(run)
        self._site_file = self._written()

    def read(self) -> PageData:
        """Return all that the page shows, without any secret that this checkout knows."""
        run, stage = self._run, self._run.stage
        made = [host for host in stage.hosts if run.state.host_record(host) is not None]
        unread: list[Unread] = []
        parts = dict(self._parts())
        for part in parts.values():
            part.begin()
        reading = read_site(run, made)
        status = site_status(stage, made, reading)
        status = replace(
            status, swarm=(*status.swarm, *replacement_words(run.state), *restoration_words(run))
        )
        # Of a site that is not made at all nothing is missing.
        answers = {name: part.answer(unread if made else []) for name, part in parts.items()}
        page = site_page(
            stage, {host.short for host in made}, reading, status, answers["history"].value or ()
        )
        page = with_answers(page, answers, unread)
        if stage.site.backup is not None and "backups" not in parts:
            page = replace(page, backups=())
        if self._written() != self._site_file:
            unread.append(
                Unread("site.toml", "it has changed since this began; start it again to go by the new one")
            )
        page = self._logs.read(replace(page, phases=self._phases()), unread)
        page = replace(page, unread=tuple(unread))
        return without_secrets(page, run.secrets.redact)

    def _parts(self) -> Iterator[tuple[str, AskedPart[Any]]]:
        """Yield the parts that the site has and the repository host is asked for, by their names in a page's data."""
        site = self._run.stage.site
        yield "history", self._past
        if site.backup is not None and any(each.backup_scripts for each in self._run.stage.services.values()):
            yield "backups", self._backups
        if site.monitoring is not None:
            yield "alarms", self._alarms
            yield "charts", self._charts

    def _written(self) -> bytes:
        """Return site.toml as it is now; nothing where it can't be read."""
        with suppress(OSError):
            return (self._run.directory / "site.toml").read_bytes()
        return b""

    def _phases(self) -> tuple[PagePhase, ...]:
        """Return the phases by what state/ has of them; no connection is opened."""
        # A run may be at work that writes there.
        self._dep_manager.backend.read_again()
        known = statuses(self._run, self._tasks, self._dep_manager)
        before: dict[str, Collection[str]] = {name: self._tasks[name].task_dep for name in known}
        return page_phases({name: phase.doc for name, phase in PHASES.items()}, known, before)


def with_answers(page: PageData, answers: Mapping[str, PartAnswer[Any]], unread: list[Unread]) -> PageData:
    """Return a page with what the repository host answered, and how it was read. Pure.

    Args:
        page: The page.
        answers: The answers by their names in a page's data.
        unread: Gets why alarms that came may not be all.

    """
    found: dict[str, Any] = {name: each.value for name, each in answers.items() if name != "history"}
    sources = {name: each.source for name, each in answers.items()}
    if found.get("alarms") is not None:
        found["alarms"], doubt = found["alarms"]
        sources["alarms"] = replace(sources["alarms"], doubt=doubt)
        unread += [Unread("alarms", doubt)] if doubt else []
    return replace(page, sources=sources, **found)


def _kept(ask: Callable[[Run], T], run: Run) -> T:
    """Return what the repository host answers to a question.

    Raises:
        HostError: It is not made yet, or does not answer.

    """
    host = run.stage.repository
    if run.state.host_record(host) is None:
        raise HostError(f"{host.short}, which has them, is not made yet, as far as state/ knows")
    return ask(run)


def _backups(run: Run) -> tuple[PageBackup, ...]:
    """Return the services' newest backups."""
    services = [name for name, service in run.stage.services.items() if service.backup_scripts]
    return page_backups(services, SiteBackups(run).generations(services))


def without_secrets(value: T, redact: Callable[[str], str]) -> T:
    """Return a value with every text in it redacted."""
    found: Any = value
    if isinstance(found, str):
        found = redact(found)
    elif isinstance(found, tuple):
        found = tuple(without_secrets(each, redact) for each in found)
    elif isinstance(found, dict):
        found = {name: without_secrets(each, redact) for name, each in found.items()}
    elif is_dataclass(found) and not isinstance(found, type):
        changed = {each.name: without_secrets(getattr(found, each.name), redact) for each in fields(found)}
        found = replace(found, **changed)
    result: T = found
    return result
