"""`doit scale web=3`: give a service another number of tasks for a while."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from doit import get_var
from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED, holding
from model.errors import SkepError
from model.moments import future_moment
from tasks.alarms.silenced import silenced_service
from tasks.operate.adjusted_service import AdjustedService
from tasks.run.open import words_typed

KEEP = "keep"
_OWN = ("stage", "until")
"""The words `name=value` that are no service's; a service may be called as those of other commands are, `user`."""


class ScaleCommand(DoitCmdBase):
    """Scale services."""

    name = "scale"
    doc_purpose = "give services another number of tasks, until the next run or for longer"
    doc_usage = "SERVICE=NUMBER ... [until=2h] [keep]"
    doc_description = """\
site.toml stays as it is, so the next run gives the service its own number again. With until=2h, or until=18:00, runs \
leave it alone until then; with keep, until its definition changes. A number as in site.toml ends it at once."""

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Scale them. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader, asks=False)
        typed = {name: text for name, text in words_typed().items() if name not in _OWN}
        wanted = {name: text for name, text in typed.items() if name in run.stage.services}
        rest = [
            *(word for word in args if word != KEEP),
            *(f"{name}={typed[name]}" for name in typed.keys() - wanted),
        ]
        wrong = [f"{name}={text}" for name, text in wanted.items() if not text.isdecimal()]
        if rest or wrong or not wanted:
            raise InvalidCommand(
                f"{' '.join([*rest, *wrong]) or 'no service'}: type: {self.bin_name} scale SERVICE=NUMBER "
                f"[until=2h] [keep]; services: {', '.join(run.stage.services) or 'none'}"
            )
        until = get_var("until")
        if until is not None and KEEP in args:
            raise InvalidCommand(f"until={until} and {KEEP}: how long is it to stay so? Type one of them")
        log = ConsoleLog(self.outstream)
        try:
            ends = None if until is None else future_moment(until, time.time())
            with holding(run):
                for name, number in wanted.items():
                    with silenced_service(run, name, f"service {name} is scaled", log):
                        AdjustedService(run, name).scale(int(number), log, until=ends, keep=KEEP in args)
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: the swarm goes on with the number that it was given\n")
            return INTERRUPTED
        return 0
