"""`doit status`: the site as it runs now, on one screen."""

import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.operate.status_lines import joined, status_tables, verdict_lines
from commands.operate.task_lines import service_problems, service_verdict, task_lines
from commands.shared.console import YELLOW, LiveScreen, is_coloured, is_live, paint, width_of
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from commands.shared.read_back import fill_in
from commands.shared.task_selection import with_flags
from model.stage import Host
from tasks.backup.shown_key import key_lines, key_shown
from tasks.backup.site_restore_journal import restoration_words
from tasks.explain.recorded_status import statuses
from tasks.explain.status import UP_TO_DATE
from tasks.hosts.replaced_host import replacement_words
from tasks.operate.host_reading import HostReading
from tasks.operate.site_reading import PATIENCE, read_site
from tasks.operate.site_status import SiteStatus, site_status
from tasks.run.context import Run

WELL, CANT_TELL, WRONG = 0, 1, 2
"""The exit status."""
EVERY = 2.0
"""Seconds between two looks with `--watch`."""
OPENED = 4.0
"""Seconds for which a host is waited for from the second look on, as its connection is open by then."""


class StatusCommand(DoitCmdBase):
    """Show the site as it runs now."""

    name = "status"
    doc_purpose = "show how the site runs, and what is wrong; exit status 2 if something is"
    doc_usage = "[SERVICE] [--watch] [--json]"
    doc_description = """\
Asks every host and its engine, and one manager of the swarm: hosts, services, volumes, networks. Tasks are counted by \
the containers that the hosts have, so that those of a host that does not answer count as not running. With a service: \
its tasks, those that ended as well, and their errors. Takes no lock, changes nothing, and works beside a run.

Exit status: 0 all is well; 2 something is wrong; 1 it can't be told, as no host answers; 3 no such service or site."""

    cmd_options = (
        {
            "name": "as_json",
            "short": "",
            "long": "json",
            "type": bool,
            "default": False,
            "help": "print it as JSON (docs/operations.md has the fields)",
        },
        {
            "name": "watch",
            "short": "",
            "long": "watch",
            "type": bool,
            "default": False,
            "help": "show it again every two seconds, until Ctrl-C",
        },
    )

    def _execute(
        self,
        as_json: bool = False,  # noqa: FBT001, FBT002 - doit hands its options over by these names
        watch: bool = False,  # noqa: FBT001, FBT002
        pos_args: Sequence[str] = (),
    ) -> int:
        """Print the status."""
        pos_args, flags = with_flags(pos_args, "--json", "--watch")
        as_json, watch = as_json or "--json" in flags, watch or "--watch" in flags
        run = site_run(self.loader, asks=False)
        names = list(pos_args)
        if len(names) > 1 or any(name not in run.stage.services for name in names):
            services = ", ".join(run.stage.services) or "none"
            raise InvalidCommand(f"type: {self.bin_name} status [SERVICE]; services: {services}")
        service = names[0] if names else ""
        try:
            run.secrets.may_run_commands = True
            fill_in(run, {task.name: task for task in self.task_list}, self.dep_manager)
            run.secrets.may_run_commands = False
            return (
                self._watch(run, service, as_json=as_json)
                if watch
                else self._once(run, service, as_json=as_json)
            )
        except KeyboardInterrupt:
            return WELL if watch else INTERRUPTED
        except BrokenPipeError:
            with contextlib.suppress(OSError):
                sys.stdout.close()
            return WELL
        finally:
            run.connections.close()

    def _once(self, run: Run, service: str, *, as_json: bool) -> int:
        """Print the status once."""
        look = self._look(run, service, wide=width_of(self.outstream), coloured=is_coloured(self.outstream))
        self.outstream.write(
            json.dumps(look.data, indent=2) + "\n" if as_json else joined([*look.tables, *look.verdict])
        )
        return look.exit_status

    def _watch(self, run: Run, service: str, *, as_json: bool) -> int:
        """Print it again and again, on a terminal in the same place; as JSON a line each time."""
        if as_json or not is_live(self.outstream):
            for patience in _patience():
                look = self._look(run, service, wide=sys.maxsize, coloured=False, patience=patience)
                lines = [json.dumps(look.data)] if as_json else [*look.tables, *look.verdict, ""]
                self.outstream.write(joined(lines))
                self.outstream.flush()
        shown = _Look()
        screen = LiveScreen(sys.stdout, lambda _width, height: shown.within(height))
        try:
            for patience in _patience():
                shown = self._look(
                    run, service, wide=screen.width, coloured=screen.coloured, patience=patience
                )
                screen.open()
        finally:
            screen.close()
        return shown.exit_status

    def _look(
        self, run: Run, service: str, *, wide: int, coloured: bool, patience: float = PATIENCE
    ) -> "_Look":
        """Read the site and return what there is to print."""
        made = [host for host in run.stage.hosts if run.state.host_record(host) is not None]
        reading = read_site(run, made, patience)
        status = site_status(run.stage, made, reading)
        under_way = (*replacement_words(run.state), *restoration_words(run))
        status = dataclasses.replace(status, swarm=(*status.swarm, *under_way))
        if service:
            lines, tasks = task_lines(run.stage, reading, service, coloured=coloured, width=wide)
            own = next(each for each in status.services if each.name == service)
            problems = service_problems(own, reading)
            verdict = service_verdict(own, problems, coloured=coloured)
            data = {**dataclasses.asdict(own), "problems": problems, **tasks}
        else:
            stale = self._stale(run)
            lines = status_tables(status, coloured=coloured, width=wide)
            answers = isinstance(reading.hosts.get(run.stage.repository.short), HostReading)
            shown = key_shown(run, asks=answers)
            verdict = [
                *(paint(line, YELLOW, on=coloured) for line in key_lines(shown)),
                *verdict_lines(status, stale, coloured=coloured),
            ]
            problems = tuple(status.problems)
            data = {**dataclasses.asdict(status), "problems": problems, "stale": stale}
            data["key_shown"] = dict(shown) if shown else None
        exit_status = _exit_status(status, made, wrong=bool(problems))
        redact = run.secrets.redact
        return _Look(
            [redact(line) for line in lines],
            [redact(line) for line in verdict],
            without_secrets({**data, "exit_status": exit_status, "at": reading.at}, redact),
            exit_status,
        )

    def _stale(self, run: Run) -> list[str]:
        """Return the resources that are not up to date as far as state/ knows, without opening a connection."""
        # A run may be at work that writes there.
        self.dep_manager.backend.read_again()
        tasks = {task.name: task for task in self.task_list}
        found = statuses(run, tasks, self.dep_manager)
        return [name for name, each in found.items() if each.status != UP_TO_DATE]


