"""`doit logs NAME`: the log of a service, or the journal of a host."""

import contextlib
import re
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.operate.attach import BROKEN
from commands.shared.console import clean, is_coloured, paint
from commands.shared.current_run import site_run
from commands.shared.task_selection import with_flags
from model.errors import SkepError
from model.moments import past_moment
from model.stage import Host
from remote.engine.log_stream import LogRequest
from remote.mother import process
from remote.ssh import commands as ssh_commands
from tasks.logs.central_log import HOSTS, SERVICES, CentralRequest, central_lines
from tasks.operate.containers import ALL, known_service
from tasks.operate.named_host import made_host
from tasks.operate.service_logs import ServiceLogs, TaskLine
from tasks.run.context import Run

LINES = 100
"""Lines of each task, or of a host, that are shown where nothing else is asked for."""
_COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92", "95", "94")


class LogsCommand(DoitCmdBase):
    """Print the log of a service or a host."""

    name = "logs"
    doc_purpose = "print the log of a service, all tasks merged by time, or the journal of a host"
    doc_usage = "SERVICE|HOST|HOST:UNIT [-f] [since=1h] [task=2] [grep=REGEX] [lines=100] [central=yes]"
    doc_description = """\
Of a service: the logs of all its tasks on all hosts, those that ended as well, merged by time. A host that does not \
answer is said, and the others go on. Of a host: its journal; hive0:docker is that of one unit.

The last 100 lines of each, or all since a time: since=15m, since=01:00, since='2026-11-29 01:00'; with grep= the last \
100 that match. task= names a task as for `doit exec`. -f goes on until Ctrl-C, also with tasks that begin meanwhile.

With [logs] in site.toml the repository host keeps what was said: it is asked as well where since= is given, and where \
no task is left. central=yes reads there alone, also of hosts and services that are gone."""

    cmd_options = (
        {
            "name": "follow",
            "short": "f",
            "long": "follow",
            "type": bool,
            "default": False,
            "help": "go on as it grows, until Ctrl-C",
        },
    )

    def get_options(self) -> list[Any]:
        """Return its options. `-f` is its own; that of doit's, another dodo.py, is `--file` here."""
        options: list[Any] = super().get_options()
        for option in options:
            if option.name == "dodoFile":
                option.short = ""
        return options

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Print the log. Loads no tasks."""
        self.loader.setup(params)
        words, flags = with_flags(args, "-f", "--follow")
        if len(words) != 1:
            raise InvalidCommand(f"type: {self.bin_name} logs SERVICE|HOST [-f] [since=1h]")
        follow = bool(params["follow"] or flags)
        run = site_run(self.loader, asks=False)
        name, _, unit = words[0].partition(":")
        host = next((each for each in run.stage.hosts if name in (each.short, each.name)), None)
        try:
            since = get_var("since")
            moment = past_moment(since, time.time()) if since else 0.0
            lines = _number(get_var("lines")) or (0 if since else LINES)
            if _is_central(follow=follow):
                return self._central(run, name, unit, host, moment, lines)
            if host is not None and name not in run.stage.services:
                return _journal(run, made_host(run, name), unit, moment, lines, follow=follow)
            request = LogRequest(f"{moment:.9f}" if since else "", lines, follow)
            return self._service(run, words[0], request, moment)
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return BROKEN
        except KeyboardInterrupt:
            return 0 if follow else 130
        except BrokenPipeError:
            with contextlib.suppress(OSError):
                sys.stdout.close()
            return 0

    def _central(self, run: Run, name: str, unit: str, host: Host | None, moment: float, lines: int) -> int:
        """Print what the repository host keeps of a service or host."""
        _pattern(get_var("grep"))
        if run.stage.site.logs is not None:
            made_host(run, run.stage.repository_short)
        kind = SERVICES if host is None or name in run.stage.services else HOSTS
        shown = host.short if host is not None and kind == HOSTS else name
        source = unit if kind == HOSTS else _source(run, get_var("task"))
        printer = _Printer(self.outstream, at_once=False)
        request = CentralRequest(kind, shown, moment, lines, get_var("grep") or "", source)
        for each in central_lines(run, request):
            printer(each)
        self.outstream.flush()
        return 0

    def _service(self, run: Run, name: str, request: LogRequest, moment: float) -> int:
        """Print a service's log."""
        service = known_service(run.stage, name, or_host=True)
        task, pattern = get_var("task"), _pattern(get_var("grep"))
        failed: list[str] = []

        def warn(line: str) -> None:
            failed.append(line)
            sys.stderr.write(f"{clean(run.secrets.redact(line))}\n")
            sys.stderr.flush()

        def kept() -> Iterator[TaskLine]:
            return central_lines(
                run,
                CentralRequest(
                    SERVICES, service, moment, request.lines, get_var("grep") or "", _source(run, task)
                ),
            )

        logs = ServiceLogs(
            run,
            service,
            request,
            lambda each: each.is_meant(task),
            warn,
            pattern.search if pattern else None,
            kept if run.stage.site.logs is not None else None,
        )
        printer = _Printer(self.outstream, at_once=request.follow)
        for each in logs.lines():
            printer(each)
        self.outstream.flush()
        return 1 if failed else 0


