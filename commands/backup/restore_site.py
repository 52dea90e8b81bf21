"""`doit restore site from=COPY`: a whole lost site again, from a copy off the site and the key of the backups alone."""

import getpass
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from doit import get_var
from doit.exceptions import InvalidCommand

from commands.backup.restored_site_plan import lacking, living, plan_lines
from commands.backup.shown import AgentProgress
from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED, holding, interrupted
from commands.shared.run_again import run_again
from model.alarms.touched import Touched
from model.backup_address import has_password, without_passwords
from model.errors import SkepError
from model.secrets.secret import Secret
from model.site_file.load import load, select
from model.stage import Stage
from remote.backup.site_copy import KEY_VARIABLE, LOGIN_VARIABLE, SiteCopy
from tasks.backup.lost_site import (
    SITE_TOML,
    LostSite,
    bring,
    check_empty,
    clear_leftovers,
    finish_bringing,
    is_half_brought,
    journals,
    read_lost_site,
    unpack,
)
from tasks.backup.restored_site import RestoredSite
from tasks.backup.site_backups import SiteBackups
from tasks.backup.site_restore_journal import SiteRestoreJournal, restore_command
from tasks.run.context import Run
from tasks.run.open import new_run, words_typed
from tasks.run.secret_sources import take
from tasks.run.state import State

DONE, FAILED, PLANNED = 0, 1, 2
"""The exit status; the last one where nothing was changed yet."""
USAGE = "restore site from=COPY [stage=NAME] confirm=SITE"
_WORDS = ("from", "stage", "confirm")


@dataclass(frozen=True)
class RestoreSite:
    """The command, as it was typed.

    Args:
        loader: doit's loader, which reads site.toml once that is there.
        params: doit's own options.
        program: How doit was called.
        out: Takes the lines.

    """

    loader: Any
    params: Any
    program: str
    out: TextIO

    def execute(self) -> int:
        """Say what would be done, or do it, from where it is."""
        # No program that is started here gets it, but restic.
        given = os.environ.pop(KEY_VARIABLE, "")
        copy = get_var("from")
        unknown = [word for word in words_typed() if word not in _WORDS]
        if not copy or unknown:
            why = f"{unknown[0]}= is not known here; " if unknown else ""
            raise InvalidCommand(f"{why}type: {self.program} {USAGE} (docs/backup.md)")
        if has_password(copy):
            raise InvalidCommand(
                f"from={without_passwords(copy)}: others see a password that is typed here: write the user alone, and "
                f"put the password into {LOGIN_VARIABLE}"
            )
        directory, log = Path.cwd(), ConsoleLog(self.out)
        try:
            # The journal comes before site.toml.
            if is_half_brought(directory) or not journals(directory):
                status = self._bring(directory, copy, given, log)
                if status is not None:
                    return status
            clear_leftovers(directory)
        except SkepError as error:
            sys.stderr.write(f"{error}\n")
            return FAILED
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: type the same again, which goes on from there\n")
            return INTERRUPTED
        self.loader.setup(self.params)
        return self._go_on(site_run(self.loader), copy, log)

    # -- the site's directory --------------------------------------------------------------------------------------

    def _bring(self, directory: Path, copy: str, given: str, log: Callable[[str], None]) -> int | None:
        """Bring the site's files to the directory; return the exit status where that is all for now.

        Raises:
            SkepError: They can't be brought, or must not.

        """
        confirm = get_var("confirm")
        if is_half_brought(directory):
            if confirm is None:
                log(
                    "a restoration was killed as it put the site's files here: to go on, type it with confirm=SITE"
                )
                return PLANNED
            finish_bringing(directory)
            return None
        check_empty(directory)
        lost = read_lost_site(*_opened(copy, given))
        with TemporaryDirectory(prefix="skep-") as name:
            aside = Path(name) / "site"
            unpack(lost, aside)
            stage = _stage(lost, aside)
            run = _aside(aside, stage)
            problems = [line for line in (living(run),) if line]
            if confirm is None:
                for line in (*plan_lines(lost, stage, SiteBackups(run).zone), *_firsts(lacking(run, copy))):
                    log(run.secrets.redact(line))
        if confirm not in {None, stage.site_name}:
            raise InvalidCommand(f"confirm={confirm}: the site is {stage.site_name}")
        if problems:
            for line in problems:
                sys.stderr.write(f"{line}\n")
            return FAILED
        if confirm is None:
            log(f"to do it: {restore_command(copy, stage)}")
            return PLANNED
        bring(lost, stage.name, directory, run.stage_lock.who)
        log(f"{stage.site_name}: its files are here, and the secrets of stage {stage.name}")
        return None

    # -- the site ------------------------------------------------------------------------------------------------------

    def _go_on(self, run: Run, copy: str, log: Callable[[str], None]) -> int:
        """Make the site from its directory and the copy."""
        journal, stage = SiteRestoreJournal.of(run.state), run.stage
        content, confirm = journal.read(), get_var("confirm")
        if content is None or content.copy != copy:
            known = {name: each.copy for name, each in journals(run.directory).items()}
            words = "; ".join(f"stage {name} from {place}" for name, place in known.items())
            raise InvalidCommand(f"from={copy}: in {run.directory} is being made again: {words}: type that")
        if confirm not in {None, stage.site_name}:
            raise InvalidCommand(f"confirm={confirm}: the site is {stage.site_name}")
        problems = lacking(run, copy)
        if confirm is None:
            for line in (f"{stage.site_name} is being made again from {copy}", *_firsts(problems)):
                log(run.secrets.redact(line))
            log(f"to go on: {content.command(stage)}")
            return PLANNED
        if problems:
            for line in problems:
                sys.stderr.write(f"{run.secrets.redact(line)}\n")
            sys.stderr.write("put that right, then type the same again\n")
            return FAILED
        last = [run]

        @contextmanager
        def opened() -> Iterator[Run]:
            # Its own each time: another doit was at work in between.
            last[0] = fresh = new_run(
                run.directory, stage, State(run.state.root), captured_env=run.secrets.taken
            )
            with holding(fresh):
                try:
                    yield fresh
                finally:
                    progress.end()

        def again(tasks: Sequence[str]) -> int:
            status = run_again(run, self.program, tasks, is_restoring=True)
            # As soon as one of these runs has made an Alertmanager: the services wait for their data.
            run.silences.begin_lasting("the site is made again", Touched({*stage.services}), log)
            return status

        progress = AgentProgress(self.out)
        restored = RestoredSite(stage, run.provider.owns, journal, opened, again, progress, log)
        try:
            status = restored.carry_out()
        except SkepError as error:
            progress.end()
            sys.stderr.write(f"{last[0].secrets.redact(str(error))}\n")
            status = FAILED
        except KeyboardInterrupt:
            progress.end()
            return interrupted(last[0], "type the same again, which goes on from there")
        finally:
            run.silences.close(log)
            run.connections.close()
        if status:
            sys.stderr.write(
                f"{stage.site_name} is not whole yet; the same again goes on: {content.command(stage)}\n"
            )
            return status
        log(
            f"{stage.site_name} is made again, with the data of its backups; {self.program} status says how it runs"
        )
        return DONE


