"""`doit move_volume data to=hive1`: take a volume's data to another hive, and have its services run there."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.backup.shown import AgentProgress
from commands.operate.status_lines import size_words
from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import holding, interrupted
from commands.shared.read_back import NO_HOSTS
from commands.shared.run_again import run_again
from model.alarms.touched import Touched
from model.errors import HostError, SkepError
from model.log import Log
from tasks.backup.site_backups import Heard
from tasks.backup.volume_backups import VolumeBackups
from tasks.names import (
    NODE_LABELS,
    initialization_task,
    service_task,
    setup_task,
    vault_task,
    volume_task,
)
from tasks.operate.moved_markers import unknown_markers
from tasks.operate.moved_volume import MovedVolumes
from tasks.operate.volume_candidates import BACKUP, Candidate, MoveRefusedError, candidate, together
from tasks.run.context import Run

REFUSED = 2
"""The exit status where nothing was changed."""
_LIVE, _PLAIN = 0.5, 30.0
"""Seconds between two lines on how far a copy is, on a terminal and elsewhere."""


class MoveVolumeCommand(DoitCmdBase):
    """Move a volume to another hive."""

    name = "move_volume"
    doc_purpose = "take a volume's data to another hive, and have its services run there"
    doc_usage = "VOLUME ... to=HOST [from=HOST | from=backup [at=ID]]"
    doc_description = """\
First put the new hive in the place of the old one in volumes.VOLUME.hosts: nothing is done unless site.toml says so, \
and until the data is moved no run starts a service without it.

Then it stops the services that use the volume, copies the data (owners, links, attributes, access lists, holes), \
compares both copies, and starts the services on the new hive. The old copy stays until `doit prune volumes=VOLUME`. \
Exit status 2: nothing was changed, since it can't be done so.

With from=backup the old hive is not asked, as where it is lost: the newest backup that is of use comes from the \
repository host (at= names another one), with all that the service has in it. What is since then is lost, as is said.

After a kill, whoever types it again goes on with it. To give it up before the copy is whole: put the old hive back in \
hosts, and type it with to=OLD."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Move the volumes. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader)
        to = get_var("to")
        if not args or not to:
            known = ", ".join(run.stage.volumes) or "none"
            raise InvalidCommand(f"type: {self.bin_name} {self.name} {self.doc_usage}; volumes: {known}")
        log, progress = ConsoleLog(self.outstream), AgentProgress(self.outstream)
        if get_var("at") is not None and get_var("from") not in (None, BACKUP):
            raise InvalidCommand(f"at= is for from={BACKUP}")
        try:
            return self._execute(run, list(dict.fromkeys(args)), to, log, progress)
        finally:
            # Not before its services run on the new hive.
            run.silences.close(log)
            run.connections.close()

    def _execute(self, run: Run, names: Sequence[str], to: str, log: Log, progress: AgentProgress) -> int:
        """Move them, have their services run, and return the exit status."""
        try:
            with holding(run):
                run.observer.enabled = True
                try:
                    moved = _move(run, names, to, log, progress)
                finally:
                    progress.end()
                    run.observer.close()
        except MoveRefusedError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return REFUSED
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        except KeyboardInterrupt:
            return interrupted(run, _left())
        try:
            return run_again(run, self.bin_name, _tasks(run, moved)) if moved else 0
        except KeyboardInterrupt:
            return interrupted(
                run, f"the data is moved, and its services start: {self.bin_name} does the rest"
            )


def _left() -> str:
    """Return where the data is after an interruption, and what goes on."""
    if get_var("from") == BACKUP:
        return "the backup may be brought in part, or half loaded; type it again to go on with it"
    return "the data is where it was; type it again to go on with it"


def _move(run: Run, names: Sequence[str], to: str, log: Log, heard: Heard) -> list[Candidate]:
    """Move volumes, and return those that were moved.

    Raises:
        MoveRefusedError: They can't be moved so; nothing was changed.
        SkepError: Something went wrong on the way.

    """
    if all(run.state.host_record(host) is None for host in run.stage.hosts):
        raise HostError(f"stage {run.stage.name}: no host is made; {NO_HOSTS}")
    try:
        _ = run.secrets.vault
    except KeyError as error:
        # Without them nobody could tell that a role was run with them, and it would be run again over the data.
        raise MoveRefusedError(
            f"stage {run.stage.name}: this checkout has not read the stage's secrets yet: type doit "
            f"{vault_task(run.stage)} first, then this again"
        ) from error
    candidates = [candidate(run, name, to, get_var("from")) for name in names]
    if problems := list(together(run, candidates)):
        raise MoveRefusedError("\n".join(problems))
    for each in candidates:
        if each.is_done:
            hint = "; to go back to a backup there: doit restore" if get_var("from") == BACKUP else ""
            log(f"volume {each.name} is on {each.target.short}: nothing to do{hint}")
    given_up = [each for each in candidates if each.is_given_up]
    moving = [each for each in candidates if not each.is_done and not each.is_given_up]
    if given_up:
        _silence(run, given_up, log)
    for each in given_up:
        VolumeBackups(run, [each], None, log, heard).undo(each)
        MovedVolumes(run, [each], log).give_up(each)
    if moving:
        moving = _moved(run, moving, log, heard)
    return moving