class _Printer:
    """Prints lines of tasks, each task in a colour of its own.

    Args:
        out: The stream.
        at_once: Whether each line is to be there at once.

    """

    def __init__(self, out: Any, *, at_once: bool) -> None:
        self._out, self._coloured, self._at_once = out, is_coloured(out), at_once
        self._colours: dict[str, str] = {}
        self._today = f"{datetime.now().astimezone():%Y-%m-%d}"

    def __call__(self, each: TaskLine) -> None:
        """Print a line."""
        colour = self._colours.setdefault(each.task, _COLOURS[len(self._colours) % len(_COLOURS)])
        whole, _, fraction = each.line.time.removesuffix("Z").partition(".")
        moment = datetime.fromisoformat(f"{whole}+00:00").astimezone()
        shown = f"{moment:%H:%M:%S}.{fraction[:3]:0<3}"
        if f"{moment:%Y-%m-%d}" != self._today:
            shown = f"{moment:%Y-%m-%d} {shown}"
        head = paint(f"{shown} {each.task} |", colour, on=self._coloured)
        # Colours of the program's own stay on a terminal; elsewhere they are no text.
        text = each.line.text if self._coloured else clean(each.line.text)
        self._out.write(f"{head} {text}\n")
        if self._at_once:
            self._out.flush()


def _is_central(*, follow: bool) -> bool:
    """Return whether only the repository host is to be asked.

    Raises:
        InvalidCommand: It is neither yes nor no, or does not go with the rest.

    """
    text = get_var("central") or "no"
    if text not in {"yes", "no"}:
        raise InvalidCommand(
            f"central={text}: write central=yes, to read only what the repository host keeps"
        )
    if text == "yes" and follow:
        raise InvalidCommand("central=yes: what is kept is read once: leave out -f")
    return text == "yes"


def _source(run: Run, task: str | None) -> str:
    """Return the word by which the repository host knows a task that a person means; empty for all."""
    short = {host.name: host.short for host in run.stage.hosts}
    return "" if task in {None, ALL} else short.get(str(task), str(task))


def _number(text: str | None) -> int:
    """Return the number of lines that was asked for; 0 if none was.

    Raises:
        InvalidCommand: It is no number.

    """
    if not text:
        return 0
    if not text.isdecimal() or text == "0":
        raise InvalidCommand(f"lines={text}: write a number, as lines=500")
    return int(text)


def _pattern(text: str | None) -> "re.Pattern[str] | None":
    """Return a regular expression.

    Raises:
        InvalidCommand: It is none.

    """
    if not text:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidCommand(f"grep={text}: {error}") from None


def journal_command(unit: str, moment: float, lines: int, pattern: str, *, follow: bool) -> str:
    """Return the shell command that prints a host's journal.

    Args:
        unit: One of its units; empty for all.
        moment: From when, in seconds since 1970; 0 for the beginning.
        lines: The last so many lines that match; 0 for all.
        pattern: A regular expression that they match; empty for all.
        follow: Whether to go on as it grows.

    """
    words = ["journalctl", "--no-pager", "-o", "short-iso"]
    words += ["-u", unit] if unit else []
    words += [f"--since=@{moment:.0f}"] if moment else []
    # As in the logs of services: in small letters it would match large ones too.
    words += [f"--grep={pattern}", "--case-sensitive=yes"] if pattern else []
    # With --grep its own -n prints the newest line first.
    tail = f" | tail -n {lines}" if pattern and lines and not follow else ""
    words += ["-n", str(lines)] if lines and not tail else []
    command = shlex.join(words) + tail
    if follow:
        # Its end is that of this pipe, whatever ends this process: else it would stay there until the next line.
        command = f"{command} -f & reader=$!; cat >/dev/null; kill $reader"
    return command


def _journal(run: Run, host: Host, unit: str, moment: float, lines: int, *, follow: bool) -> int:
    """Print a host's journal, or the part of one of its units.

    Raises:
        SkepError: The host does not answer.

    """
    command = journal_command(unit, moment, lines, get_var("grep") or "", follow=follow)
    connection = run.connections.to(host)
    connection.open()
    files = run.connections.files
    ssh = ssh_commands.ssh_command(
        files.config, files.control(host.short), host.short, f"sudo -n sh -c {shlex.quote(command)}"
    )
    return process.run_in_front(ssh, held_open=True)