def _opened(copy: str, given: str) -> tuple[SiteCopy, Secret]:
    """Return a copy with its key: that of the environment, else what is typed at the terminal.

    Raises:
        InvalidCommand: There is neither.

    """
    if not given and sys.stdin.isatty():
        given = getpass.getpass("the key of the backups (doit backups key): ")
    if not given.strip():
        raise InvalidCommand(
            f"the key of the backups is needed, which doit backups key printed: set {KEY_VARIABLE}, or type it at a "
            "terminal"
        )
    key = Secret(given.strip())
    return SiteCopy(copy, key, dict(os.environ)), key


def _stage(lost: LostSite, directory: Path) -> Stage:
    """Return the stage that is made again.

    Raises:
        SkepError: site.toml can't be used as it is.
        InvalidCommand: The copy is of another stage.

    """
    asked = get_var("stage") or os.environ.get("SKEP_STAGE") or None
    stage = select(load(directory / SITE_TOML), asked)
    if lost.stages and stage.name not in lost.stages:
        there = ", ".join(sorted(lost.stages))
        raise InvalidCommand(
            f"from={lost.copy}: is a copy of stage {there}, not of {stage.name}: add stage={there}"
        )
    return stage


def _aside(directory: Path, stage: Stage) -> Run:
    """Return a run for looking alone; the environment stays as it is for the one that acts."""
    state = State(directory / "state" / stage.name)
    return new_run(directory, stage, state, captured_env=take(stage, dict(os.environ)))


def _firsts(problems: Sequence[str]) -> Iterator[str]:
    """Yield what is to be put right once the files are here."""
    for line in problems:
        yield f"! it will stop for this, once the site's files are here: {line}"
