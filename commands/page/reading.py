"""Reads a site for its page: what `doit status` reads, what `doit list` knows, the history, the backups, log lines.

What can't be read is named in its place, and holds up nothing else.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any, TypeVar

from commands.history import history
from commands.page.log_reading import page_logs
from commands.page.signal_reading import Signals, read_signals
from model.errors import SkepError
from remote.mother.questions import begin
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

BACKUPS_TIME = 20.0
"""Seconds that the repository host may take to list the backups."""
BACKUPS_EVERY = 60.0
"""Seconds for which that list is good enough, since making it takes the host some work."""


class PageReader:
    """Reads a site again and again. One reading at a time.

    Args:
        run: The run.
        tasks: doit's tasks by name.
        dep_manager: doit's view of its database.

    """

    def __init__(self, run: Run, tasks: Mapping[str, Any], dep_manager: Any) -> None:
        self._run, self._tasks, self._dep_manager = run, tasks, dep_manager
        self._backups: tuple[PageBackup, ...] | None = None
        self._backups_end = 0.0
        self._site_file = self._written()

    def read(self) -> PageData:
        """Return all that the page shows, without any secret that this checkout knows."""
        run, stage = self._run, self._run.stage
        made = [host for host in stage.hosts if run.state.host_record(host) is not None]
        unread: list[Unread] = []
        services = _with_backups(run)
        has_repository = stage.repository in made
        past_coming = begin(partial(history, run)) if has_repository else None
        is_late = has_repository and services and time.monotonic() >= self._backups_end
        backups_coming = begin(partial(_backups, run, services)) if is_late else None
        watches = stage.site.monitoring is not None
        signals_coming = begin(partial(read_signals, run)) if watches and has_repository else None
        reading = read_site(run, made)
        status = site_status(stage, made, reading)
        status = replace(
            status, swarm=(*status.swarm, *replacement_words(run.state), *restoration_words(run))
        )
        past = _had(past_coming, PATIENCE, "who deployed what", unread) or ()
        page = site_page(stage, {host.short for host in made}, reading, status, past)
        if (backups := _had(backups_coming, BACKUPS_TIME, "the backups", unread)) is not None:
            self._backups, self._backups_end = backups, time.monotonic() + BACKUPS_EVERY
        if stage.site.backup is not None:
            page = replace(page, backups=self._backups or ())
        if watches:
            signals = Signals() if signals_coming is None else signals_coming.result()
            page = replace(page, alarms=signals.alarms, charts=signals.charts)
            unread += signals.unread
        if self._written() != self._site_file:
            unread.append(
                Unread("site.toml", "it has changed since this began; start it again to go by the new one")
            )
        page = replace(page, phases=self._phases(), logs=page_logs(run, page, unread))
        page = replace(page, unread=tuple(unread))
        return without_secrets(page, run.secrets.redact)

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


def _with_backups(run: Run) -> list[str]:
    """Return the services that have backups."""
    if run.stage.site.backup is None:
        return []
    return [name for name, service in run.stage.services.items() if service.backup_scripts]


def _backups(run: Run, services: Sequence[str]) -> tuple[PageBackup, ...]:
    """Return the services' newest backups."""
    return page_backups(services, SiteBackups(run).generations(services))


def _had(coming: Any, patience: float, part: str, unread: list[Unread]) -> Any:
    """Return what a thread reads; None if it can't be read, which is noted, or if nothing was asked."""
    if coming is None:
        return None
    try:
        return coming.result(patience)
    except TimeoutError:
        unread.append(Unread(part, f"no answer within {patience:.0f} s"))
    except SkepError as error:
        unread.append(Unread(part, str(error)))
    return None


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
