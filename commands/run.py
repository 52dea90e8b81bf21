"""`doit [run]`: doit's own, holding the stage's lock, with the live look begun at once and a closing word."""

import signal
import sys
from collections.abc import Collection
from fnmatch import fnmatchcase
from functools import wraps
from types import FrameType
from typing import Any

from doit.cmd_run import Run as DoitRun
from doit.exceptions import InvalidCommand

from commands.shared.current_run import site_run
from commands.shared.task_selection import all_before
from commands.shell_image import PREFIX, shell
from model.errors import ConfigError, SkepError
from tasks.cleanup import content_gc
from tasks.cleanup.orphans import line, orphans
from tasks.names import SWARM, secret_task, service_task
from tasks.run.context import Run as SiteRun
from tasks.services import pinned_revisions, rendering

INTERRUPTED = 130
NOT_KEPT = 2
"""The exit status where what was done could not be written down."""


class Run(DoitRun):
    """Run what is stale."""

    doc_purpose = "run what is stale: all phases, or those named and what they need"

    def execute(self, params: Any, args: Any) -> int:
        """Run tasks; what looks like one and is a command is handed to that."""
        if len(args) == 1 and str(args[0]).startswith(PREFIX):
            self.loader.setup(params)
            return shell(site_run(self.loader), args[0].removeprefix(PREFIX))
        return int(super().execute(params, args))

    @wraps(DoitRun._execute)  # noqa: SLF001 - doit passes its options by the names of this method's parameters
    def _execute(self, **kwargs: Any) -> int:
        """Hold the stage while doit runs its tasks."""
        run = site_run(self.loader)
        before = all_before({task.name: task.task_dep for task in self.task_list})
        words = ["*"] if self.sel_tasks is None else self.sel_tasks
        selected = [name for name in before if any(fnmatchcase(name, word) for word in words)]
        refuse_unknown_replacements(run)
        problems = missing_secrets(run, {name for task in selected for name in (task, *before[task])})
        if problems:
            raise InvalidCommand("\n".join(problems))
        try:
            run.state.lock(" ".join(["doit", *sys.argv[1:]]))
            run.state.remove_broken()
            run.observer.enabled = True
            # Looking takes as long as the slowest host; doit's own start goes on meanwhile.
            _ = run.live_state
        except SkepError as error:
            run.state.unlock()
            raise InvalidCommand(str(error)) from error
        signal.signal(signal.SIGTERM, _interrupt)
        traces = self.dep_manager.backend
        traces.running = True
        keeps_lock = False
        try:
            status = int(super()._execute(**kwargs))
            # What nothing needed until now is not asked for to see what is left over.
            run.secrets.may_run_commands = False
            status = _ended(run, status)
            _name_leftovers(run)
            _name_pinned(run)
            if traces.problem is None:
                return status
            sys.stderr.write(f"not all that was done is kept, so it is looked at again: {traces.problem}\n")
            return max(status, NOT_KEPT)
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: what was finished is kept; doit goes on from there\n")
            # Threads of other tasks may be at work until this process has ended, which gives the lock back as well.
            keeps_lock = True
            return INTERRUPTED
        finally:
            run.observer.close()
            run.connections.close()
            if not keeps_lock:
                run.state.unlock()


def refuse_unknown_replacements(run: SiteRun) -> None:
    """Refuse `replace=frnt`: it would be taken for nothing, and the run refuse what was asked for.

    Raises:
        InvalidCommand: There is nothing of a name that can be made anew.

    """
    stage = run.stage
    known = [*(host.short for host in stage.hosts), *stage.networks, *stage.volumes, SWARM]
    unknown = sorted(run.may_replace - {*known})
    if unknown:
        raise InvalidCommand(
            f"replace={','.join(unknown)}: is no host, network or volume of stage {stage.name}; there are: "
            f"{', '.join(known)}"
        )


def missing_secrets(run: SiteRun, tasks: Collection[str]) -> list[str]:
    """Return a line for each secret that these tasks need and that can't be had from where site.toml says.

    A generated one comes from the vault, which a task makes; the password of a first log-in is for its host alone.
    """
    deployed = [name for name in run.stage.services if service_task(name) in tasks]
    needed = [name for name in run.stage.secrets if secret_task(name) in tasks]
    needed += sorted(rendering.secrets_of(run.stage, run.directory, deployed))
    for image, config in run.stage.images.items():
        if f"build_images:{image}" in tasks and config.pulled_on(run.stage.name) is None:
            needed += config.secrets
    problems: list[str] = []
    for name in dict.fromkeys(needed):
        if run.stage.site.secrets[name].generate is None:
            try:
                run.secrets.read(name)
            except ConfigError as error:
                problems += error.problems
    # With a secret missing, more would only be said of what follows from that.
    return problems or rendering.problems(run.stage, rendering.renderer_of(run), deployed)


def _print(line: str) -> None:
    """Tell the person."""
    sys.stdout.write(f"{line}\n")


def _name_pinned(run: SiteRun) -> None:
    """Say which services are behind site.toml since somebody took them back, and keep it for `doit list`."""
    if run.live_state.swarm.error:
        return
    found = {
        name: number
        for name, number in pinned_revisions.observed(run.stage, run.live_state.swarm).items()
        if name not in run.progress.redeployed
    }
    pinned_revisions.note(run.state, found)
    for said in pinned_revisions.lines(found):
        _print(said)


def _ended(run: SiteRun, status: int) -> int:
    """Remove what a run that ended well left behind: old images and contents; return the run's status.

    What can't be done now is done after another run.
    """
    if status != 0:
        return status
    if run.progress.pushed:
        from tasks.cleanup.registry_gc import (
            prune,
        )  # it needs the docker SDK, which a run that has nothing to do does not

        try:
            prune(run, _print)
        except SkepError as error:
            sys.stderr.write(f"old images stay for now: {error}\n")
    try:
        content_gc.remove(run, _print)
    except SkepError as error:
        sys.stderr.write(f"older contents of secrets and configs stay for now: {error}\n")
    return status


def _name_leftovers(run: SiteRun) -> None:
    """Say in a line what is there and no longer wanted. What goes wrong here is no failure of the run."""
    try:
        said = line(orphans(run))
    except SkepError as error:
        said = f"(what is left over can't be said: {error})"
    if said:
        _print(run.secrets.redact(said))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt
