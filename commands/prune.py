"""`doit prune confirm=<site>`: remove what the stage has and site.toml no longer."""

import shlex
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.destroy import Teller
from commands.shared.current_run import site_run
from model.errors import SkepError
from remote.hostsetup.removal import is_undone
from tasks.cleanup.orphans import ACCOUNT, HOST, STEP, THING, VOLUME, Orphan, orphans
from tasks.cleanup.prune import goes, prune
from tasks.hosts.decommission import FormerHost, former
from tasks.run.context import Run

NOTHING, TROUBLE, THERE_IS = 0, 1, 2
"""The exit status; without confirm= it says whether there is something to remove, as that of `doit plan` does."""
INTERRUPTED = 130
OnHosts = Mapping[str, FormerHost]
"""Host that is left over to what there is on it."""


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
        on_hosts = {left.name: former(run, left.name) for left in found if left.kind == HOST}
        _refuse_unknown(found, volumes, on_hosts)
        going = [left for left in found if goes(left, volumes, _volumes_on(left, on_hosts))]
        if not confirmed:
            for line in [*self._would(run, found, going, volumes, on_hosts), *doubts]:
                log(line)
            return THERE_IS if going else NOTHING
        problems = prune(run, going, log)
        for line in [*_stays(found, going, on_hosts), *doubts]:
            log(line)
        if problems:
            log("not all of it is removed, see above; run it again when that is mended")
            return TROUBLE
        count = f"{len(going)} {'thing' if len(going) == 1 else 'things'}" if going else "nothing"
        log(f"removed {count} ({time.monotonic() - began:.1f} s)")
        return NOTHING

    def _would(
        self,
        run: Run,
        found: Sequence[Orphan],
        going: Sequence[Orphan],
        volumes: set[str],
        on_hosts: OnHosts,
    ) -> list[str]:
        """Return what would be removed, what would stay, and what to type."""
        stage = f"stage {run.stage.name} of {run.stage.site_name}"
        if not found:
            return [f"nothing is left over: all of {stage} is in site.toml"]
        lines = [f"this would remove of {stage}:", *(f"    {_line(left, on_hosts)}" for left in going)]
        lines = lines if going else [f"nothing of {stage} can be removed now:"]
        lines += _stays(found, going, on_hosts)
        return [*lines, f"to do it, type: {self._to_type(run, volumes)}"] if going else lines

    def _to_type(self, run: Run, volumes: Collection[str] = ()) -> str:
        """Return the command that does it."""
        words = [self.bin_name, "prune", f"confirm={run.stage.site_name}"]
        if len(run.stage.site.stages) > 1:
            words.append(f"stage={run.stage.name}")
        if volumes:
            words.append(f"volumes={','.join(sorted(volumes))}")
        return shlex.join(words)


def _volumes_on(left: Orphan, on_hosts: OnHosts) -> tuple[str, ...]:
    """Return the volumes that are, or may be, on a host that is left over; none of whatever else is."""
    return on_hosts[left.name].volumes if left.kind == HOST else ()


def _line(left: Orphan, on_hosts: OnHosts) -> str:
    """Return what goes, in words."""
    if left.kind == HOST:
        held = ", ".join(on_hosts[left.name].volumes)
        return f"{left.words}, out of the swarm first; " + (
            f"with volume {held}" if held else "no volume is on it"
        )
    if left.kind == ACCOUNT:
        return f"{left.words}; its files stay"
    if left.kind == STEP and not is_undone(left.name):
        return f"the mark of {left.words}; what it had set up stays"
    return left.words


def _stays(found: Sequence[Orphan], going: Sequence[Orphan], on_hosts: OnHosts) -> list[str]:
    """Return what is left over and stays, and why."""
    lines = []
    for left in found:
        if left in going:
            continue
        if left.kind == HOST:
            host = on_hosts[left.name]
            held = ",".join(host.volumes)
            may = f"may be on it ({host.doubt})" if host.doubt else "would go with it"
            why = f"volume {held} {may}: save what you need of it; to remove it: volumes={held}"
        elif left.kind == THING:
            why = "it may hold data; remove it where it is, if nothing needs it"
        elif left.held:
            why = f"{left.held}, which site.toml no longer says; run doit first"
        else:
            why = f"it may hold data; to remove it: volumes={left.name}"
        lines.append(f"  {left.words} stays: {why}")
    return lines


def _doubts(run: Run) -> list[str]:
    """Return what could not be looked at."""
    found = [run.live_state.swarm.error, *(run.live_state.host(host).error for host in run.stage.hosts)]
    return [f"  not looked at: {error.splitlines()[0]}" for error in dict.fromkeys(found) if error]


def _refuse_unknown(found: Sequence[Orphan], volumes: set[str], on_hosts: OnHosts) -> None:
    """Refuse a volume that is not left over: most likely another was meant.

    Raises:
        InvalidCommand: There is one.

    """
    known = {left.name for left in found if left.kind == VOLUME}
    known |= {volume for host in on_hosts.values() for volume in host.volumes}
    if volumes - known:
        listed = ", ".join(sorted(known)) or "none"
        raise InvalidCommand(
            f"volumes={','.join(sorted(volumes - known))}: is no volume that is left over; there are: {listed}"
        )
