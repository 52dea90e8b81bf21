"""`doit rebalance`: spread services evenly again that an outage left on few hosts."""

import sys
from collections.abc import Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import confirming, site_run
from commands.shared.holding import INTERRUPTED, holding
from model.errors import HostError, SkepError
from tasks.operate.adjusted_service import AdjustedService
from tasks.operate.containers import known_service
from tasks.operate.rebalance import Balance, balance
from tasks.operate.site_reading import read_site
from tasks.run.context import Run

NOTHING, PLANNED = 0, 2
"""The exit status: nothing to do, or done; something to do, and not confirmed."""


class RebalanceCommand(DoitCmdBase):
    """Spread services evenly."""

    name = "rebalance"
    doc_purpose = "spread services evenly over the hives again, as after an outage"
    doc_usage = "[SERVICE] [confirm=SITE]"
    doc_description = """\
Lists services that are spread unevenly and are free to move: those without volumes of a host, ports of a host, and \
constraints that leave no choice. Changes nothing, and ends with 2 if there are some. With confirm= it places their \
tasks anew, one service after another, each new task before the old one ends."""

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
            with holding(run):
                return _move(run, only, log)
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: the swarm goes on with the service that it is at\n")
            return INTERRUPTED
        finally:
            run.connections.close()

    def _plan(self, run: Run, only: str, log: ConsoleLog) -> int:
        """Print what would be moved, and return the exit status."""
        found = _look(run, only)
        for move in found.moves:
            log(f"~ {move.service}  {move.reason}")
        for name, reason in found.staying.items():
            log(f"  {name}  stays: {reason}")
        if not found.moves:
            log("nothing to do: no service that is free to move is spread unevenly")
            return NOTHING
        log(f"to place their tasks anew: {confirming(run, self.bin_name, 'rebalance', ())}")
        return PLANNED


def _look(run: Run, only: str) -> Balance:
    """Return what can be done.

    Raises:
        HostError: No manager answers.

    """
    made = [host for host in run.stage.hosts if run.state.host_record(host) is not None]
    reading = read_site(run, made)
    if isinstance(reading.swarm, str):
        raise HostError(reading.swarm)
    return balance(run.stage, reading, only)


def _move(run: Run, only: str, log: ConsoleLog) -> int:
    """Place services anew, one after another, each by a new look, and return the exit status.

    Raises:
        SkepError: A service does not run afterwards; those after it stay.

    """
    moved: set[str] = set()
    while True:
        left = [move for move in _look(run, only).moves if move.service not in moved]
        if not left:
            break
        move = left[0]
        log(f"{move.service}: {move.reason}")
        AdjustedService(run, move.service).restart(log, start_first=True)
        moved.add(move.service)
    log(f"{len(moved)} services were placed anew" if moved else "nothing to do")
    return NOTHING
