"""`doit prune confirm=<site>`: remove what the stage has and site.toml no longer."""

import shlex
import sys
import time
from collections.abc import Collection, Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.destroy import Teller
from commands.shared.current_run import site_run
from model.errors import SkepError
from tasks.cleanup.orphans import orphans
from tasks.cleanup.prune import prune
from tasks.phase import Orphan
from tasks.run.context import Run

NOTHING, TROUBLE, THERE_IS = 0, 1, 2
"""The exit status; without confirm= it says whether there is something to remove, as that of `doit plan` does."""
INTERRUPTED = 130


class Prune(DoitCmdBase):
    """Remove what is no longer in site.toml."""

    doc_purpose = "remove what is no longer in site.toml; without confirm=SITE, say what that is"
    doc_usage = "confirm=SITE [volumes=NAME,NAME]"
    doc_description = """\
Removes what carries the stage's labels and is no longer in site.toml: services, networks, Docker secrets and configs, \
images in the registry, set-up steps, people's accounts (their files stay). `doit prune` alone removes nothing.

Volumes hold data: one goes only if volumes= names it, and a host only if volumes= names all that are on it; it leaves \
the swarm in order first, and stays if the others would not be a majority.

What a service still uses that site.toml has is left: run doit \
first, so that it does not.

Run it again if it was stopped in the middle or a host did not answer."""

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Say what would be removed, or remove it. No tasks are loaded: a role that is missing does not matter."""
        self.loader.setup(params)
        run = site_run(self.loader)
        given = get_var("confirm")
        if args or given not in {None, run.stage.site_name}:
            wrong = f"takes no {shlex.quote(args[0])}" if args else f"confirm={given} is not this site"
            raise InvalidCommand(f"prune: {wrong}; type: {self._to_type(run)}")
        volumes = {name for name in (get_var("volumes") or "").split(",") if name}
        try:
            if given is not None:
                run.state.lock(" ".join(["doit", *sys.argv[1:]]))
            return self._prune(run, volumes, confirmed=given is not None)
        except SkepError as error:
            raise InvalidCommand(run.secrets.redact(str(error))) from error
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: run it again to remove the rest\n")
            return INTERRUPTED
        finally:
            run.connections.close()
            run.state.unlock()

    def _prune(self, run: Run, volumes: set[str], *, confirmed: bool) -> int:
        """Look, and then say it or do it."""
        began = time.monotonic()
        log = Teller(self.outstream)
        try:
            found = orphans(run)
            doubts = _doubts(run)
        finally:
            run.live_state.close()
        found = [orphan.examined(run) for orphan in found]
        _refuse_unknown(found, volumes)
        going = [orphan for orphan in found if orphan.may_go(volumes)]
        if not confirmed:
            for line in [*self._would(run, found, going, volumes), *doubts]:
                log(line)
            return THERE_IS if going else NOTHING
        problems = prune(run, going, log)
        for line in [*_stays(found, going), *doubts]:
            log(line)
        if problems:
            log("not all of it is removed, see above; run it again when that is mended")
            return TROUBLE
        count = f"{len(going)} {'thing' if len(going) == 1 else 'things'}" if going else "nothing"
        log(f"removed {count} ({time.monotonic() - began:.1f} s)")
        return NOTHING

    def _would(
        self, run: Run, found: Sequence[Orphan], going: Sequence[Orphan], volumes: set[str]
    ) -> list[str]:
        """Return what would be removed, what would stay, and what to type."""
        stage = f"stage {run.stage.name} of {run.stage.site_name}"
        if not found:
            return [f"nothing is left over: all of {stage} is in site.toml"]
        lines = [f"this would remove of {stage}:", *(f"    {orphan.going}" for orphan in going)]
        lines = lines if going else [f"nothing of {stage} can be removed now:"]
        lines += _stays(found, going)
        return [*lines, f"to do it, type: {self._to_type(run, volumes)}"] if going else lines

    def _to_type(self, run: Run, volumes: Collection[str] = ()) -> str:
        """Return the command that does it."""
        words = [self.bin_name, "prune", f"confirm={run.stage.site_name}"]
        if len(run.stage.site.stages) > 1:
            words.append(f"stage={run.stage.name}")
        if volumes:
            words.append(f"volumes={','.join(sorted(volumes))}")
        return shlex.join(words)


def _stays(found: Sequence[Orphan], going: Sequence[Orphan]) -> list[str]:
    """Return the orphans that stay, each with the reason."""
    return [f"  {orphan.words} stays: {orphan.staying}" for orphan in found if orphan not in going]


def _doubts(run: Run) -> list[str]:
    """Return what could not be looked at."""
    found = [run.live_state.swarm.error, *(run.live_state.host(host).error for host in run.stage.hosts)]
    return [f"  not looked at: {error.splitlines()[0]}" for error in dict.fromkeys(found) if error]


def _refuse_unknown(found: Sequence[Orphan], volumes: set[str]) -> None:
    """Refuse a volume that is no orphan nor goes with one: most likely another was meant.

    Raises:
        InvalidCommand: There is one.

    """
    known = {volume for orphan in found for volume in orphan.volumes}
    if volumes - known:
        listed = ", ".join(sorted(known)) or "none"
        raise InvalidCommand(
            f"volumes={','.join(sorted(volumes - known))}: is no volume that is left over; there are: {listed}"
        )
