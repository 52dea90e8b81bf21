"""`doit prune confirm=<site>`: remove the resources of a stage that are no longer in site.toml."""

import shlex
import time
from collections.abc import Collection, Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import confirming, site_run
from commands.shared.holding import holding, interrupted
from model.errors import SkepError
from tasks.cleanup.orphans import orphans
from tasks.cleanup.prune import prune
from tasks.hosts import let_in_keys
from tasks.hosts.let_in_keys import LetInKey
from tasks.phase import Orphan
from tasks.run.context import Run

_WILD = frozenset("*?[")
"""Characters of a pattern, which no key's name has."""
NOTHING, TROUBLE, THERE_IS = 0, 1, 2
"""The exit status; without confirm= it says whether there is something to remove, as `doit plan` does."""


class PruneCommand(DoitCmdBase):
    """Remove resources that are no longer in site.toml."""

    name = "prune"
    doc_purpose = "remove resources that are no longer in site.toml; without confirm=SITE, only list them"
    doc_usage = "confirm=SITE [volumes=NAME,NAME] [key=NAME,NAME]"
    doc_description = """\
Removes resources that carry the stage's labels and are no longer in site.toml: services, networks, Docker secrets and \
configs, images in the registry, set-up steps, user accounts (their files stay). `doit prune` alone removes nothing.

Volumes hold data: a volume is removed only if volumes= names it, a host only if volumes= names all of its volumes. A \
host is drained and leaves the swarm first; it stays if the swarm would lose its majority.

It shows the ssh keys that the hosts let in, one for each checkout. None is taken out but by its name: with key=NAME \
those keys are taken out of all hosts, and nothing else is removed; key='root@ci-*' names several. A checkout never \
takes out its own.

A resource that a deployed service still uses stays: run doit first, which updates the service.

If it was interrupted, or a host did not answer, run it again."""

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Remove the orphans if confirmed, else list them. Loads no tasks, so a missing role does not matter."""
        self.loader.setup(params)
        run = site_run(self.loader)
        given = get_var("confirm")
        if args or given not in {None, run.stage.site_name}:
            wrong = f"takes no {shlex.quote(args[0])}" if args else f"confirm={given} is not this site"
            raise InvalidCommand(f"prune: {wrong}; type: {self._to_type(run)}")
        volumes, names = _words("volumes"), _words("key")
        try:
            with holding(run) if given is not None else closing(run.connections):
                if names:
                    return self._take_out(run, names, confirmed=given is not None)
                return self._prune(run, volumes, confirmed=given is not None)
        except SkepError as error:
            raise InvalidCommand(run.secrets.redact(str(error))) from error
        except KeyboardInterrupt:
            return interrupted(run, "run it again to remove the rest")

    def _prune(self, run: Run, volumes: set[str], *, confirmed: bool) -> int:
        """Find the orphans; remove or list them, and return the exit status."""
        began = time.monotonic()
        log = ConsoleLog(self.outstream)
        try:
            orphaned = orphans(run)
            unread = _unread(run)
        finally:
            run.observer.close()
        orphaned = [orphan.examined(run) for orphan in orphaned]
        _refuse_unknown(orphaned, volumes)
        removable = [orphan for orphan in orphaned if orphan.may_go(volumes)]
        if not confirmed:
            keys = let_in_keys.keys_of(run, let_in_keys.observed(run))
            for line in [*self._would(run, orphaned, removable, volumes), *unread, *_let_in(keys)]:
                log(line)
            return THERE_IS if removable else NOTHING
        problems = prune(run, removable, log)
        for line in [*_stays(orphaned, removable), *unread]:
            log(line)
        if problems:
            log("not everything is removed: fix the errors above, then run it again")
            return TROUBLE
        count = f"{len(removable)} {'thing' if len(removable) == 1 else 'things'}" if removable else "nothing"
        log(f"removed {count} ({time.monotonic() - began:.1f} s)")
        return NOTHING

    def _take_out(self, run: Run, names: set[str], *, confirmed: bool) -> int:
        """Take ssh keys out on all hosts, or say which; return the exit status."""
        began = time.monotonic()
        log = ConsoleLog(self.outstream)
        let_in_keys.refuse_without_own(run)
        try:
            known = let_in_keys.keys_of(run, let_in_keys.observed(run))
            unread = _unread_hosts(run)
        finally:
            run.live_state.close()
        chosen = _chosen_keys(known, names)
        if not confirmed:
            log(f"this would take out of stage {run.stage.name} of {run.stage.site_name}:")
            for line in [*(f"    ssh key {each.key.name}, {each.words}" for each in chosen), *unread]:
                log(line)
            log(f"to do it, type: {self._to_type(run, keys=names)}")
            return THERE_IS
        problems = let_in_keys.take_out(run, chosen, log)
        if problems:
            log("not every host was reached, and those may still let it in: run it again when they answer")
            return TROUBLE
        count = f"{len(chosen)} ssh {'key' if len(chosen) == 1 else 'keys'}"
        log(f"took out {count} ({time.monotonic() - began:.1f} s)")
        return NOTHING

    def _would(
        self, run: Run, orphaned: Sequence[Orphan], removable: Sequence[Orphan], volumes: set[str]
    ) -> list[str]:
        """Return the orphans that would be removed, those that would stay, and the command to type."""
        stage = f"stage {run.stage.name} of {run.stage.site_name}"
        if not orphaned:
            return [f"nothing to remove: all of {stage} is in site.toml"]
        lines = [f"this would remove of {stage}:", *(f"    {orphan.going}" for orphan in removable)]
        lines = lines if removable else [f"nothing of {stage} can be removed now:"]
        lines += _stays(orphaned, removable)
        return [*lines, f"to do it, type: {self._to_type(run, volumes)}"] if removable else lines

    def _to_type(self, run: Run, volumes: Collection[str] = (), keys: Collection[str] = ()) -> str:
        """Return the command that removes the orphans, or takes keys out."""
        command = confirming(run, self.bin_name, self.name, volumes)
        return f"{command} {shlex.quote('key=' + ','.join(sorted(keys)))}" if keys else command


def _words(name: str) -> set[str]:
    """Return the names that an argument `name=A,B` lists."""
    return {word for word in (get_var(name) or "").split(",") if word}


def _chosen_keys(known: Sequence[LetInKey], names: set[str]) -> list[LetInKey]:
    """Return the keys that a person named, each once; `ci@*` names several, but not this checkout's or operators'.

    Raises:
        InvalidCommand: There is none of that name, several, or it is this checkout's own.

    """
    chosen: dict[str, LetInKey] = {}
    takeable = [each for each in known if not (each.is_own or each.key.is_operators)]
    for name in sorted(names):
        is_pattern = bool(_WILD & {*name})
        if is_pattern:
            found = [each for each in takeable if fnmatchcase(each.key.name, name)]
        else:
            found = [each for each in known if each.key.is_called(name)]
        if not found or (len(found) > 1 and not is_pattern):
            listed = ", ".join(each.key.name for each in takeable) or "none"
            wrong = "is not a key that the hosts let in" if not found else "means several keys"
            raise InvalidCommand(f"key={name}: {wrong}; these can be taken out: {listed}")
        if operator := next((each.key.who for each in found if each.key.is_operators), ""):
            raise InvalidCommand(
                f"key={name}: {operator} is an operator: take the line out of [operators] in site.toml, and run doit"
            )
        if found[0].is_own:
            raise InvalidCommand(
                f"key={name}: is this checkout's own key, without which it can't log in: "
                "take it out in another checkout"
            )
        chosen |= {each.key.public: each for each in found}
    return list(chosen.values())


def _let_in(keys: Sequence[LetInKey]) -> list[str]:
    """Return a line for each ssh key that the hosts let in, and how to take one out."""
    lines = ["ssh keys that the hosts let in; key=NAME takes one out:"]
    lines += [f"    {each.key.name}  {each.words}" for each in keys]
    return [*lines, *([f"    {let_in_keys.MANY}"] if len(keys) > let_in_keys.SHOWN else [])] if keys else []


def _stays(orphaned: Sequence[Orphan], removable: Sequence[Orphan]) -> list[str]:
    """Return a line for each orphan that stays, with the reason."""
    return [f"  {orphan.words} stays: {orphan.staying}" for orphan in orphaned if orphan not in removable]


def _unread(run: Run) -> list[str]:
    """Return a line for each part of the stage whose state could not be read."""
    state = run.live_state
    # Where no hive answers, that is all that is to be said of the swarm.
    swarm = "" if all(state.host(hive).error for hive in run.stage.hives) else state.swarm.error
    errors = [swarm, *(state.host(host).error for host in run.stage.hosts)]
    return _not_checked(errors)


def _unread_hosts(run: Run) -> list[str]:
    """Return a line for each host that could not be asked."""
    return _not_checked([run.live_state.host(host).error for host in run.stage.hosts])


def _not_checked(errors: Sequence[str]) -> list[str]:
    """Return a line for each error."""
    return [f"  not checked: {error.splitlines()[0]}" for error in dict.fromkeys(errors) if error]


def _refuse_unknown(orphaned: Sequence[Orphan], volumes: set[str]) -> None:
    """Refuse a volume that is neither an orphan nor on an orphaned host: most likely another one was meant.

    Raises:
        InvalidCommand: There is one.

    """
    known = {volume for orphan in orphaned for volume in orphan.volumes}
    if volumes - known:
        listed = ", ".join(sorted(known)) or "none"
        raise InvalidCommand(
            f"volumes={','.join(sorted(volumes - known))}: is not a volume that can be pruned; these are: {listed}"
        )
