"""`doit run`: hold the stage's lock, observe the stage, run the stale tasks, print a summary."""

import os
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from functools import wraps
from typing import Any

from doit.cmd_run import Run as DoitRun
from doit.exceptions import InvalidCommand

from commands.operate.attach import words_before_dashes, words_behind_dashes
from commands.operate.one_off import run_one_off
from commands.shared import timings
from commands.shared.current_run import site_run
from commands.shared.holding import holding, interrupted, wait_for_lock
from commands.shared.run_again import RESTORING
from commands.shared.task_selection import all_before, run_by
from commands.shell_image import PREFIX, shell
from model.checks.warnings import warnings
from model.errors import SkepError
from model.reasons import reason_of
from remote.mother.turns import ranks
from tasks.backup.shown_key import key_lines, key_shown
from tasks.backup.site_restore_journal import SiteRestoreJournal
from tasks.cleanup import content_gc, orphans
from tasks.hosts import let_in_keys, rolling_order
from tasks.hosts.node_labels import release_labels
from tasks.hosts.replaced_host import end_made, lost_on_the_way
from tasks.images.builder import builder_for, marks
from tasks.names import SWARM
from tasks.run.context import Run
from tasks.services import pinned_revisions
from tasks.services.missing_secrets import missing_secrets

MANAGER_PATIENCE = 60.0
"""Seconds for which a task waits for a manager of the swarm that answers and has a leader."""
TIMINGS = {
    "name": "timings",
    "short": "",
    "long": "timings",
    "type": bool,
    "default": False,
    "help": "print at last the chain of tasks that the run's end waited for, with the seconds of each",
}
ENDED = (0, 1, 2)
"""The exit status where a run came to its end, be it that tasks failed."""
NOT_RECORDED = 2
"""The exit status where the outcome of a task could not be recorded in state/."""


class RunCommand(DoitRun):
    """Run the stale tasks."""

    name = "run"
    doc_purpose = "bring the stage up to date: all phases, or the named tasks and what they need"
    doc_usage = "[TASK ...] | SERVICE -- COMMAND [ARGUMENT ...]"
    doc_description = """\
With a service and a command behind `--` it brings nothing up to date: the command runs as a task of its own, with the \
service's image, environment, secrets, networks and volumes, which is gone afterwards. Its exit status is ours."""
    cmd_options = (*DoitRun.cmd_options, TIMINGS)
    sel_tasks: list[str] | None
    _with_timings = False

    def execute(self, params: Any, args: Any) -> int:
        """Run tasks; hand `shell_image:NAME`, and `SERVICE -- COMMAND`, to what they are for."""
        if len(args) == 1 and str(args[0]).startswith(PREFIX):
            self.loader.setup(params)
            return shell(site_run(self.loader), args[0].removeprefix(PREFIX))
        if command := words_behind_dashes():
            self.loader.setup(params)
            return run_one_off(site_run(self.loader, asks=False), words_before_dashes(args), command)
        if "" in args:
            raise InvalidCommand("run: the name of a task is empty")
        self._with_timings = bool(params["timings"])
        return int(super().execute(params, args))

    @wraps(DoitRun._execute)  # noqa: SLF001 - doit passes its options by the names of this method's parameters
    def _execute(self, **kwargs: Any) -> int:
        """Hold the stage while doit runs its tasks."""
        run = site_run(self.loader)
        tasks = {task.name: task.task_dep for task in self.task_list}
        before = all_before(tasks)
        words = ["*"] if self.sel_tasks is None else self.sel_tasks
        chosen = run_by(words, tasks, before, alone=bool(kwargs.get("single")))
        refuse_unknown_replacements(run)
        refuse_while_restored(run)
        problems = lost_on_the_way(run, chosen) or missing_secrets(run, chosen)
        if problems:
            raise InvalidCommand("\n".join(problems))
        try:
            with holding(run, is_run=True):
                try:
                    return self._run_tasks(run, kwargs, before, chosen)
                except KeyboardInterrupt:
                    if not run.stage_lock.problem:
                        end_builds(run)
                    raise
        except KeyboardInterrupt:
            return interrupted(run, "finished tasks are recorded; the next doit goes on from there")

    def _run_tasks(
        self,
        run: Run,
        options: Mapping[str, Any],
        before: Mapping[str, Collection[str]],
        chosen: Collection[str],
    ) -> int:
        """Observe the stage, run its tasks, clean up after them, print a summary, and return the exit status."""
        try:
            run.state.remove_broken()
            run.progress.chosen = chosen
            run.observer.enabled = True
            run.connections.patience = MANAGER_PATIENCE
            # Begun here, since it takes as long as the slowest host; doit prepares its run meanwhile.
            _ = run.live_state
            run.stage_lock.is_down = run.live_state.is_down
            wait_for_lock(run)
            if run.stage_lock.saw_another_end:
                run.observer.look_anew()
            self._put_into_order(run, before, chosen, alone=bool(options.get("single")))
            run.coordination.ranks = ranks(
                {task.name: task.task_dep for task in self.task_list},
                {task.name: task.meta["step"].weight for task in self.task_list if task.meta},
            )
        except SkepError as error:
            raise InvalidCommand(str(error)) from error
        traces = self.dep_manager.backend
        traces.running = True
        try:
            status = int(super()._execute(**options))
            # A secret that no task needed is not read for the summary either.
            run.secrets.may_run_commands = False
            if self.sel_tasks is None and status in ENDED:
                end_made(run, is_whole=status == 0)
            if status == 0:
                _clean_up(run)
            _print_orphans(run)
            _print_pinned(run)
            repository = run.stage.repository
            shown = key_shown(run, asks=not run.live_state.is_down(repository))
            for line in (*warnings(run.stage, run.directory), *key_lines(shown), *run.progress.later):
                _print(line)
            let_in_keys.note_observed(run)
            if self._with_timings:
                self._print_timings(run)
        finally:
            run.silences.close(_print)
            run.observer.close()
        if traces.problem is None:
            return status
        sys.stderr.write(
            f"not every result could be recorded; the next run checks those again: {traces.problem}\n"
        )
        return max(status, NOT_RECORDED)

    def _print_timings(self, run: Run) -> None:
        """Print the chain of tasks that the run's end waited for."""
        before = {task.name: [*task.task_dep, *task.setup_tasks] for task in self.task_list}
        times, started = run.progress.times, run.progress.started
        links = timings.chain(before, times, started)
        for line in timings.lines(links, time.monotonic() - started, len(times)):
            _print(line)

    def _put_into_order(
        self, run: Run, before: Mapping[str, Collection[str]], chosen: Collection[str], *, alone: bool
    ) -> None:
        """Have hosts that are replaced or stopped go one after the other, and be set up again; say so.

        Args:
            run: The run.
            before: Every task to all tasks that come before it, directly or not.
            chosen: The tasks of this run.
            alone: Whether doit runs the named tasks without those that they need.

        Raises:
            InvalidCommand: Hives go that would stay drained, since nothing sets them up again.

        """
        order = rolling_order.rolling_order(run, before, chosen)
        if alone and order.set_up:
            raise InvalidCommand(_stays_drained(run, order, self.sel_tasks or ()))
        rolling_order.apply(order, run.stage, {task.name: task.task_dep for task in self.task_list})
        if len(order.hosts) > 1:
            _print(
                f"taken down one after the other, each when the one before it is back: {', '.join(order.hosts)}"
            )
        added = [task for task in order.set_up if task not in chosen]
        if self.sel_tasks is not None and added:
            self.sel_tasks = [*self.sel_tasks, *added]
            shorts = dict.fromkeys(task.partition(":")[2].partition(".")[0] for task in added)
            _print(f"set up again when they are back, so that services run there again: {', '.join(shorts)}")


