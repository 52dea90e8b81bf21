"""`doit recover_swarm keep=hive0`: a swarm that lost its majority goes on with one manager that is left."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import confirming, site_run
from commands.shared.holding import holding, interrupted
from model.alarms.touched import Touched
from model.errors import HostError, SkepError
from providers.base import Found
from tasks.operate.lost_managers import SwarmLoss, examine
from tasks.operate.named_host import known_host
from tasks.operate.swarm_recovery import SwarmRecovery
from tasks.run.context import Run

PLANNED = 2
"""The exit status where something is to be done, and is not confirmed."""


def _things(run: Run) -> Mapping[str, Found]:
    """Return what the provider lists; nothing where it can't be asked."""
    with suppress(SkepError):
        return run.place.listing() if run.provider.owns else {}
    return {}


class RecoverSwarmCommand(DoitCmdBase):
    """Have a swarm that lost its majority go on."""

    name = "recover_swarm"
    doc_purpose = "have a swarm go on that lost the majority of its managers"
    doc_usage = "keep=HOST [off=HOST,...] [confirm=SITE]"
    doc_description = """\
Refused while a majority answers. Says what it would do, and ends with 2; with confirm= it does it.

The other managers are fenced first: their provider switches them off. Where skep can't, as with `prepared`, do that \
yourself, and name them with off=. Then the host of keep= makes a new swarm of what it knows, with all services, \
networks and secrets; its containers restart. The next run starts the others: each leaves the old swarm before \
anything runs there, and joins as a new node. After a kill, type it again."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Say what is to be done, or do it. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader)
        named = get_var("keep")
        if args or not named:
            raise InvalidCommand(
                f"type: {self.bin_name} recover_swarm keep=HOST, which is the manager that is left"
            )
        confirmed = get_var("confirm")
        if confirmed not in (None, run.stage.site_name):
            raise InvalidCommand(f"confirm={confirmed}: this site is {run.stage.site_name}")
        off = [word for word in (get_var("off") or "").split(",") if word]
        log = ConsoleLog(self.outstream)
        try:
            keep = known_host(run, named)
            if confirmed is None:
                loss = examine(run, keep, off)
                self._say(run, loss, log)
                log(f"to do it: {self._confirming(run, loss, off)}")
                return PLANNED
            # Hosts that are known not to run are not waited for.
            off_now = {name for name, thing in _things(run).items() if not thing.running}
            run.stage_lock.is_down = lambda host: host.short in off_now
            with holding(run):
                return self._recover(run, examine(run, keep, off), off, log)
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        except KeyboardInterrupt:
            return interrupted(run, "type it again, which goes on where it was")
        finally:
            run.connections.close()

    @staticmethod
    def _say(run: Run, loss: SwarmLoss, log: ConsoleLog) -> None:
        """Print what is to be done."""
        for line in SwarmRecovery(run, loss).lines():
            log(run.secrets.redact(line))

    def _recover(self, run: Run, loss: SwarmLoss, off: Sequence[str], log: ConsoleLog) -> int:
        """Do it, and return the exit status.

        Raises:
            SkepError: A host is not fenced, or the new swarm is not made.

        """
        self._say(run, loss, log)
        if loss.unfenced:
            raise HostError(
                f"skep can't switch off {', '.join(loss.unfenced)}: do that yourself, then: "
                f"{self._confirming(run, loss, off)}"
            )
        with run.silences.lasting("the swarm is made of one manager", Touched(loss.services), log):
            SwarmRecovery(run, loss).carry_out(log)
        back = [each.name for each in loss.lost if each.host in run.stage.hosts]
        first = (
            ""
            if run.provider.owns or not back
            else f"switch on {', '.join(back)}, one after the other, each with "
        )
        log(f"next: {first}{self.bin_name}, which has {', '.join(back) or 'the others'} join anew")
        return 0

    def _confirming(self, run: Run, loss: SwarmLoss, off: Sequence[str]) -> str:
        """Return the command line that does it."""
        line = confirming(run, self.bin_name, "recover_swarm", ())
        words = [f"keep={loss.keep.short}"]
        if named := [*off, *loss.unfenced]:
            words.append(f"off={','.join(named)}")
        return f"{line} {shlex.join(words)}"
