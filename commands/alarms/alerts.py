"""`doit alerts`: the alarms that are given."""

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.operate.status_lines import Cell, joined, table
from commands.shared.console import RED, clean, is_coloured, width_of
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from commands.shared.task_selection import with_flags
from model.errors import SkepError
from tasks.alarms.site_alarms import Alarms, alarms

WELL, CANT_TELL, WRONG = 0, 1, 2
"""The exit status."""


class AlertsCommand(DoitCmdBase):
    """Show the alarms that are given."""

    name = "alerts"
    doc_purpose = "show the alarms that are given; exit status 2 if somebody is told of one"
    doc_usage = "[--json]"
    doc_description = """\
Asks Alertmanager on the repository host over ssh (docs/monitoring.md). Alarms that are silenced are shown as well.

Exit status: 0 none is given, or all are silenced; 2 one is given; 1 it can't be told, as Alertmanager does not answer \
or hears nothing from Prometheus; 3 no such site."""
    cmd_options = (
        {
            "name": "as_json",
            "short": "",
            "long": "json",
            "type": bool,
            "default": False,
            "help": "print them as JSON, with the silences (docs/monitoring.md has the fields)",
        },
    )

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Print the alarms. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader, asks=False)
        args, flags = with_flags(args, "--json")
        if args:
            raise InvalidCommand(f"type: {self.bin_name} alerts [--json]")
        try:
            with closing(run.connections):
                found = alarms(run)
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return CANT_TELL
        except KeyboardInterrupt:
            return INTERRUPTED
        if params["as_json"] or "--json" in flags:
            self.outstream.write(json.dumps(found.data(), indent=1, ensure_ascii=False) + "\n")
        else:
            lines = alarm_lines(found, width=width_of(self.outstream), coloured=is_coloured(self.outstream))
            self.outstream.write(joined(lines))
        if not found.are_alive:
            host = run.stage.repository_short
            sys.stderr.write(
                "Alertmanager hears nothing from Prometheus, or that notes no metrics, as on a full disk: what is "
                f"wrong is not told (doit ssh {host} systemctl status prometheus; doit ssh {host} df -h "
                "/var/lib/prometheus)\n"
            )
            return CANT_TELL
        return WRONG if found.told else WELL


def alarm_lines(found: Alarms, *, width: int, coloured: bool) -> list[str]:
    """Return the lines that say which alarms are given.

    Args:
        found: The alarms.
        width: The columns of a line.
        coloured: Whether they have colours.

    """
    if not found.given:
        return ["no alarm is given"] if found.are_alive else []
    ends = {silence.id: silence.ends for silence in found.silences}
    rows: list[Sequence[Cell]] = []
    for alarm in found.given:
        quiet = next((f"silenced until {ends[each]}" for each in alarm.silenced if each in ends), "")
        quiet = quiet or ("not sent: the host is silent" if alarm.is_hidden else "")
        name = (clean(alarm.name), "" if quiet else RED)
        texts = (alarm.place or "-", alarm.value, alarm.since, alarm.look, quiet or alarm.summary)
        rows.append([name, *((clean(text), "") for text in texts)])
    head = ("ALARM", "ABOUT", "VALUE", "SINCE", "LOOK WITH", "WHAT")
    return table(head, rows, coloured=coloured, width=width, yields="WHAT")
