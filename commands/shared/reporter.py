"""doit's reporter: a line for each finished task, a live view of running ones, whole failures, a summary.

doit calls `execute_task` in the thread that runs the task, everything else in its main thread. Nothing is written while
the reporter's own lock is held: the screen's thread asks for the live area under the screen's lock.
"""

import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from doit.exceptions import BaseFail, TaskFailed, UnmetDependency

from commands.shared.console import BOLD, DIM, RED, LiveScreen, PlainScreen, clean, fitted, is_live, paint
from model.reasons import reason_of
from tasks.explain import costs
from tasks.names import infra_task
from tasks.services import endpoints, pinned_revisions

if TYPE_CHECKING:
    from tasks.run.context import Run

HEARTBEAT = 60.0
"""Seconds without output of a task until a line says that it is still running; many CI systems kill a silent job."""
LOG_TAIL = 15
_STAMP = len("08:15:30 ")  # what TaskLog puts before each line


@dataclass
class Working:
    """A running task.

    Args:
        task: Its name.
        host: Its host; empty if it has none.
        began: The start, by the monotonic clock.
        printed: The time of its last line on the screen, by the monotonic clock.

    """

    task: str
    host: str
    began: float
    printed: float


@dataclass
class Count:
    """Count the tasks of a run by their outcome; groups are not counted."""

    all: int = 0
    up_to_date: int = 0
    done: int = 0
    ignored: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def not_reached(self) -> int:
        """The number of tasks that were neither up to date nor run."""
        return self.all - self.up_to_date - self.done - self.ignored - len(self.failed)


