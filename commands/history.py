"""`doit history`: who ran what on the stage, when, from which commit, with what outcome."""

import json
import time
from calendar import timegm
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import BOLD, DIM, RED, YELLOW, clean, is_coloured, paint
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from commands.shared.read_back import NO_HOSTS
from commands.shared.task_selection import with_flags
from model.errors import HostError, SkepError
from model.history import AT_WORK, NEVER_ENDED, HistoryLine, lines_of
from remote.ssh.lock_session import history_on, holder_on
from remote.ssh.lock_words import lock_name
from remote.swarm.revisions import Revision, revisions
from tasks.run.context import Run
from tasks.run.run_history import DESTROYED, DONE, HALTED, HALTING

SHOWN = 20
"""Lines that are shown where nobody asked for all."""
NAMED = 3
"""Resources that a line names."""
_MINUTE = 60


class HistoryCommand(DoitCmdBase):
    """Show the stage's history."""

    name = "history"
    doc_purpose = "show who ran what, when, from which commit of the site, with what outcome"
    doc_usage = "[SERVICE] [--all] [--json]"
    doc_description = """\
Each run that changed something, or tried to, has a line; runs that changed nothing share one. With SERVICE: the \
runs that changed that service, each with the revision that it gave it; `doit rollback SERVICE to=REVISION` goes back \
to one that is kept.

The repository host keeps the last 1000 lines, readable by root alone. A run that was killed has a line as well, which \
says that it never ended. The newest lines come last; --all shows more than 20."""

    cmd_options = (
        {
            "name": "as_json",
            "short": "",
            "long": "json",
            "type": bool,
            "default": False,
            "help": "print all lines as JSON, the oldest first",
        },
        {
            "name": "every",
            "short": "",
            "long": "all",
            "type": bool,
            "default": False,
            "help": f"print all lines, and not only the last {SHOWN}",
        },
    )

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Print the history. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader, asks=False)
        args, flags = with_flags(args, "--all", "--json")
        as_json, every = params["as_json"] or "--json" in flags, params["every"] or "--all" in flags
        if len(args) > 1:
            raise InvalidCommand(f"type: {self.bin_name} history [SERVICE] [--all] [--json]")
        service = args[0] if args else ""
        try:
            with closing(run.connections):
                lines = history(run)
                kept = _kept(run, service) if service else []
        except SkepError as error:
            raise InvalidCommand(run.secrets.redact(str(error))) from error
        except KeyboardInterrupt:
            return INTERRUPTED
        if service:
            lines = [line for line in lines if line.concerns(service)]
            if not lines and not kept and service not in run.stage.services:
                known = ", ".join(run.stage.services) or "none"
                raise InvalidCommand(f"history: no run changed a service {service}; there are: {known}")
        if as_json:
            data = {
                "site": run.stage.site_name,
                "stage": run.stage.name,
                "service": service or None,
                "runs": [line.data() for line in lines],
                "revisions": [{"revision": r.number, "made": r.made, "image": r.image} for r in kept],
            }
            self.outstream.write(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
            return 0
        text = report(run, service, lines, kept, every=every, coloured=is_coloured(self.outstream))
        self.outstream.write("".join(f"{line}\n" for line in text))
        return 0


def history(run: Run) -> list[HistoryLine]:
    """Return the stage's history from the repository host, the run that is at work as its last line.

    Raises:
        HostError: The host does not answer, or is not made yet.

    """
    host, name = run.stage.repository, lock_name(run.stage)
    if run.state.host_record(host) is None:
        raise HostError(
            f"{host.short}, which keeps the history, is not made yet, as far as state/ knows; {NO_HOSTS}"
        )
    run.connections.write_ssh_files()
    connection = run.connections.to(host)
    past, begun = history_on(connection, name)
    if begun is not None:
        outcome = AT_WORK if holder_on(connection, name) is not None else NEVER_ENDED
        past = [*past, {**begun, "outcome": outcome}]
    return lines_of(past)


def _kept(run: Run, service: str) -> list[Revision]:
    """Return the revisions of a service that the swarm keeps, the oldest first; none where no manager answers."""
    try:
        _, client = run.connections.manager(patience=0)
        return revisions(client, service, run.stage.labels)[::-1]
    except SkepError:
        return []


def report(
    run: Run,
    service: str,
    lines: Sequence[HistoryLine],
    kept: Sequence[Revision],
    *,
    every: bool,
    coloured: bool,
) -> list[str]:
    """Return the lines for people."""
    head = f"{run.stage.site_name}, stage {run.stage.name}" + (f": service {service}" if service else "")
    text = [paint(head, BOLD, on=coloured)]
    if not lines:
        text.append("no run that changed it is known" if service else "no run is known yet")
    shown = lines if every else lines[-SHOWN:]
    if len(shown) < len(lines):
        text.append(paint(f"{len(lines) - len(shown)} earlier (--all)", DIM, on=coloured))
    for line in shown:
        text += _row(line, service, coloured=coloured)
    if kept:
        noted = {line.revisions[service] for line in lines if service in line.revisions}
        text.append(f"revisions that are kept; doit rollback {service} to=REVISION goes back to one:")
        for revision in kept:
            known = "" if revision.number in noted else "  (by a run that is not in the history)"
            text.append(
                f"  {revision.number:>3}  {revision.made[:16].replace('T', ' ')}  {revision.image}{known}"
            )
    return text


def _row(line: HistoryLine, service: str, *, coloured: bool) -> list[str]:
    """Return the lines of one run."""
    when = _local(line.began)
    if line.idle:
        runs = "run" if line.idle == 1 else "runs"
        last = f", the last {_local(line.ended)}" if line.idle > 1 else ""
        return [
            paint(
                clean(f"{when}  {line.idle} {runs} that changed nothing{last} by {line.who}"),
                DIM,
                on=coloured,
            )
        ]
    commit = (line.commit or "no commit known") + (" + changes" if line.is_dirty else "")
    took = f" after {_duration(line.seconds)}" if line.ended else ""
    outcome = clean(f"{line.outcome}{took}")
    if line.outcome not in {DONE, HALTED, DESTROYED}:
        outcome = paint(outcome, YELLOW if line.outcome in {AT_WORK, HALTING} else RED, on=coloured)
    head = f"{clean(f'{when}  {line.who}  {line.command}  ({commit})')}  {outcome}"
    details = [line.job] if line.job else []
    if service and service in line.revisions:
        details.append(f"revision {line.revisions[service]} of {service}")
    elif line.revisions:
        details.append("revisions " + ", ".join(f"{name} {n}" for name, n in sorted(line.revisions.items())))
    if line.failed:
        details.append(f"failed: {_names(line.failed)}")
    if line.changed and not service:
        details.append(f"changed {_names(line.changed)}")
    return [head, *(paint(f"    {clean(detail)}", DIM, on=coloured) for detail in details)]


def _names(names: Sequence[str]) -> str:
    """Return some names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _duration(seconds: float) -> str:
    """Return a duration for people."""
    return f"{seconds:.1f} s" if seconds < _MINUTE else f"{seconds / _MINUTE:.0f} min"


def _local(stamp: str) -> str:
    """Return a time of the history as this machine's clock says it."""
    try:
        return time.strftime(
            "%Y-%m-%d %H:%M", time.localtime(timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")))
        )
    except ValueError:
        return stamp or "?"
