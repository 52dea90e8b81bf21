"""`doit rebalance`: spread services evenly again that an outage left on few hosts."""

import sys
from collections.abc import Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.run import MANAGER_PATIENCE
from commands.shared.console import ConsoleLog
from commands.shared.current_run import confirming, site_run
from commands.shared.holding import holding, interrupted
from model.errors import HostError, SkepError
from remote.mother.wait import attempts
from tasks.alarms.silenced import silenced_service
from tasks.operate.adjusted_service import AdjustedService
from tasks.operate.containers import known_service
from tasks.operate.named_host import no_hosts
from tasks.operate.rebalance import START_FIRST, Balance, Move, balance
from tasks.operate.site_reading import EngineReading, read_site
from tasks.run.context import Run

NOTHING, FAILED, PLANNED = 0, 1, 2
"""The exit status: nothing to do, or done; it failed, or can't be told; something to do, and not confirmed."""
TRIES = 3
"""How often a service is placed anew at most. Of hives that are equal for the moment the swarm takes any."""
SETTLE = 60.0
"""Seconds for which old tasks may still end before their service is looked at again."""


class RebalanceCommand(DoitCmdBase):
    """Spread services evenly."""

    name = "rebalance"
    doc_purpose = "spread services evenly over the hives again, as after an outage"
    doc_usage = "[SERVICE] [confirm=SITE]"
    doc_description = """\
Lists the services that are spread unevenly, and changes nothing. Free to move are those without a volume on a host's \
disk and without ports of a host that are not rolled back; of the others it says why they stay. With confirm= it \
moves as few tasks as it takes, one service after another: each new task runs before an old one ends, unless the \
service has one task only, or there is no room.

Exit status: 0 nothing to do, or done; 2 something to do, not confirmed; 1 it failed, or can't be told."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """List, or move. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader, asks=False)
        if len(args) > 1:
            raise InvalidCommand(f"type: {self.bin_name} rebalance [SERVICE]")
        confirmed = get_var("confirm")
        if confirmed not in (None, run.stage.site_name):
            raise InvalidCommand(f"confirm={confirmed}: this site is {run.stage.site_name}")
        log = ConsoleLog(self.outstream)
        try:
            only = known_service(run.stage, args[0]) if args else ""
            if confirmed is None:
                return self._plan(run, only, log)
            run.connections.patience = MANAGER_PATIENCE
            with holding(run):
                return _move(run, only, log)
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return FAILED
        except KeyboardInterrupt:
            return interrupted(
                run, "the swarm goes on with the service that it is at; type it again for the others"
            )
        finally:
            run.connections.close()

    def _plan(self, run: Run, only: str, log: ConsoleLog) -> int:
        """Print what would be moved, and return the exit status."""
        found = _look(run, only, log)
        for move in found.moves:
            log(f"~ {move.service}  {move.reason}; {_order(move)}")
        for name, reason in found.staying.items():
            log(f"  {name}  stays: {reason}")
        for name, more in found.half_done.items():
            log(f"~ {name}  {more}: if none is at work, they end first")
        if not found.moves and not found.half_done:
            log("nothing to do: no service that is free to move is spread unevenly")
            return NOTHING
        words = (only,) if only else ()
        log(f"to place their tasks anew: {confirming(run, self.bin_name, self.name, (), words)}")
        return PLANNED


def _order(move: Move) -> str:
    """Return how many of a service's tasks are replaced, and in which order, in words."""
    count = move.extra or sum(move.hosts.values())
    order = f"stop-first: {move.stop_first}" if move.stop_first else START_FIRST
    return f"{count} task{'' if count == 1 else 's'} anew, {order}"


def _look(run: Run, only: str, log: ConsoleLog | None = None) -> Balance:
    """Return what can be done.

    Args:
        run: The run.
        only: A service; empty for all.
        log: Takes a line for each hive that does not answer.

    Raises:
        HostError: No manager answers, or state/ knows none.

    """
    made = [host for host in run.stage.hosts if run.state.host_record(host) is not None]
    if not any(host.is_hive for host in made):
        raise HostError(no_hosts(run.stage, "hive"))
    reading = read_site(run, made)
    if isinstance(reading.swarm, str):
        raise HostError(reading.swarm)
    for hive in run.stage.hives if log is not None else ():
        if log is not None and not isinstance(reading.engines.get(hive.short), EngineReading):
            log(f"! {hive.short} does not answer: nothing is moved there")
    return balance(run.stage, reading, only)


def _move(run: Run, only: str, log: ConsoleLog) -> int:
    """Place services anew, one after another, each by a new look, and return the exit status.

    Raises:
        SkepError: A service does not run afterwards; those after it stay.

    """
    tries: dict[str, int] = {}
    found = _look(run, only, log)
    half_done = found.half_done
    for name in half_done:
        with silenced_service(run, name, f"service {name} is spread evenly", log):
            AdjustedService(run, name).end_spread(log)
        found = _settled(run, only, name)
    while move := next((each for each in found.moves if tries.get(each.service, 0) < TRIES), None):
        log(f"{move.service}: {move.reason}; {_order(move)}")
        service = AdjustedService(run, move.service)
        with silenced_service(run, move.service, f"service {move.service} is spread evenly", log):
            if move.extra:
                service.spread(move.extra, log)
            else:
                service.restart(log, start_first=not move.stop_first)
        tries[move.service] = tries.get(move.service, 0) + 1
        found = _settled(run, only, move.service)
    for left in found.moves:
        log(f"{left.service}: {left.reason} still: the swarm has placed its tasks so")
    if tries:
        log(f"{len(tries)} service{'' if len(tries) == 1 else 's'} placed anew")
    elif not half_done:
        log("nothing to do")
    return NOTHING


def _settled(run: Run, only: str, service: str) -> Balance:
    """Return a new look, once no old task of a service ends any more: such would look as if they had stayed."""
    for _ in attempts(SETTLE):
        found = _look(run, only)
        if service not in found.unsettled:
            break
    return found