class Reporter:
    """doit's reporter.

    Args:
        outstream: The stream.
        options: doit's options; none is used.

    """

    desc = "a line for each finished task; on a terminal a live view of the running ones"

    def __init__(self, outstream: TextIO, options: object = None) -> None:
        del options
        self._out = outstream
        self._screen: PlainScreen | LiveScreen = (
            LiveScreen(outstream, self._area)
            if is_live(outstream)
            else PlainScreen(outstream, self._heartbeat)
        )
        self._guard = threading.Lock()
        self._working: dict[str, Working] = {}
        self._count = Count()
        self._widths = (0, 0)
        self._errors: list[str] = []
        self._run: Run | None = None
        self._services = False
        self._is_first = False
        self._infra: set[str] = set()
        self._began = time.monotonic()

    # -- what doit calls -----------------------------------------------------------------------------------------------

    def initialize(self, tasks: Mapping[str, Any], selected_tasks: Sequence[str]) -> None:
        """Count the selected tasks and all that they need."""
        wanted = [task for task in closure(tasks, selected_tasks) if task.actions]
        self._count.all = len(wanted)
        self._widths = (
            min(44, max((len(task.name) for task in wanted), default=0)),
            max((len(host_of(task)) for task in wanted), default=0),
        )
        self._run = next((task.meta["run"] for task in wanted if task.meta), None)
        self._services = any(task.name.startswith("deploy_services:") for task in wanted)
        if self._run is not None:
            self._began = self._run.progress.started
            state, hosts = self._run.state, self._run.stage.hosts
            self._is_first = all(state.host_record(host) is None for host in hosts)

    def get_status(self, task: Any) -> None:
        """Print nothing: checking a task takes a moment."""

    def execute_task(self, task: Any) -> None:
        """Add a task to the live view. Called in the task's thread."""
        if not task.actions:
            return
        now = time.monotonic()
        with self._guard:
            self._working[task.name] = Working(task.name, host_of(task), now, now)
            if task.name.startswith("build_infra:"):
                self._infra.add(task.name)
        self._screen.open()

    def add_success(self, task: Any) -> None:
        """Print the line of a successful task."""
        if not task.actions:
            return
        working = self._ended(task)
        with self._guard:
            self._count.done += 1
        self._screen.say(self._line(task, time.monotonic() - working.began))

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        """Print a failure with its log; tasks that needed the failed one are not failures."""
        started = task.name in self._working
        working = self._ended(task)
        if isinstance(fail, UnmetDependency) or not task.actions:
            return
        with self._guard:
            self._count.failed.append(task.name)
        head = "FAILED  " + task.name + (f" on {working.host}" if working.host else "")
        if started:
            head += f" after {seconds(time.monotonic() - working.began)}"
        message = self._hide(failure_text(fail))
        block = [paint(head, f"{BOLD};{RED}", on=self._screen.coloured), *_indented(message)]
        if started:
            block += self._log_end(task.name, message)
        self._screen.say("\n".join(block))

    def skip_uptodate(self, task: Any) -> None:
        """Count it."""
        if task.actions:
            self._count.up_to_date += 1

    def skip_ignore(self, task: Any) -> None:
        """Print that a task is skipped, since somebody ran `doit ignore`, maybe long ago."""
        if task.actions:
            self._count.ignored += 1
            self._screen.say(f"{task.name}: skipped, because of `doit ignore`")

    def cleanup_error(self, exception: BaseFail) -> None:
        """Print a failed teardown; skep's tasks have none."""
        self._screen.say(self._hide(exception.get_msg()))

    def runtime_error(self, msg: str) -> None:
        """Keep doit's own error message for the end."""
        self._errors.append(msg)

    def teardown_task(self, task: Any) -> None:
        """Print nothing."""

    def complete_run(self) -> None:
        """Remove the live view and print the summary. doit calls this however the run ends."""
        self._screen.close()
        self._note_counts()
        interrupted = sys.exc_info()[0] is not None
        for error in self._errors:
            self._screen.say(self._hide(error))
        self._print_costs()
        count = self._count
        if self._errors or interrupted or count.failed:
            self._screen.say(paint(self._summary(), RED if count.failed else BOLD, on=self._screen.coloured))
            return
        self._screen.say(paint(self._summary(), BOLD, on=self._screen.coloured))
        self._print_endpoints()

    # -- lines ---------------------------------------------------------------------------------------------------------

    def _ended(self, task: Any) -> Working:
        """Remove a task from the live view."""
        now = time.monotonic()
        with self._guard:
            return self._working.pop(task.name, None) or Working(task.name, host_of(task), now, now)

    def _line(self, task: Any, took: float) -> str:
        """Return the line of a finished task, cut to the width of a terminal."""
        name_width, host_width = self._widths
        front = f"{task.name:<{name_width}}  {host_of(task):<{host_width}}  {seconds(took):>8}"
        reasons = self._run.progress.reasons.get(task.name, []) if self._run is not None else []
        reason, more = first_reason(reasons)
        reason = clean(self._hide(reason))
        width = self._screen.width
        if width is not None:
            reason = fitted(reason, width - len(front) - len(more) - 3)
        reason += more
        return (front + "  " + paint(reason, DIM, on=self._screen.coloured)).rstrip()

    def _summary(self) -> str:
        """Return the last line."""
        count, took = self._count, seconds(time.monotonic() - self._began)
        ignored = f", {count.ignored} skipped" if count.ignored else ""
        if count.failed:
            return (
                f"failed: {', '.join(count.failed)}; {count.done} done, {count.up_to_date} up to date{ignored}, "
                f"{count.not_reached} not reached; run doit again to go on from there"
            )
        if count.not_reached:
            reached = f"{count.done} done, {count.up_to_date} up to date{ignored}"
            return f"stopped: {reached}, {count.not_reached} not reached"
        if not count.all:
            return "nothing to do"
        if count.up_to_date == count.all:
            return (
                f"all {count.all} resources are up to date{self._pinned()} ({took})"
                if count.all > 1
                else f"it is up to date ({took})"
            )
        noun = "resource" if count.all == 1 else "resources"
        return f"{count.all} {noun}: {count.up_to_date} up to date, {count.done} done{ignored} in {took}"

    def _note_counts(self) -> None:
        """Keep the outcome for the stage's history."""
        if self._run is not None:
            count = self._count
            self._run.progress.failed |= set(count.failed)
            self._run.progress.counts = {
                "all": count.all,
                "done": count.done,
                "up_to_date": count.up_to_date,
                "failed": len(count.failed),
                "not_reached": count.not_reached,
            }

    def _pinned(self) -> str:
        """Return how many services are pinned, if the run looked at services: they are not as site.toml says."""
        if self._run is None or not self._services or not self._run.observer.enabled:
            return ""
        return pinned_revisions.among(len(pinned_revisions.after(self._run)))

    def _print_costs(self) -> None:
        """Print what of that which the stage's first run made costs money while it exists."""
        if self._run is None or not self._is_first:
            return
        made = [one for one in self._run.provider.resources() if infra_task(one.name) in self._infra]
        for line in costs.lines(self._run.stage, costs.costs_of(made), costs.HEAD):
            self._screen.say(line)

    def _print_endpoints(self) -> None:
        """Print the services' endpoints; if they can't be listed, the run has not failed."""
        if self._run is None or not self._services:
            return
        try:
            lines = endpoints.lines(self._run)
        except Exception as error:  # noqa: BLE001 - the run went well, whatever this is
            lines = [f"(can't list the services' endpoints: {reason_of(error)})"]
        for line in lines:
            self._screen.say(line)

    def _log_end(self, task: str, message: str) -> list[str]:
        """Return the end of a task's log without the lines of the message, and the log's path."""
        if self._run is None:
            return []
        path = self._run.state.log_path(task)
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        known = {line.strip() for line in message.splitlines()}
        tail = [line for line in lines if line[_STAMP:].strip() not in known][-LOG_TAIL:]
        where = shortest(path, self._run.directory)
        if not tail:
            return [f"  its log: {where}"]
        return [f"  the end of its log, {where}:", *_indented("\n".join(tail))]

    def _hide(self, text: str) -> str:
        """Return a text without secrets."""
        return self._run.secrets.redact(text) if self._run is not None else text

    # -- what is at work -----------------------------------------------------------------------------------------------

    def _last(self, task: str) -> str:
        """Return the last line of a running task's log."""
        log = self._run.progress.logs.get(task) if self._run is not None else None
        return clean(log.last) if log is not None else ""

    def _area(self, width: int, height: int) -> list[str]:
        """Return the live area: the progress, then the running tasks, the longest first."""
        with self._guard:
            working = sorted(self._working.values(), key=lambda w: w.began)
            count = self._count
            past = count.up_to_date + count.done + count.ignored + len(count.failed)
        now = time.monotonic()
        head = f"{past} of {count.all}, {len(working)} at work, {now - self._began:.0f} s"
        shown = working if len(working) < height else working[: height - 2]
        hosts = max((len(w.host) for w in shown), default=0)
        names = max((len(w.task) for w in shown), default=0)
        coloured = self._screen.coloured
        lines = [paint(fitted(head, width), DIM, on=coloured)]
        for task in shown:
            front = f"{task.host:<{hosts}}  {task.task:<{names}}  {now - task.began:4.0f} s  "
            last = fitted(self._last(task.task), width - len(front) - 1)
            lines.append(front + paint(last, DIM, on=coloured) if last else fitted(front.rstrip(), width))
        if len(shown) < len(working):
            lines.append(paint(f"+{len(working) - len(shown)} more", DIM, on=coloured))
        return lines

    def _heartbeat(self) -> None:
        """Print a line for each task that has printed nothing for long."""
        now = time.monotonic()
        with self._guard:
            silent = [task for task in self._working.values() if now - task.printed >= HEARTBEAT]
            for task in silent:
                task.printed = now
        for task in silent:
            on = f" on {task.host}" if task.host else ""
            last = self._last(task.task)
            self._screen.say(
                f"still running: {task.task}{on}, {now - task.began:.0f} s" + (f": {last}" if last else "")
            )


