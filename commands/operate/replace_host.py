"""`doit replace_host hive2`: make a host anew, whatever has become of it."""

import sys
from collections.abc import Collection, Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.run import MANAGER_PATIENCE, refuse_unknown_replacements
from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import holding, interrupted, wait_for_lock
from commands.shared.run_again import run_again
from model.alarms.touched import Touched
from model.errors import SkepError
from model.log import Log
from tasks.alarms.silenced import OF_THE_SWARM, touched_with_host
from tasks.backup.replaced_volumes import begin_to_come_back, tasks_before
from tasks.hosts.replaced_host import HostReplacement, end_replacement
from tasks.names import SWARM
from tasks.operate.named_host import known_host
from tasks.run.context import Run
from tasks.run.run_history import DONE

DONE_WELL, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
"""The exit status: the host is made anew; something failed, type it again; nothing was changed."""
RUN_FAILED = (1, 2)
"""A run's exit status when it came to its end, and something failed."""


class ReplaceHostCommand(DoitCmdBase):
    """Make a host anew."""

    name = "replace_host"
    doc_purpose = "make a host anew that is dead or broken, and have its services run there again"
    doc_usage = "HOST [volumes=NAME,...]"
    doc_description = """\
Any host of any provider: the leader, the first hive, the repository. The swarm is asked first. Then it says what \
would be lost: data that is on that host alone has to be named in volumes=. If the host still answers, its tasks run \
elsewhere before it goes. At last doit runs, and makes the host again, with all that was on it. Data of services with \
backups comes back from the newest that is of use; other data does not.

A host of `prepared` or `kickstart` is a machine that skep can't make: it is taken out of the swarm, and the next step \
is said. After a kill, at any point, type the same again.

Exit status: 0 done; 1 something failed, and typing the same again goes on; 2 refused, and nothing was changed."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Replace the host. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader)
        if len(args) != 1:
            raise InvalidCommand(f"type: {self.bin_name} replace_host HOST")
        refuse_unknown_replacements(run)
        log = ConsoleLog(self.outstream)

        def said(line: str) -> None:
            log(run.secrets.redact(line))

        try:
            return self._replace(run, args[0], said)
        finally:
            run.silences.close(said)
            run.connections.close()

    def _replace(self, run: Run, name: str, said: Log) -> int:
        """Take the host down and have it made anew; return the exit status."""
        try:
            replacement = HostReplacement(run, known_host(run, name))
            if replacement.was_taken_down:
                said(f"{replacement.host.short} was taken down already, by a run that did not end: going on")
                is_there = True
                _silence(replacement, _waiting(replacement), said)
                if (waiting := replacement.coming_back) is not None and not waiting.has_begun:
                    with holding(run):
                        _begin_to_come_back(replacement, said)
            else:
                named = frozenset(filter(None, (get_var("volumes") or "").split(",")))
                # Not as a command that changes something in any case: it observes while the lock is taken.
                with holding(run, is_run=True):
                    status, is_there = _take_down(replacement, named, said)
                if status:
                    return status
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return FAILED
        except KeyboardInterrupt:
            return interrupted(run, "type the same again, which goes on from there")
        if not is_there:
            return DONE_WELL
        try:
            return self._make(run, replacement, said)
        except KeyboardInterrupt:
            return interrupted(run, "type the same again, which goes on from there")

    def _make(self, run: Run, replacement: HostReplacement, log: Log) -> int:
        """Have doit make the host again, and its volumes come back; return the exit status."""
        short = replacement.host.short
        if (waiting := replacement.coming_back) is not None:
            status = run_again(run, self.bin_name, tasks_before(run, replacement.host, waiting.backups))
            if status == DONE_WELL:
                status = run_again(run, self.bin_name, ["move_volume", *waiting.backups, f"to={short}"])
            if status != DONE_WELL:
                log(f"{short}: its data is not back yet: {self.bin_name} replace_host {short} goes on")
                return INTERRUPTED if status == INTERRUPTED else FAILED
            replacement.came_back()
        status = run_again(run, self.bin_name)
        # One that is not made yet goes on to be waited for, as a machine that its owner has yet to install, and so does
        # one whose run somebody ended: to type it again takes down nothing that is made.
        is_made = run.provider.owns and run.state.host_record(replacement.host) is not None
        if status == DONE_WELL or (status in RUN_FAILED and is_made):
            end_replacement(run.state, short)
        if status == DONE_WELL:
            try:
                lacking = replacement.services_lacking(log) if run.stage.hives else ""
            finally:
                run.connections.close()
            if lacking:
                log(f"{short} is made anew, but {lacking}; see {self.bin_name} status")
                return FAILED
            log(f"{short} is made anew, and all services run")
            if replacement.host.is_hive and not replacement.is_whole_swarm:
                log(f"tasks that moved to other hives stay there: {self.bin_name} rebalance")
            return DONE_WELL
        if status == INTERRUPTED:
            return INTERRUPTED
        log(
            f"{short} is taken down, and the run that makes it again did not end well: {self.bin_name} goes on"
        )
        return FAILED


def _take_down(replacement: HostReplacement, named: Collection[str], log: Log) -> tuple[int, bool]:
    """Say what would be lost, and take the host down; return the exit status, and whether a machine is there again.

    Raises:
        SkepError: The swarm or the provider refuses.

    """
    run, host, losses = replacement.run, replacement.host, replacement.losses
    run.observer.enabled = True
    run.connections.patience = MANAGER_PATIENCE
    try:
        _ = run.live_state
        run.stage_lock.is_down = run.live_state.is_down
        wait_for_lock(run)
        if run.stage_lock.saw_another_end:
            run.observer.look_anew()
        log(f"{host.short} {'answers' if losses.answers else 'does not answer'}; asking the swarm")
        refusals = _refusals(replacement, named, log)
        for line in (*losses.lines(), *losses.notes()):
            log(line)
        if refusals:
            for line in refusals:
                sys.stderr.write(f"{host.short}: nothing was changed: {run.secrets.redact(line)}\n")
            return REFUSED, False
        run.history.begin(is_certain=True)
        _silence(replacement, touched_with_host(run, host), log)
        has_new_machine = replacement.has_new_machine()
        if host == run.stage.repository:
            # Written down there: later nobody could.
            run.history.end(DONE)
        replacement.take_down(log)
        _begin_to_come_back(replacement, log)
    finally:
        run.observer.close()
    if run.provider.owns or has_new_machine:
        return DONE_WELL, True
    log(
        f"{host.short} is out of the swarm: install it anew, or put another machine at {host.address}; then type the "
        "same again, which makes it a host of the stage"
    )
    return DONE_WELL, False


def _silence(replacement: HostReplacement, touched: Touched, log: Log) -> None:
    """Have nobody told of the alarms of what is touched, until this command ends.

    Of the repository host nobody is told without that: Alertmanager goes with it.
    """
    run, host = replacement.run, replacement.host
    if host != run.stage.repository:
        run.silences.begin_lasting(f"{host.short} is made anew", touched, log)


def _waiting(replacement: HostReplacement) -> Touched:
    """Return what is touched where the host is taken down already: it, and the services that wait for their data."""
    waiting, host = replacement.coming_back, replacement.host
    backups = waiting.backups.values() if waiting is not None else ()
    services = {service for each in backups for service in each}
    return Touched(services, {host.short}, OF_THE_SWARM if host.is_hive else ())


def _begin_to_come_back(replacement: HostReplacement, log: Log) -> None:
    """Have the swarm know what comes back to the host from backups.

    Raises:
        SkepError: The swarm refuses.

    """
    if (waiting := replacement.coming_back) is None:
        return
    run = replacement.run
    run.observer.enabled = True
    run.observer.look_anew()
    try:
        begin_to_come_back(run, replacement.host, waiting.backups, log)
    finally:
        run.observer.close()
    replacement.begins_to_come_back()


def _refusals(replacement: HostReplacement, named: Collection[str], log: Log) -> Sequence[str]:
    """Return why the host is not replaced now, the swarm's reason first."""
    losses = replacement.losses
    if problem := replacement.swarm_problem(log):
        return [problem]
    if unknown := losses.unknown(named):
        return [f"volumes={','.join(unknown)}: there is no such volume"]
    lines = []
    if replacement.is_whole_swarm and SWARM not in replacement.run.may_replace:
        lines.append(
            "it is the whole swarm: all services stop, and are deployed again; if that may be, add replace=swarm"
        )
    # Of what a killed try has begun to remove nothing can be told any more; it was agreed to then.
    if (missing := losses.missing(named)) and not replacement.goes_on:
        lines.append(f"save the data that you need; to go on without it, add volumes={','.join(missing)}")
    return lines