def _patience() -> Iterator[float]:
    """Yield for each look the seconds for which a host is waited for: at first its connection may have to be opened."""
    yield PATIENCE
    while True:
        time.sleep(EVERY)
        yield OPENED


@dataclasses.dataclass(frozen=True)
class _Look:
    """One look at the site.

    Args:
        tables: The tables, for a person.
        verdict: What is wrong, for a person.
        data: For a program.
        exit_status: Of this command.

    """

    tables: list[str] = dataclasses.field(default_factory=list)
    verdict: list[str] = dataclasses.field(default_factory=list)
    data: Any = None
    exit_status: int = WELL
    when: str = dataclasses.field(default_factory=lambda: time.strftime("%H:%M:%S"))

    def within(self, height: int) -> list[str]:
        """Return its lines; where they are too many, what is wrong comes first, and the rest is cut."""
        lines = [self.when, *self.tables, *self.verdict]
        return lines if len(lines) <= height else [self.when, *self.verdict, "", *self.tables][:height]


def without_secrets(data: Any, redact: Callable[[str], str]) -> Any:
    """Return data with every text in it redacted."""
    if isinstance(data, str):
        return redact(data)
    if isinstance(data, dict):
        return {name: without_secrets(value, redact) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_secrets(value, redact) for value in data]
    return data


def _exit_status(status: SiteStatus, made: Sequence[Host], *, wrong: bool) -> int:
    """Return the exit status."""
    if not made or not status.can_tell:
        return CANT_TELL
    return WRONG if wrong else WELL