# -- pure helpers ------------------------------------------------------------------------------------------------------


def closure(tasks: Mapping[str, Any], selected: Iterable[str]) -> list[Any]:
    """Return the selected tasks and all that they need."""
    closed: dict[str, Any] = {}
    waiting = list(selected)
    while waiting:
        name = waiting.pop()
        if name not in closed:
            closed[name] = task = tasks[name]
            waiting += [*task.task_dep, *task.setup_tasks]
    return list(closed.values())


def host_of(task: Any) -> str:
    """Return the host of a task, for the screen."""
    return str((task.meta or {}).get("host") or "")


def first_reason(reasons: Sequence[str]) -> tuple[str, str]:
    """Return the first reason, and the number of further ones as a text."""
    if not reasons:
        return "asked for", ""
    return reasons[0], f" (+{len(reasons) - 1} more)" if len(reasons) > 1 else ""


def failure_text(fail: BaseFail) -> str:
    """Return a failure's text: the message of a person's mistake, the traceback of a bug."""
    if isinstance(fail, TaskFailed):
        return str(fail.message)
    return str(fail.get_msg()).rstrip()


def seconds(value: float) -> str:
    """Return a duration for the screen."""
    return f"{value:.1f} s"


def shortest(path: Path, start: Path) -> str:
    """Return a path as it is, or relative to a directory where that is shorter."""
    return min(str(path), os.path.relpath(path, start), key=len)


def _indented(text: str) -> list[str]:
    """Return the lines of a text, indented and without control characters."""
    return [f"    {clean(line)}".rstrip() for line in text.splitlines()]
