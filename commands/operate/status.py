"""`doit status`: the site as it runs now, on one screen."""

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.operate.status_lines import joined, status_lines
from commands.operate.task_lines import task_lines
from commands.shared.console import LiveScreen, is_coloured, is_live, width_of
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from commands.shared.task_selection import with_flags
from model.stage import Host
from tasks.explain.recorded_status import statuses
from tasks.explain.status import UP_TO_DATE
from tasks.operate.site_reading import read_site
from tasks.operate.site_status import SiteStatus, site_status
from tasks.run.context import Run

WELL, CANT_TELL, WRONG = 0, 1, 2
"""The exit status."""
EVERY = 2.0
"""Seconds between two looks with `--watch`."""


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
            return (
                self._watch(run, service)
                if watch and not as_json
                else self._once(run, service, as_json=as_json)
            )
        except KeyboardInterrupt:
            return WELL if watch else INTERRUPTED
        finally:
            run.connections.close()

    def _once(self, run: Run, service: str, *, as_json: bool) -> int:
        """Print the status once."""
        look = self._look(run, service, wide=width_of(self.outstream), coloured=is_coloured(self.outstream))
        if as_json:
            self.outstream.write(json.dumps(look.data, indent=2) + "\n")
        else:
            self.outstream.write(joined(look.lines))
        return look.exit_status

    def _watch(self, run: Run, service: str) -> int:
        """Print it again and again, on a terminal in the same place."""
        if not is_live(self.outstream):
            while True:
                self._once(run, service, as_json=False)
                self.outstream.write("\n")
                self.outstream.flush()
                time.sleep(EVERY)
        shown: list[str] = []
        screen = LiveScreen(sys.stdout, lambda _width, height: shown[:height])
        try:
            while True:
                look = self._look(run, service, wide=screen.width, coloured=screen.coloured)
                shown[:] = [time.strftime("%H:%M:%S"), *look.lines]
                screen.open()
                time.sleep(EVERY)
        finally:
            screen.close()

    def _look(self, run: Run, service: str, *, wide: int, coloured: bool) -> "_Look":
        """Read the site and return what there is to print."""
        made = [host for host in run.stage.hosts if run.state.host_record(host) is not None]
        reading = read_site(run, made)
        status = site_status(run.stage, made, reading)
        if service:
            lines, data = task_lines(run.stage, reading, service, coloured=coloured, width=wide)
            own = next(each for each in status.services if each.name == service)
            wrong = bool(own.problems)
            data = {**dataclasses.asdict(own), **data}
        else:
            stale = self._stale(run)
            lines = status_lines(status, stale, coloured=coloured, width=wide)
            wrong = bool(status.problems)
            data = {
                **dataclasses.asdict(status),
                "problems": status.problems,
                "stale": stale,
                "at": reading.at,
            }
        lines = [run.secrets.redact(line) for line in lines]
        return _Look(lines, data, _exit_status(status, made, wrong=wrong))

    def _stale(self, run: Run) -> list[str]:
        """Return the resources that are not up to date as far as state/ knows, without opening a connection."""
        tasks = {task.name: task for task in self.task_list}
        found = statuses(run, tasks, self.dep_manager)
        return [name for name, each in found.items() if each.status != UP_TO_DATE]


@dataclasses.dataclass(frozen=True)
class _Look:
    """One look at the site.

    Args:
        lines: For a person.
        data: For a program.
        exit_status: Of this command.

    """

    lines: list[str]
    data: dict[str, Any]
    exit_status: int


def _exit_status(status: SiteStatus, made: Sequence[Host], *, wrong: bool) -> int:
    """Return the exit status."""
    if not made or not status.can_tell:
        return CANT_TELL
    return WRONG if wrong else WELL
