"""`doit restore`: have a service's data be that of a generation again."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.backup.restore_site import RestoreSite
from commands.backup.shown import AgentProgress, generation_words
from commands.operate.status_lines import size_words
from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import holding, interrupted
from model.alarms.touched import Touched
from model.backup_names import SITE
from model.errors import HostError, SkepError
from model.log import Log
from remote.backup.agent_calls import fetch_archive
from tasks.backup.site_backups import LATEST, DataHome, SiteBackups
from tasks.run.context import Run

PLANNED = 2
"""The exit status where nothing was changed yet."""


class RestoreCommand(DoitCmdBase):
    """Go back to a backup."""

    name = "restore"
    doc_purpose = "have a service's data be that of a backup again, or a whole lost site"
    doc_usage = (
        "SERVICE at=ID|TIME|latest [from=COPY] [script=NAME] confirm=SITE|into=DIR, "
        "or site from=COPY [stage=NAME] confirm=SITE"
    )
    doc_description = """\
Without confirm=SITE it says what it would do, and ends with exit status 2. With it: the generation is brought \
beside the volumes and compared, as the service runs; a generation of what is there then is made (kind \
before-restore), of its files once the service is stopped; they are changed, it is started, and has its old files back \
if it is not healthy; dumps are loaded by restore_command as it runs. Typed again after a kill it goes on.

into=DIR brings the files here, and changes nothing. at= takes an id of doit backups, "2026-11-27 01:00" (the newest \
that is not younger) or latest, the newest that no test found fault with. from=COPY first brings the service's \
generations from a place off the site to the repository host, also without confirm=SITE.

doit restore site from=COPY, in an empty directory, makes a whole lost site again: hosts, services, data. COPY is \
restic's word for a place of backup.copies; its credentials are taken from the environment, the key of the backups \
from SKEP_BACKUP_PASSWORD or the terminal. Without confirm=SITE it says what it would do; typed again after a kill it \
goes on."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Restore it. Loads no tasks."""
        if list(args) == [SITE]:
            return RestoreSite(self.loader, params, self.bin_name, self.outstream).execute()
        self.loader.setup(params)
        run = site_run(self.loader)
        at = get_var("at")
        if len(args) != 1 or not at:
            raise InvalidCommand(f"type: {self.bin_name} {self.name} {self.doc_usage}")
        log, progress = ConsoleLog(self.outstream), AgentProgress(self.outstream)
        backups, confirm, into = SiteBackups(run), get_var("confirm"), get_var("into")
        try:
            [service] = backups.services(args)
            if copy := get_var("from"):
                brought = backups.bring(copy, service, progress)
                log(f"{service}: {brought} snapshots came from {copy} to {run.stage.repository.short}")
                progress.end()
            if into:
                return self._fetch(backups, backups.chosen(service, at, progress), Path(into), log, progress)
            if confirm is None:
                home = backups.home(service)
                generation = _chosen(backups, service, at, home, progress)
                for line in _plan(run, backups, home, service, generation):
                    log(line)
                # A part alone must not become the whole service by what is pasted.
                only = f"script={script} " if (script := get_var("script")) else ""
                source = f"from={copy} " if copy else ""
                words = f"{service} at={generation['id']} {source}{only}confirm={run.stage.site_name}"
                log(f"to do it: {self.bin_name} {self.name} {words}")
                return PLANNED
            if confirm != run.stage.site_name:
                raise InvalidCommand(f"confirm={confirm}: the site is {run.stage.site_name}")
            touched = Touched({service})
            with holding(run), run.silences.lasting(f"service {service} goes back to a backup", touched, log):
                return self._restore(backups, service, at, log, progress)
        except SkepError as error:
            progress.end()
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        except KeyboardInterrupt:
            progress.end()
            return interrupted(run, "type the same again to go on with it")
        finally:
            progress.end()
            run.connections.close()

    @staticmethod
    def _restore(backups: SiteBackups, service: str, at: str, log: Log, progress: AgentProgress) -> int:
        """Go back; the hive makes a generation of what is there as soon as all else is ready."""
        home, script = backups.home(service), get_var("script") or ""
        generation = _chosen(backups, service, at, home, progress)
        if home.pending and not home.goes_on(generation["id"], script) and not home.is_loading:
            only = "".join(f" script={name}" for name in home.scripts)
            raise HostError(
                f"{service} is half restored to {home.pending}: type that again first, with at={home.pending}{only}"
            )
        result = backups.restore(
            home.host, service, generation, script, progress, must_save=get_var("unsaved") != "yes"
        )
        progress.end()
        parts = [
            *(f"volume {name}" for name in result["volumes"]),
            *(f"dump {name}" for name in result["loaded"]),
        ]
        log(
            f"{service}: has the data of {generation_words(generation, backups.zone)} again: {', '.join(parts)}"
        )
        return 0

    @staticmethod
    def _fetch(
        backups: SiteBackups,
        generation: Mapping[str, Any],
        directory: Path,
        log: Log,
        progress: AgentProgress,
    ) -> int:
        """Bring a generation's files here."""
        if directory.exists() and any(directory.iterdir()):
            raise InvalidCommand(f"into={directory}: is not empty")
        directory.mkdir(parents=True, exist_ok=True)
        script = get_var("script")
        entry = (generation["scripts"] or {}).get(script, "") if script else ""
        if script and not entry:
            raise InvalidCommand(
                f"script={script}: {generation['id']} has no such part; it has {', '.join(generation['scripts'])}"
            )
        words = ["tar", generation["id"], *(["--entry", entry] if entry else [])]
        run, service = backups.run, generation["service"]
        # A part's own size is not known.
        whole = 0 if entry else int(generation["bytes"] or 0)

        def come(done: int) -> None:
            said = {"doing": "bringing", "service": service, "bytes": done, "of": whole}
            progress(run.stage.repository.short, {"progress": said})

        fetch_archive(run.connections.to(run.stage.repository), tuple(words), directory, come)
        progress.end()
        log(f"{service}: {generation_words(generation, backups.zone)} is in {directory}")
        return 0


