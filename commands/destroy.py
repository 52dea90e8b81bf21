"""`doit destroy confirm=<site>`: remove what a stage made."""

import shlex
import sys
import threading
import time
from collections.abc import Collection, Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import clean
from commands.shared.current_run import site_run
from model.errors import SkepError
from tasks.cleanup.inventory import Inventory, inventory
from tasks.cleanup.teardown import forget, take_down
from tasks.run.context import Run

ALL = "all"
INTERRUPTED = 130


class Destroy(DoitCmdBase):
    """Remove what the stage made."""

    doc_purpose = "remove what the stage made; without confirm=SITE, say what that is"
    doc_usage = "confirm=SITE [volumes=NAME,NAME|volumes=all]"
    doc_description = """\
Removes hosts, networks and all else that the stage made, and state/<stage> with its keys and secrets. Hosts that were \
there before (provider prepared) stay, with what was installed on them.

Volumes hold data. Where they would go with their hosts, each must be named by volumes=, or volumes=all given; where \
the hosts stay, those that are not named stay.

Run it again if it was stopped in the middle or a host did not answer."""

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Say what would be removed, or remove it. No tasks are loaded: a role that is missing does not matter."""
        self.loader.setup(params)
        run = site_run(self.loader)
        if args:
            raise InvalidCommand(f"destroy takes no {shlex.quote(args[0])}; type: {self._to_type(run, ())}")
        # `all` is refused as a name by nobody, so a volume of that name is meant by it as well.
        asked = [name for name in (get_var("volumes") or "").split(",") if name]
        confirmed = get_var("confirm") == run.stage.site_name
        if not confirmed:
            raise InvalidCommand(self._refusal(run, _look(run), asked))
        try:
            run.state.lock(" ".join(["doit", *sys.argv[1:]]))
        except SkepError as error:
            raise InvalidCommand(str(error)) from error
        try:
            return self._destroy(run, asked)
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: run it again to remove the rest\n")
            return INTERRUPTED
        finally:
            run.connections.close()
            run.state.unlock()

    def _destroy(self, run: Run, asked: Sequence[str]) -> int:
        """Remove the stage, its volumes only as far as they were named."""
        began = time.monotonic()
        there = _look(run)
        named = _named(there, asked)
        unnamed = [volume for volume in there.volumes if volume not in named]
        if there.owned and unnamed:
            raise InvalidCommand(self._unnamed(run, there, unnamed))
        log = Teller(self.outstream)
        if take_down(run, there, named, log):
            log(
                f"not all of stage {run.stage.name} is removed, see above; state/{run.stage.name} is kept. "
                "Run it again when that is mended"
            )
            return 1
        forget(run.state, run.connections.files.sockets)
        if not there.owned and there.hosts:
            for line in _left(there, unnamed):
                log(line)
        log(f"stage {run.stage.name} of {run.stage.site_name} is removed ({time.monotonic() - began:.1f} s)")
        return 0

    def _refusal(self, run: Run, there: Inventory, asked: Sequence[str]) -> str:
        """Return what would be removed and what to type for it."""
        given = get_var("confirm")
        wrong = f"confirm={given} is not this site. " if given else ""
        stage = f"stage {run.stage.name} of {run.stage.site_name}"
        if not there.hosts and not there.others and not run.state.root.exists():
            return f"{wrong}nothing is there of {stage}"
        lines = [f"{wrong}this would remove of {stage}:", *_contents(run, there, asked)]
        volumes = (
            sorted(_named(there, asked)) or list(there.volumes)
            if there.owned
            else sorted(_named(there, asked))
        )
        return "\n".join([*lines, f"to do it, type: {self._to_type(run, volumes)}"])

    def _unnamed(self, run: Run, there: Inventory, unnamed: Sequence[str]) -> str:
        """Return why nothing is removed as long as volumes are not named."""
        lines = [
            "these volumes go with their hosts, and were not named:",
            *(f"    {volume} on {', '.join(there.volumes[volume])}" for volume in unnamed),
            *_doubts(there),
            "nothing was removed. Save what you need of them; then, to remove them as well, type:",
            f"    {self._to_type(run, list(there.volumes))}",
        ]
        return "\n".join(lines)

    def _to_type(self, run: Run, volumes: Collection[str]) -> str:
        """Return the command that does it."""
        words = [self.bin_name, "destroy", f"confirm={run.stage.site_name}"]
        if len(run.stage.site.stages) > 1:
            words.append(f"stage={run.stage.name}")
        if volumes:
            words.append(f"volumes={','.join(volumes)}")
        return shlex.join(words)


class Teller:
    """Writes whole lines, from several threads."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self._guard = threading.Lock()

    def __call__(self, text: str) -> None:
        """Write a line, or several."""
        with self._guard:
            self._out.write("".join(f"{clean(line)}\n" for line in text.splitlines()))
            self._out.flush()


def _look(run: Run) -> Inventory:
    """Return what there is.

    Raises:
        InvalidCommand: It can't be found out.

    """
    try:
        return inventory(run.stage, run.state, run.connections, run.provider)
    except SkepError as error:
        raise InvalidCommand(
            f"what there is of stage {run.stage.name} can't be found out: {error}"
        ) from error


def _named(there: Inventory, asked: Sequence[str]) -> set[str]:
    """Return the volumes that were named.

    Raises:
        InvalidCommand: One of them does not exist: most likely another was meant.

    """
    if list(asked) == [ALL]:
        return set(there.volumes)
    unknown = [name for name in asked if name not in there.volumes]
    if unknown:
        known = ", ".join(there.volumes) or "none"
        raise InvalidCommand(f"volumes={','.join(unknown)}: there is no such volume; there are: {known}")
    return set(asked)


def _contents(run: Run, there: Inventory, asked: Sequence[str]) -> list[str]:
    """Return what there is, a line for each kind."""
    lines = []
    named = _named(there, asked)
    if there.owned:
        lines += [
            f"    {name}: {there.docs.get(name, 'which the stage no longer wants')}" for name in there.hosts
        ]
        lines += [f"    {name}: {there.docs[name]}" for name in there.others]
        lines += [f"    volume {volume} on {', '.join(where)}" for volume, where in there.volumes.items()]
    else:
        lines += [
            f"    from {name}: its services, its place in the swarm, the marks of its set-up"
            for name in there.hosts
        ]
        lines += [
            f"    volume {volume} on {', '.join(where)}"
            for volume, where in there.volumes.items()
            if volume in named
        ]
        lines += [
            f"  and would leave volume {volume} on {', '.join(where)}, which is not named"
            for volume, where in there.volumes.items()
            if volume not in named
        ]
    if run.state.root.exists():
        lines.append(f"    {run.state.root}, with the stage's ssh key and generated secrets")
    return [*lines, *_doubts(there)]


def _doubts(there: Inventory) -> list[str]:
    """Return which hosts could not be asked for their volumes."""
    return [
        f"  {name} can't be asked which volumes it holds ({why}); those that it may hold are counted"
        for name, why in there.doubts.items()
    ]


def _left(there: Inventory, unnamed: Sequence[str]) -> list[str]:
    """Return what stays on hosts that are not the provider's own."""
    hosts = ", ".join(there.hosts)
    stay = "packages, settings, users (skep among them), firewall rules, images, the registry's content"
    lines = [f"volume {volume} stays on {', '.join(there.volumes[volume])}" for volume in unnamed]
    return [*lines, f"left on {hosts}: {stay}"]
