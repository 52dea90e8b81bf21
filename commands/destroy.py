"""`doit destroy confirm=<site>`: remove a stage."""

import shlex
import time
from collections.abc import Collection, Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import confirming, site_run
from commands.shared.holding import holding, interrupted, say_if_unasked
from model.alarms.touched import Touched
from model.errors import SkepError
from tasks.alarms.silenced import OF_THE_SWARM
from tasks.cleanup.inventory import Inventory, inventory
from tasks.cleanup.teardown import forget, take_down
from tasks.run.context import Run
from tasks.run.run_history import DESTROYED, FAILED

ALL = "all"
NOTHING, TROUBLE, THERE_IS = 0, 1, 2
"""The exit status; without confirm= it says whether there is something to remove, as that of `doit prune` does."""


class DestroyCommand(DoitCmdBase):
    """Remove the stage."""

    name = "destroy"
    doc_purpose = "remove everything that the stage made; without confirm=SITE, only list it"
    doc_usage = "confirm=SITE [volumes=NAME,NAME|volumes=all]"
    doc_description = """\
Removes the hosts, networks and everything else that the stage made, and state/<stage> with its keys and secrets. \
Hosts of provider prepared stay, with what was installed on them.

Volumes hold data. If they would be lost with their hosts, name each with volumes=, or say volumes=all. If the hosts \
stay, volumes that are not named stay as well.

If it was interrupted, or a host did not answer, run it again."""

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Remove the stage if confirmed, else list its parts. Loads no tasks, so a missing role does not matter."""
        self.loader.setup(params)
        run = site_run(self.loader)
        given = get_var("confirm")
        if args or given not in {None, run.stage.site_name}:
            wrong = f"takes no {shlex.quote(args[0])}" if args else f"confirm={given} is not this site"
            raise InvalidCommand(f"destroy: {wrong}; type: {self._to_type(run, ())}")
        # `all` is a legal name: a volume called that goes with all the others.
        asked = [name for name in (get_var("volumes") or "").split(",") if name]
        if given is None:
            return self._list(run, asked)
        try:
            with holding(run):
                return self._destroy(run, asked)
        except SkepError as error:
            raise InvalidCommand(run.secrets.redact(str(error))) from error
        except KeyboardInterrupt:
            return interrupted(run, "run it again to remove the rest")

    def _destroy(self, run: Run, asked: Sequence[str]) -> int:
        """Remove the stage, but only the volumes that were named."""
        began = time.monotonic()
        parts = _inventory(run)
        named = _named(parts, asked)
        unnamed = [volume for volume in parts.volumes if volume not in named]
        if parts.owned and unnamed:
            raise InvalidCommand(self._unnamed(run, parts, unnamed))
        log = ConsoleLog(self.outstream)
        if parts.owned and parts.hosts:
            say_if_unasked(run)
        if run.stage.repository.short in {*parts.hosts} - parts.stopped:  # else its Alertmanager is off
            run.silences.begin_lasting(
                "the stage is removed", Touched(run.stage.services, {*parts.hosts}, OF_THE_SWARM), log
            )
        if take_down(run, parts, named, log):
            run.silences.close(log)
            run.history.end(FAILED)
            log(
                f"stage {run.stage.name} is not completely removed, so state/{run.stage.name} is kept: "
                "fix the errors above, then run it again"
            )
            return TROUBLE
        run.history.end(DESTROYED)
        run.stage_lock.release()
        run.connections.disconnect()
        forget(run.state, run.connections.files.sockets)
        if not parts.owned and parts.hosts:
            for line in _left(parts, unnamed):
                log(line)
        log(f"stage {run.stage.name} of {run.stage.site_name} is removed ({time.monotonic() - began:.1f} s)")
        return NOTHING

    def _list(self, run: Run, asked: Sequence[str]) -> int:
        """Print the parts that would be removed, and the command that removes them; return the exit status."""
        log = ConsoleLog(self.outstream)
        try:
            parts = _inventory(run)
        finally:
            run.connections.close()
        stage = f"stage {run.stage.name} of {run.stage.site_name}"
        if not parts.hosts and not parts.others and not run.state.root.exists():
            log(f"nothing to remove: there is nothing of {stage}")
            return NOTHING
        lines = [f"this would remove of {stage}:", *_contents(run, parts, asked)]
        volumes = (
            sorted(_named(parts, asked)) or list(parts.volumes)
            if parts.owned
            else sorted(_named(parts, asked))
        )
        for line in [*lines, f"to do it, type: {self._to_type(run, volumes)}"]:
            log(line)
        return THERE_IS

    def _unnamed(self, run: Run, parts: Inventory, unnamed: Sequence[str]) -> str:
        """Return the message that refuses to remove volumes that are not named."""
        lines = [
            "these volumes would be lost with their hosts, and were not named:",
            *(f"    {volume} on {', '.join(parts.volumes[volume])}" for volume in unnamed),
            *_doubts(parts),
            "nothing was removed. Save the data that you need; then, to remove the volumes as well, type:",
            f"    {self._to_type(run, list(parts.volumes))}",
        ]
        return "\n".join(lines)

    def _to_type(self, run: Run, volumes: Collection[str]) -> str:
        """Return the command that removes the stage."""
        return confirming(run, self.bin_name, self.name, volumes)


def _inventory(run: Run) -> Inventory:
    """Return the parts of the stage that exist.

    Raises:
        InvalidCommand: They can't be listed.

    """
    try:
        return inventory(run.stage, run.state, run.connections, run.provider, run.place)
    except SkepError as error:
        raise InvalidCommand(f"can't list the parts of stage {run.stage.name}: {error}") from error


def _named(parts: Inventory, asked: Sequence[str]) -> set[str]:
    """Return the named volumes.

    Raises:
        InvalidCommand: One of them does not exist, so that most likely another one was meant.

    """
    if list(asked) == [ALL]:
        return set(parts.volumes)
    unknown = [name for name in asked if name not in parts.volumes]
    if unknown:
        known = ", ".join(parts.volumes) or "none"
        raise InvalidCommand(f"volumes={','.join(unknown)}: there is no such volume; there are: {known}")
    return set(asked)


def _contents(run: Run, parts: Inventory, asked: Sequence[str]) -> list[str]:
    """Return a line for each part that would be removed, and for each volume that would stay."""
    lines = []
    named = _named(parts, asked)
    if parts.owned:
        lines += [
            f"    {name}: {parts.docs.get(name, 'which is no longer in site.toml')}" for name in parts.hosts
        ]
        lines += [f"    {name}: {parts.docs[name]}" for name in parts.others]
        lines += [f"    volume {volume} on {', '.join(where)}" for volume, where in parts.volumes.items()]
    else:
        lines += [
            f"    from {name}: its services, its swarm membership, its set-up markers" for name in parts.hosts
        ]
        lines += [
            f"    volume {volume} on {', '.join(where)}"
            for volume, where in parts.volumes.items()
            if volume in named
        ]
        lines += [
            f"  and would keep volume {volume} on {', '.join(where)}, which is not named"
            for volume, where in parts.volumes.items()
            if volume not in named
        ]
    if run.state.root.exists():
        lines.append(f"    {run.state.root}, with the stage's ssh key and generated secrets")
    return [*lines, *_doubts(parts)]


def _doubts(parts: Inventory) -> list[str]:
    """Return a line for each host that could not be asked for its volumes."""
    return [
        f"  {name} can't be asked for its volumes ({why}); all that it may hold are listed"
        for name, why in parts.doubts.items()
    ]


def _left(parts: Inventory, unnamed: Sequence[str]) -> list[str]:
    """Return the lines that list the remains on hosts that skep did not make."""
    hosts = ", ".join(parts.hosts)
    stay = "packages, settings, users (skep among them), firewall rules, images, the registry's content"
    lines = [f"volume {volume} stays on {', '.join(parts.volumes[volume])}" for volume in unnamed]
    return [*lines, f"left on {hosts}: {stay}"]