def _chosen(
    backups: SiteBackups, service: str, at: str, home: DataHome, progress: AgentProgress
) -> dict[str, Any]:
    """Return the generation that is meant: `latest` is that of a restoration that has not ended.

    What is said before is which repositories can't be read: the newest generation may be there.

    Raises:
        HostError: There is none.

    """
    return backups.chosen(service, home.pending if at == LATEST and home.pending else at, progress)


def _plan(
    run: Run, backups: SiteBackups, home: DataHome, service: str, generation: Mapping[str, Any]
) -> list[str]:
    """Return what a restoration would do, in lines."""
    scripts = {each.name: each for each in run.stage.services[service].backup_scripts}
    lines = [f"{service}: goes back to {generation_words(generation, backups.zone)}, on {home.host.short}"]
    only = get_var("script")
    for name in generation["scripts"] or {}:
        script = scripts.get(name)
        if only and name != only:
            continue
        if script is None:
            lines.append(f"  {name}: is no longer in site.toml, so that nothing says how it is restored")
        elif script.volume:
            lines.append(
                f"  {name}: the service is stopped, volume {script.volume} has other files, it is started"
            )
            others = [
                other
                for other, each in run.stage.services.items()
                if other != service and script.volume in each.named_volumes
            ]
            if others:
                lines.append(
                    f"  {name}: refused while {', '.join(others)} runs on {home.host.short} with that volume, too: "
                    f"{' '.join(f'doit scale {other}=0;' for other in others)} doit starts it again afterwards"
                )
        else:
            how = script.restore_command or f"unpacked to {script.directory}"
            lines.append(f"  {name}: loaded into the running service by: {how}")
    if generation["test"] is None:
        lines.append("  it was never tried (doit verify_backups)")
    elif not generation["test"]["ok"]:
        lines.append(f"  its test failed: {generation['test']['why']}")
    if home.goes_on(generation["id"], only or ""):
        lines.append("  goes on with a restoration that did not end")
        if not home.is_loading:
            return lines
    lines.append(
        f"  what is there then becomes a backup before: {size_words(int(generation['bytes'] or 0))} or so"
    )
    return lines