def _moved(run: Run, candidates: Sequence[Candidate], log: Log, heard: Heard) -> list[Candidate]:
    """Move volumes whose move goes on or begins: copied from a hive, or brought from a backup.

    Raises:
        MoveRefusedError: They can't be moved so; nothing was changed.
        SkepError: Something went wrong on the way.

    """
    backups = VolumeBackups(run, candidates, get_var("at"), log, heard)
    moving = [*(each for each in candidates if each.move.backups is None), *backups.candidates()]
    moves = MovedVolumes(run, moving, log)
    surveyed = moves.surveyed()
    backups.check_room(moves)
    for volume in surveyed:
        log(
            f"volume {volume.candidate.name}: {volume.contents.moved} files and directories, "
            f"{size_words(volume.contents.size)} in files, go from {volume.source.short} to "
            f"{volume.candidate.target.short}"
        )
    if problems := unknown_markers(run, moving):
        raise MoveRefusedError("\n".join(problems))
    for line in backups.lines():
        log(line)
    _silence(run, moving, log)
    if not all(each.move.is_copied for each in moving):
        moves.stop()
    for volume in surveyed:
        progress = _Progress(volume.candidate.name, volume.contents.used, log)
        moves.copy(volume, progress.count, progress.end)
    backups.bring(moves)
    moves.start()
    backups.load()
    moves.end()
    return moving


def _silence(run: Run, candidates: Sequence[Candidate], log: Log) -> None:
    """Have nobody told of the alarms of the services that are stopped, until this command ends."""
    names = ", ".join(each.name for each in candidates)
    services = {service for each in candidates for service in each.move.stopped}
    run.silences.begin_lasting(f"the data of {names} is moved", Touched(services), log)


def _tasks(run: Run, moved: Sequence[Candidate]) -> list[str]:
    """Return the tasks that write down where the volumes are now, and wait until their services run."""
    tasks: dict[str, None] = {}
    for each in moved:
        services = [name for name, one in run.stage.services.items() if each.name in one.named_volumes]
        tasks |= dict.fromkeys(
            [
                volume_task(each.name, each.target.short),
                # One that is lost is not waited for: whoever brings it back has a run for it.
                *(
                    setup_task(host.short, NODE_LABELS)
                    for host in run.stage.hives
                    if each.move.backups is None or not run.live_state.host(host).error
                ),
                *map(service_task, services),
                *(
                    initialization_task(name, use.role)
                    for name in services
                    for use in run.stage.services[name].initialize_roles
                ),
            ]
        )
    return list(tasks)


class _Progress:
    """Shows how much of a volume is copied: on a terminal in one line, else now and then.

    Args:
        name: The volume.
        total: The bytes that it takes on the disk, roughly what is copied.
        log: Takes lines.

    """

    def __init__(self, name: str, total: int, log: Log) -> None:
        self._name, self._total, self._log = name, total, log
        self._live = sys.stderr.isatty()
        self._bytes, self._began = 0, time.monotonic()
        self._shown = self._began

    def count(self, number: int) -> None:
        """Count bytes."""
        self._bytes += number
        now = time.monotonic()
        if now - self._shown < (_LIVE if self._live else _PLAIN):
            return
        self._shown = now
        if self._live:
            sys.stderr.write(f"\r{self._words} of about {size_words(self._total)}\x1b[K")
            sys.stderr.flush()
        else:
            self._log(f"{self._words} of about {size_words(self._total)}")

    def end(self) -> None:
        """Say how much it was."""
        if self._live and self._shown > self._began:
            sys.stderr.write("\r\x1b[K")
        self._log(self._words)

    @property
    def _words(self) -> str:
        """How much, how long, how fast."""
        passed = max(0.001, time.monotonic() - self._began)
        rate = size_words(self._bytes / passed)
        return f"volume {self._name}: copied {size_words(self._bytes)} in {passed:.0f} s ({rate}/s)"
