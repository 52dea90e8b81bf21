"""`doit restart SERVICE`: replace a service's tasks by new ones."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.shared.console import ConsoleLog
from commands.shared.current_run import site_run
from commands.shared.holding import INTERRUPTED, holding
from model.errors import SkepError
from tasks.alarms.silenced import silenced_service
from tasks.operate.adjusted_service import AdjustedService
from tasks.operate.containers import known_service


class RestartCommand(DoitCmdBase):
    """Restart services."""

    name = "restart"
    doc_purpose = (
        "replace the tasks of services by new ones, as their update_config has it, and wait until they run"
    )
    doc_usage = "SERVICE ..."
    doc_description = (
        'Nothing else changes: the next run has nothing to do. A job runs again. With order = "start-first" in '
        "update_config the new tasks run before the old ones end."
    )

    cmd_options = ()

    def execute(self, params: Any, args: Sequence[str]) -> int:
        """Restart them one after the other. Loads no tasks."""
        self.loader.setup(params)
        run = site_run(self.loader, asks=False)
        if not args:
            raise InvalidCommand(
                f"type: {self.bin_name} restart SERVICE; services: {', '.join(run.stage.services)}"
            )
        log = ConsoleLog(self.outstream)
        began = time.monotonic()
        try:
            names = [known_service(run.stage, name) for name in args]
            with holding(run):
                for name in names:
                    with silenced_service(run, name, f"service {name} is restarted", log):
                        AdjustedService(run, name).restart(log)
        except SkepError as error:
            sys.stderr.write(f"{run.secrets.redact(str(error))}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted: the swarm goes on replacing the tasks\n")
            return INTERRUPTED
        log(f"{', '.join(names)}: new tasks run ({time.monotonic() - began:.1f} s)")
        return 0