def _stays_drained(run: Run, order: rolling_order.RollingOrder, words: Sequence[str]) -> str:
    """Return why a run does not take hives down that it was not to set up again."""
    hives = [short for short in order.hosts if run.stage.host(short).is_hive]
    return (
        f"{', '.join(hives)}: {'has' if len(hives) == 1 else 'have'} to be drained and taken down for this; with -s "
        f"nothing would set {'it' if len(hives) == 1 else 'them'} up again, and no service would run there: type "
        f"doit {' '.join(words)}"
    )


def end_builds(run: Run) -> None:
    """End the build containers of an interrupted run: their roles would go on on the repository host."""
    if not any(marks(run.state).glob("*")):
        return
    sys.stderr.write(f"\ninterrupted: ending what is built on {run.stage.repository.short}\n")
    try:
        builder_for(run, lambda _line: None, clear=False).clear_leftovers()
    except (SkepError, KeyError) as error:
        sys.stderr.write(f"the next run removes the build containers: {reason_of(error)}\n")


def refuse_unknown_replacements(run: Run) -> None:
    """Refuse a name in `replace=` that the stage does not have, as the typing mistake `replace=frnt`.

    Raises:
        InvalidCommand: There is such a name.

    """
    stage = run.stage
    known = [*(host.short for host in stage.hosts), *stage.networks, *stage.volumes, SWARM]
    unknown = sorted(run.may_replace - {*known})
    if unknown:
        raise InvalidCommand(
            f"replace={','.join(unknown)}: stage {stage.name} has no host, network or volume of that name; "
            f"it has: {', '.join(known)}"
        )


def refuse_while_restored(run: Run) -> None:
    """Refuse a run of a site that is made again from a copy: it would load first data where the site's own is to be.

    Raises:
        InvalidCommand: It is, and this run is no part of that.

    """
    under_way = SiteRestoreJournal.of(run.state).read()
    if under_way is not None and os.environ.get(RESTORING) != run.stage.name:
        raise InvalidCommand(
            f"stage {run.stage.name} is being made again from {under_way.copy}, and its data is not all there yet: "
            f"{under_way.command(run.stage)} goes on with that; doit destroy gives it up"
        )


def _print(line: str) -> None:
    """Print a line of the summary."""
    sys.stdout.write(f"{line}\n")


def _print_pinned(run: Run) -> None:
    """Print which services are pinned to an earlier revision, and keep that for `doit list`."""
    if run.live_state.swarm.error:
        return
    pinned = pinned_revisions.after(run)
    pinned_revisions.note(run.state, pinned)
    for line in pinned_revisions.lines(pinned):
        _print(line)


def _clean_up(run: Run) -> None:
    """Remove outdated images, secrets and configs after a successful run. A failure leaves them to the next one."""
    if run.progress.pushed:
        # It needs the docker SDK, which a run that has nothing to do does without.
        from tasks.cleanup.registry_gc import prune

        try:
            prune(run, _print)
        except SkepError as error:
            sys.stderr.write(f"old images stay for now: {error}\n")
    try:
        content_gc.remove(run, _print)
    except SkepError as error:
        sys.stderr.write(f"old versions of secrets and configs stay for now: {error}\n")
    try:
        release_labels(run, lambda _line: None)
    except SkepError as error:
        sys.stderr.write(f"labels that no service asks for stay for now: {error}\n")


def _print_orphans(run: Run) -> None:
    """Print the orphans in a line; if they can't be found, the run has not failed."""
    try:
        text = orphans.line(orphans.orphans(run))
    except SkepError as error:
        text = f"(can't list what is left over: {error})"
    if text:
        _print(run.secrets.redact(text))
