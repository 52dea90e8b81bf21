"""`doit upgrade_hosts`: newer packages on the hosts, one host after another; restarts where they are needed."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import confirming, site_run
from commands.shared.holding import holding, interrupted
from commands.shared.read_back import NO_HOSTS
from model.errors import HostError, SkepError
from model.log import Log
from model.stage import Host
from remote.hostsetup.updates import ENGINE
from tasks.hosts.upgraded_host import HostLook, HostUpgrade, look, looks
from tasks.operate.named_host import made_host
from tasks.run.context import Run

NOTHING, TROUBLE, PLANNED = 0, 1, 2
"""The exit status: nothing to do, or done; a host is not well; something to do, and not confirmed."""
NAMED = 12
"""Packages of a host that are named."""
PATIENCE = 60.0
"""Seconds for which a manager is waited for, as while a leader is elected."""


class UpgradeHostsCommand(DoitCmdBase):
    """Upgrade the hosts' packages."""

    name = "upgrade_hosts"
    doc_purpose = "upgrade the hosts' packages, the engine among them, one host after another"
    doc_usage = "[HOST ...] [confirm=SITE]"
    doc_description = """\
Fetches the lists of packages, and says which are newer and which hosts have to be restarted. Changes nothing, and \
ends with 2 if there is something to do.

With confirm= it upgrades one host after another: hosts that are no hives first, the swarm's leader last. A hive whose \
engine is upgraded, or that has to be restarted, is drained before and takes tasks again afterwards, and only when the \
swarm can do without it. Files of configuration stay as they are. The next host has its turn when all runs as before; \
where it does not, it stops, and says what is left. Type it again to go on, also after a kill."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """List, or upgrade. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader)
        confirmed = get_var("confirm")
        if confirmed not in (None, run.stage.site_name):
            raise InvalidCommand(f"confirm={confirmed}: this site is {run.stage.site_name}")
        log = ConsoleLog(self.outstream)
        run.observer.enabled = True
        try:
            hosts = [made_host(run, name) for name in dict.fromkeys(args)] or _made(run)
            if confirmed is None:
                return self._plan(run, hosts, args, log)
            with holding(run):
                run.connections.patience = PATIENCE
                return self._upgrade(run, hosts, args, log)
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return TROUBLE
        except KeyboardInterrupt:
            return interrupted(run, "type it again to go on: a host may still be drained, or half upgraded")
        finally:
            run.observer.close()
            run.connections.close()

    def _plan(self, run: Run, hosts: Sequence[Host], args: Sequence[str], log: Log) -> int:
        """Say what would be done, and return the exit status."""
        found = looks(run, hosts)
        for each in found:
            for line in _lines(each):
                log(run.secrets.redact(line))
        if any(each.error and not each.is_stopped for each in found):
            return TROUBLE
        if all(each.is_current for each in found):
            return NOTHING
        log(f"to do it, in this order: {self._to_type(run, args)}")
        return PLANNED

    def _to_type(self, run: Run, args: Sequence[str]) -> str:
        """Return the command that does it."""
        return confirming(run, self.bin_name, self.name, (), args)

    def _upgrade(self, run: Run, hosts: Sequence[Host], args: Sequence[str], log: Log) -> int:
        """Upgrade one host after another, and return the exit status. It ends at the first that is not well."""
        began = time.monotonic()
        found = looks(run, hosts)
        current = [each.host.short for each in found if each.is_current]
        if current:
            log(f"up to date: {', '.join(current)}")
        to_do = [each for each in found if not each.is_current]
        for number, each in enumerate(to_do):
            short = each.host.short
            for line in _lines(each):
                log(line)
            try:
                # What others did meanwhile, and the hosts before it, counts.
                HostUpgrade(run, look(run, each.host) if number else each, log).upgrade()
            except SkepError as error:
                sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
                left = ", ".join(one.host.short for one in to_do[number + 1 :]) or "no other host"
                log(
                    f"stopped at {short}; left after it: {left}. See to {short} (doit status, doit ssh {short}), then "
                    f"go on: {self._to_type(run, args)}"
                )
                return TROUBLE
            log(f"{short}: done")
        done = f"{len(to_do)} {'host' if len(to_do) == 1 else 'hosts'} upgraded"
        log(f"{done} ({time.monotonic() - began:.0f} s)" if to_do else "nothing to do")
        return NOTHING


def _made(run: Run) -> list[Host]:
    """Return the hosts that are made.

    Raises:
        HostError: There are none.

    """
    made = [host for host in run.stage.hosts if run.state.host_record(host) is not None]
    if not made:
        raise HostError(f"stage {run.stage.name}: no host is made; {NO_HOSTS}")
    return made


def _lines(found: HostLook) -> Iterator[str]:
    """Yield the lines on a host."""
    short, updates = found.host.short, found.updates
    if found.error:
        yield f"! {short}  {'does not run: it is started first' if found.is_stopped else found.error}"
        return
    engine = f"(engine {updates.engine or 'is not there'})"
    if found.is_current:
        yield f"  {short}  up to date {engine}"
        return
    parts = []
    if count := len(updates.updates):
        security = f", {updates.security} of them for security" if updates.security else ""
        parts.append(f"{count} {'package' if count == 1 else 'packages'}{security}")
    if updates.half_done:
        parts.append("an upgrade was cut off")
    if updates.touches_engine:
        parts.append("its containers start anew, so it is drained before")
    if updates.restart:
        parts.append(f"it has to be restarted: {updates.restart}")
    if found.is_aside:
        parts.append("it is drained since an upgrade that did not end")
    yield f"~ {short}  {'; '.join(parts)} {engine}"
    # The engine first, which everybody wants to know of.
    ordered = sorted(updates.updates, key=lambda update: (update.name not in ENGINE, update.name))
    for update in ordered[:NAMED]:
        yield f"    {update.words}"
    if len(ordered) > NAMED:
        yield f"    and {len(ordered) - NAMED} more (doit ssh {short} -- apt list --upgradable)"
