"""`doit silence`: have nobody told of some alarms for a time; the silences that hold, and their end."""

import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.operate.status_lines import joined, table
from commands.shared.console import clean, is_coloured, width_of
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED
from model.errors import SkepError
from model.stage import Stage
from remote.monitoring.alertmanager import add_silence, end_silences, silences
from tasks.alarms.site_alarms import connection_to_alarms, matchers_of, span_of
from tasks.run.context import Run

END = "end"
_LEAST_WORDS = 2
_SHOWN = 8
"""Characters of an id that are shown."""


class SilenceCommand(DoitCmdBase):
    """Silence alarms for a time."""

    name = "silence"
    doc_purpose = "have nobody told of some alarms for a time; without words, show which silences hold"
    doc_usage = "[WHAT ... DURATION reason=WHY] | [end ID|WHAT ...]"
    doc_description = """\
WHAT is a service, a host or an alarm, or one of each: then an alarm must be about all of them. DURATION is as 90s, \
15m, 2h, 1d. The silence is on the repository host and holds for everybody; it ends by itself.

`end` ends silences before their time: by their ids, or all that are about exactly WHAT."""
    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Show, add or end silences. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader, asks=False)
        words = list(args)
        seconds = span_of(words[-1]) if words else None
        is_end = bool(words) and words[0] == END and seconds is None
        if words and not is_end and (seconds is None or len(words) < _LEAST_WORDS):
            raise InvalidCommand(
                f"type: {self.bin_name} silence WHAT 2h reason=WHY, {self.bin_name} silence {END} ID, or "
                f"{self.bin_name} silence"
            )
        if is_end and words[1:] == []:
            raise InvalidCommand(
                f"which one? Type: {self.bin_name} silence {END} ID; {self.bin_name} silence shows them"
            )
        reason = get_var("reason") or ""
        if seconds is not None and not reason.strip():
            raise InvalidCommand("why? Type reason=WHY as well: others see it in doit silence")
        try:
            with closing(run.connections):
                if seconds is not None:
                    self._add(run, words[:-1], seconds, reason)
                elif is_end:
                    return self._end(run, words[1:])
                else:
                    self._show(run)
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        except KeyboardInterrupt:
            return INTERRUPTED
        return 0

    def _add(self, run: Run, words: Sequence[str], seconds: int, reason: str) -> None:
        """Add a silence."""
        matchers = matchers_of(run.stage, words)
        made = add_silence(connection_to_alarms(run), matchers, seconds, run.stage_lock.who, reason)
        self.outstream.write(
            f"nobody is told of alarms of {' and '.join(words)} for {words_of(seconds)} (doit silence {END} "
            f"{made[:_SHOWN]} ends it)\n"
        )

    def _end(self, run: Run, words: Sequence[str]) -> int:
        """End silences, and return the exit status."""
        connection = connection_to_alarms(run)
        held = silences(connection)
        meant = [
            each for each in held if any(each.id.startswith(word) and len(word) >= _SHOWN for word in words)
        ]
        if not meant:
            wanted = matchers_of(run.stage, words) if _are_names(run.stage, words) else {}
            meant = [each for each in held if wanted and each.is_about(wanted)]
        if not meant:
            known = ", ".join(f"{each.id[:_SHOWN]} ({each.what})" for each in held) or "none"
            sys.stderr.write(f"no silence is of {' '.join(words)}; there are: {known}\n")
            return 1
        end_silences(connection, [each.id for each in meant])
        for each in meant:
            self.outstream.write(f"ended: {clean(each.what)} ({clean(each.reason)})\n")
        return 0

    def _show(self, run: Run) -> None:
        """Show the silences that hold."""
        held = silences(connection_to_alarms(run))
        rows = [
            [(clean(text), "") for text in (each.id[:_SHOWN], each.what, each.ends, each.who, each.reason)]
            for each in held
        ]
        head = ("ID", "ABOUT", "UNTIL", "BY", "REASON")
        lines = table(
            head, rows, coloured=is_coloured(self.outstream), width=width_of(self.outstream), yields="REASON"
        )
        self.outstream.write(joined(lines or ["no silence holds"]))


def _are_names(stage: Stage, words: Sequence[str]) -> bool:
    """Return whether all words are names, and not beginnings of ids."""
    try:
        matchers_of(stage, words)
    except SkepError:
        return False
    return True


def words_of(seconds: int) -> str:
    """Return a duration as it is typed."""
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
