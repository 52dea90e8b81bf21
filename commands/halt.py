"""`doit halt`: stop a stage's hosts; `doit build_infra`, or any run, starts them again."""

import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import holding, interrupted, say_if_unasked
from model.alarms.touched import Touched
from model.errors import SkepError
from model.log import Log
from tasks.alarms.silenced import OF_THE_SWARM, services_there
from tasks.explain import costs
from tasks.run.context import Run
from tasks.run.run_history import FAILED, HALTED, HALTING


class HaltCommand(DoitCmdBase):
    """Stop the stage's hosts."""

    name = "halt"
    doc_purpose = "stop the stage's hosts, for example overnight; the next run starts them"
    doc_usage = "[HOST ...]"
    doc_description = """\
Shuts down the named hosts (hive0 ...), or all of them; containers get their stop grace period. Nothing is removed: \
data, addresses and the swarm are there again when the hosts are started.

`doit build_infra` starts them, and so does every run."""

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Stop hosts. Loads no tasks, so a missing role does not matter."""
        self.loader.setup(params)
        run = site_run(self.loader)
        if not run.provider.halts:
            raise InvalidCommand(
                f"stage {run.stage.name}: provider {run.stage.provider} can't start hosts again: stop them yourself"
            )
        try:
            with holding(run):
                return self._halt(run, args)
        except SkepError as error:
            raise InvalidCommand(run.secrets.redact(str(error))) from error
        except KeyboardInterrupt:
            return interrupted(run, "run it again to stop the rest")

    def _halt(self, run: Run, names: Sequence[str]) -> int:
        """Stop the named hosts in parallel, and return the exit status."""
        began = time.monotonic()
        found = run.place.listing()
        hosts = {name: thing for name, thing in found.items() if thing.is_host}
        full = {host.name: host.short for host in run.stage.hosts}
        wanted = [full.get(name, name) for name in names] or list(hosts)
        if missing := [name for name in wanted if name not in hosts]:
            there = ", ".join(hosts) or "none"
            raise InvalidCommand(
                f"stage {run.stage.name} has no host {', '.join(missing)}; there are: {there}"
            )
        log = ConsoleLog(self.outstream)
        running = [name for name in dict.fromkeys(wanted) if hosts[name].running]
        if running:
            say_if_unasked(run)
        repository = hosts.get(run.stage.repository.short)
        if running and repository is not None and repository.running:  # else its Alertmanager is off
            run.silences.begin_lasting(f"{', '.join(running)} is halted", _touched(run, running), log)
        # These go last: as long as one of them lives, no other run begins.
        held = [host.short for host in run.stage_lock.held_on]
        if run.stage.repository.short in running:
            run.history.going_down(HALTING)
        run.stage_lock.let_go(host for host in run.stage.hosts if host.short in running)
        # Closed first: commands over a connection to a host that is off would wait for its timeout.
        run.connections.disconnect(except_=held)
        stopped = {
            name
            for part in ([n for n in running if n not in held], [n for n in running if n in held])
            for name in _stop(run, part, log)
        }
        run.connections.disconnect(except_=[short for short in held if short not in stopped])
        if run.stage.repository.short in stopped:
            run.history.went_down()
        else:
            run.history.end(HALTED if len(stopped) == len(running) else FAILED)
        if run.stage.repository.short not in stopped:
            run.silences.close(log)
        log(f"{len(stopped)} of {len(hosts)} hosts stopped ({time.monotonic() - began:.1f} s)")
        off = stopped | {name for name in hosts if not hosts[name].running}
        existing = [resource for resource in run.provider.resources() if resource.name in found]
        left = costs.costs_of(existing, lambda name: name not in off)
        for line in costs.lines(run.stage, left, "goes on costing money"):
            log(line)
        return 0 if len(stopped) == len(running) else 1


def _touched(run: Run, names: Collection[str]) -> Touched:
    """Return what is touched where hosts stop: they, the services that have tasks there, the swarm."""
    hives = [hive for hive in run.stage.hives if hive.short in names]
    services = {name for hive in hives for name in services_there(run, hive)}
    return Touched(services, names, OF_THE_SWARM if hives else ())


def _stop(run: Run, names: Sequence[str], log: Log) -> list[str]:
    """Stop hosts, all at a time; return those that have stopped."""

    def stop(name: str) -> bool:
        try:
            run.provider.halt(name, log)
        except SkepError as error:
            log(run.secrets.redact(str(error)))
            return False
        return True

    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        return [name for name, has_stopped in zip(names, pool.map(stop, names), strict=True) if has_stopped]
